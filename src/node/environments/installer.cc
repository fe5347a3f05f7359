#include "node/environments/installer.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/format.h"
#include "node/environments/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kBuildUid = 1'999'000'000;  // when we are root: owns nothing, far from people, services and Pods
constexpr const char* kUvInside = "/opt/modelkit/uv";
constexpr const char* kHome = "/tmp";

bool runs(const std::string& path) { return !path.empty() && access(path.c_str(), X_OK) == 0; }

std::string find_uv(const ReadVariable& variable) {
  std::vector<std::string> places = {variable("MODELKIT_UV")};
  std::string path = variable("PATH");
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    places.push_back(path.substr(at, end - at) + "/uv");
    at = end + 1;
  }
  std::error_code failed;
  auto folder = fs::read_symlink("/proc/self/exe", failed).parent_path();
  for (int above = 0; above < 3 && folder.has_parent_path(); ++above, folder = folder.parent_path())
    places.push_back(folder / ".venv/bin/uv");
  for (const auto& place : places)
    if (place.starts_with('/') && runs(place)) return fs::canonical(place, failed);
  return {};
}

std::string_view trim(std::string_view text) {
  const auto from = text.find_first_not_of(" \t\r");
  return from == text.npos ? std::string_view() : text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

PipSettings read_pip_settings(const ReadVariable& variable) {
  PipSettings settings;
  const std::string home = variable("HOME");
  std::string joined;
  for (const auto& path : {std::string("/etc/pip.conf"), home + "/.pip/pip.conf", home + "/.config/pip/pip.conf",
                           variable("PIP_CONFIG_FILE")})
    if (auto text = os::read_file(path, kRequirementsBytesMax)) joined += *text + "\n";
  settings = parse_pip_conf(joined);
  for (auto [name, field] : {std::pair{"PIP_INDEX_URL", &settings.index_url},
                             std::pair{"PIP_EXTRA_INDEX_URL", &settings.extra_index_url},
                             std::pair{"PIP_FIND_LINKS", &settings.find_links}, std::pair{"PIP_CERT", &settings.cert}})
    if (auto value = variable(name); !value.empty()) *field = value;
  return settings;
}

void bind_same(os::Sandbox& sandbox, const std::string& path) {
  if (path.starts_with('/')) sandbox.binds.push_back({path, path});
}

}  // namespace

PipSettings parse_pip_conf(std::string_view text) {
  PipSettings out;
  bool wanted = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      wanted = line == "[global]" || line == "[install]";
      continue;
    }
    const auto equals = line.find('=');
    if (!wanted || equals == line.npos) continue;
    const auto key = trim(line.substr(0, equals));
    const auto value = trim(line.substr(equals + 1));
    if (key == "index-url") out.index_url = value;
    if (key == "extra-index-url") out.extra_index_url = value;
    if (key == "find-links") out.find_links = value;
    if (key == "cert") out.cert = value;
  }
  return out;
}

std::vector<std::vector<std::string>> Installer::commands(const std::string& folder,
                                                          const std::string& requirements) const {
  if (!uv.empty())
    return {{kUvInside, "venv", "--quiet", "--allow-existing", "--no-project", "--python", python, folder},
            {kUvInside, "pip", "install", "--no-progress", "--only-binary", ":all:", "--python", folder + "/bin/python",
             "--link-mode", "copy", "-r", requirements}};
  return {{python, "-I", "-m", "venv", folder},
          {folder + "/bin/python", "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off",
           "--only-binary", ":all:", "--no-compile", "-r", requirements}};
}

Result<Installer> find_installer(const std::string& python_version, const ReadVariable& variable) {
  Installer installer;
  installer.uv = find_uv(variable);
  const std::string version = python_version.empty() ? "3.11" : python_version;
  installer.python = "/usr/bin/python" + version;
  if (!runs(installer.python)) {
    return fail(Error{Code::kFailedPrecondition, "no_python",
                      fmt::format("the model needs Python {}, and {} is not there", version, installer.python)}
                    .with_hint(fmt::format("install it (apt-get install python{}-venv), or log the model with a Python "
                                           "that this machine has",
                                           version)));
  }
  return installer;
}

os::Sandbox build_sandbox(const Installer& installer, const std::string& folder, const ReadVariable& variable,
                          std::vector<std::string>& env) {
  os::Sandbox sandbox = os::Sandbox::with_system();
  sandbox.network = true;
  sandbox.uid_for_root = kBuildUid;
  sandbox.processes_max = kBuildProcessesMax;
  sandbox.open_files_max = 4096;
  sandbox.tmp_bytes_max = uint64_t{8} << 30;  // wheels on their way
  for (const char* path : {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
                           "/etc/ssl", "/etc/ca-certificates", "/etc/pip.conf", "/etc/uv"})
    bind_same(sandbox, path);
  sandbox.binds.push_back({folder, folder, true});
  if (!installer.uv.empty()) sandbox.binds.push_back({installer.uv, kUvInside});

  env = {"PATH=/usr/bin:/bin", fmt::format("HOME={}", kHome), "LANG=C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK=1",
         "UV_PYTHON_DOWNLOADS=never", "UV_CACHE_DIR=/tmp/uv-cache"};
  // What names files is bound as it stands; what only sets is passed on.
  for (const char* name : {"PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
                           "PIP_FIND_LINKS", "UV_FIND_LINKS"}) {
    const std::string value = variable(name);
    if (value.empty()) continue;
    bind_same(sandbox, value);
    env.push_back(fmt::format("{}={}", name, value));
  }
  for (const char* name :
       {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_NO_INDEX", "PIP_RETRIES",
        "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST", "UV_NATIVE_TLS",
        "UV_HTTP_TIMEOUT", "UV_INDEX_STRATEGY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy",
        "https_proxy", "all_proxy", "no_proxy"})
    if (auto value = variable(name); !value.empty()) env.push_back(fmt::format("{}={}", name, value));

  const std::string home = variable("HOME");
  const auto pass_file = [&](const std::string& from, const char* inside, const char* name) {
    auto text = os::read_file(from, kRequirementsBytesMax);
    if (!text) return;
    sandbox.files.push_back({inside, std::move(*text)});
    env.push_back(fmt::format("{}={}", name, inside));
  };
  const std::string own = variable("PIP_CONFIG_FILE");
  pass_file(!own.empty() ? own : home + "/.config/pip/pip.conf", "/tmp/pip.conf", "PIP_CONFIG_FILE");
  pass_file(home + "/.config/uv/uv.toml", "/tmp/uv.toml", "UV_CONFIG_FILE");
  pass_file(home + "/.netrc", "/tmp/netrc", "NETRC");

  const PipSettings pip = read_pip_settings(variable);
  bind_same(sandbox, pip.find_links);
  bind_same(sandbox, pip.cert);
  if (installer.uv.empty()) return sandbox;
  const auto unless_set = [&](const char* name, const std::string& value) {
    if (!value.empty() && variable(name).empty()) env.push_back(fmt::format("{}={}", name, value));
  };
  if (variable("UV_DEFAULT_INDEX").empty()) unless_set("UV_INDEX_URL", pip.index_url);
  unless_set("UV_EXTRA_INDEX_URL", pip.extra_index_url);
  unless_set("UV_FIND_LINKS", pip.find_links);
  unless_set("SSL_CERT_FILE", pip.cert);
  unless_set("UV_HTTP_TIMEOUT", variable("PIP_DEFAULT_TIMEOUT"));
  return sandbox;
}

}  // namespace mk::node
