#include "node/volumes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/format.h"
#include "node/limits.h"
#include "os/files.h"

namespace mk::node {
namespace {

constexpr int64_t kTokenMode = 0600;  // the Pod's own user, and nobody else of the machine
constexpr std::string_view kModelDriver = "model.modelkit.dev";

Failure cannot(std::string message) {
  return fail(Code::kFailedPrecondition, "CreateContainerConfigError", std::move(message));
}

// A path inside a volume: relative, without "..". (A tab would end it in the shim's spec.)
bool is_inside(std::string_view path) {
  if (path.empty() || path[0] == '/' || path.find('\t') != path.npos) return false;
  for (const auto& part : std::filesystem::path(path))
    if (part == "..") return false;
  return true;
}

// Files of one projected volume, by their path in it.
class Projection {
 public:
  Projection(const Json& pod, const Lookup& lookup, int64_t mode, const AccountAccess* access)
      : pod_(pod), lookup_(lookup), mode_(mode), access_(access) {}

  Result<void> add_source(const Json& source) {
    if (const Json* map = source.find("configMap")) return add_keys("configmaps", "configmap", "name", *map);
    if (const Json* secret = source.find("secret"))
      return add_keys("secrets", "secret", secret->contains("secretName") ? "secretName" : "name", *secret);
    if (const Json* api = source.find("downwardAPI")) return add_fields((*api)["items"]);
    if (const Json* token = source.find("serviceAccountToken")) return add_token(*token);
    return cannot("a projected source is neither configMap, secret, downwardAPI nor serviceAccountToken");
  }

  // What every client inside a cluster looks for.
  Result<void> add_account() {
    MK_OK(add_token(Json::object({{"path", "token"}})));
    MK_OK(add("ca.crt", access_->ca_pem, 0644));
    return add("namespace", std::string(pod_.at({"metadata", "namespace"}).text()), 0644);
  }

  // The folders stay ours: files can be written anew when we have been restarted.
  Result<void> write(const std::string& folder, std::vector<std::string>& for_pod) const {
    for (const auto& [path, file] : files_) {
      const std::string full = folder + "/" + path;
      MK_OK(os::make_folder(full.substr(0, full.rfind('/')), 0755));
      MK_OK(os::write_file(full, file.bytes, static_cast<uint32_t>(file.mode)));
      for_pod.push_back(full);
    }
    return {};
  }

 private:
  struct File {
    std::string bytes;
    int64_t mode;
  };

  Result<void> add(std::string path, std::string bytes, int64_t mode) {
    if (!is_inside(path)) return cannot(fmt::format("volume path \"{}\" must be relative, without ..", path));
    bytes_ += bytes.size();
    if (files_.size() >= kVolumeFilesMax || bytes_ > kVolumeBytesMax)
      return cannot(fmt::format("a projected volume holds at most {} files and {} bytes", kVolumeFilesMax,
                                kVolumeBytesMax));
    files_[std::move(path)] = {std::move(bytes), mode};
    return {};
  }

  Result<void> add_token(const Json& source) {
    if (access_ == nullptr || access_->tokens == nullptr) return cannot("this node gives no service account tokens");
    MK_TRY(std::string token, account_token(*access_, pod_, source));
    return add(std::string(source["path"].text()), std::move(token), kTokenMode);
  }

  Result<void> add_keys(std::string_view resource, std::string_view kind, std::string_view name_field,
                        const Json& source) {
    const std::string_view name = source[name_field].text();
    const store::ObjectRef found = lookup_(
        {std::string(resource), std::string(pod_.at({"metadata", "namespace"}).text()), std::string(name)});
    if (found == nullptr) {
      if (source["optional"].boolean()) return {};
      return cannot(fmt::format("{} \"{}\" not found", kind, name));
    }
    const Json object = found->json();
    if (!source["items"].empty()) {
      for (const Json& item : source["items"].items()) {
        auto value = config_value(object, item["key"].text());
        if (!value && source["optional"].boolean()) continue;
        if (!value) return fail(std::move(value).error());
        MK_OK(add(std::string(item["path"].text()), std::move(*value), item["mode"].integer(mode_)));
      }
      return {};
    }
    for (std::string_view part : {"data", "binaryData"}) {
      for (const auto& [key, ignored] : object[part].members()) {
        MK_TRY(std::string value, config_value(object, key));
        MK_OK(add(key, std::move(value), mode_));
      }
    }
    return {};
  }

  Result<void> add_fields(const Json& items) {
    for (const Json& item : items.items()) {
      std::string value;
      const std::string_view path = item.at({"fieldRef", "fieldPath"}).text();
      if (path == "metadata.labels" || path == "metadata.annotations") {
        for (const auto& [key, text] : pod_["metadata"][path.substr(9)].members())
          value += fmt::format("{}={}\n", key, Json(text).dump());
      } else {
        MK_TRY(value, field_value(pod_, path));
      }
      MK_OK(add(std::string(item["path"].text()), std::move(value), item["mode"].integer(mode_)));
    }
    return {};
  }

  const Json& pod_;
  const Lookup& lookup_;
  int64_t mode_;
  const AccountAccess* access_;
  size_t bytes_ = 0;
  std::map<std::string, File> files_;
};

Result<Volume> host_path(const Json& source) {
  const std::string path(source["path"].text());
  const std::string_view type = source["type"].text();
  if (path.empty() || path[0] != '/') return cannot(fmt::format("hostPath \"{}\" is not absolute", path));
  if (type == "DirectoryOrCreate") MK_OK(os::make_folder(path, 0755));
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return cannot(fmt::format("hostPath {} does not exist", path));
  if (type.starts_with("Directory") && !S_ISDIR(info.st_mode))
    return cannot(fmt::format("hostPath {} is no folder", path));
  return Volume{.folder = path};
}

Result<Volume> model_folder(const Json& csi) {
  if (csi["driver"].text() != kModelDriver)
    return cannot(fmt::format("this node knows no CSI driver \"{}\"", csi["driver"].text()));
  const std::string folder(csi.at({"volumeAttributes", "folder"}).text());
  struct stat info{};
  if (stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return cannot("the model's files are not there");
  return Volume{.folder = folder, .read_only = true, .model = true};
}

Result<Volume> prepare(const Json& pod, const Json& volume, const std::string& home,
                       std::vector<std::string>& for_pod, const Lookup& lookup, const AccountAccess* access) {
  if (const Json* path = volume.find("hostPath")) return host_path(*path);
  if (const Json* csi = volume.find("csi")) return model_folder(*csi);
  Volume made{.folder = fmt::format("{}/volumes/{}", home, volume["name"].text())};
  const bool empty = volume.contains("emptyDir") || volume.contains("ephemeral");
  if (!os::exists(made.folder)) {
    MK_OK(os::make_folder(made.folder));
    if (chmod(made.folder.c_str(), empty ? 0777 : 0755) != 0) return cannot("a volume's folder cannot be made");
    if (empty) for_pod.push_back(made.folder);
  }
  if (empty) return made;
  made.read_only = true;
  const Json* projected = volume.find("projected");
  std::string_view own;
  for (std::string_view kind : {"configMap", "secret", "downwardAPI"})
    if (volume.contains(kind)) own = kind;
  if (projected == nullptr && own.empty())
    return cannot(
        fmt::format("volume \"{}\" is of a type that this node does not have", volume["name"].text()));
  Projection files(pod, lookup,
                   (projected != nullptr ? *projected : volume[own])["defaultMode"].integer(0644), access);
  if (projected != nullptr) {
    for (const Json& source : (*projected)["sources"].items()) MK_OK(files.add_source(source));
  } else {
    MK_OK(files.add_source(volume));
  }
  MK_OK(files.write(made.folder, for_pod));
  return made;
}

}  // namespace

Result<Volumes> prepare_volumes(const Json& pod, const PodSpec& spec, const std::string& home,
                                const Give& give, const Lookup& lookup, const AccountAccess* access) {
  Volumes volumes;
  std::vector<std::string> for_pod;
  for (const Json& volume : spec.volumes.items()) {
    MK_TRY(Volume made, prepare(pod, volume, home, for_pod, lookup, access));
    volumes.emplace(volume["name"].text(), std::move(made));
  }
  if (access != nullptr && access->tokens != nullptr && mounts_account(pod, lookup)) {
    const Volume made{.folder = fmt::format("{}/volumes/{}", home, kAccountVolume), .read_only = true};
    MK_OK(os::make_folder(made.folder, 0755));
    Projection files(pod, lookup, 0644, access);
    MK_OK(files.add_account());
    MK_OK(files.write(made.folder, for_pod));
    volumes.emplace(kAccountVolume, made);
  }
  if (give && !for_pod.empty()) MK_OK(give(for_pod));
  return volumes;
}

Result<void> refresh_tokens(const Json& pod, const std::string& home, const Give& give, const AccountAccess& access,
                            Time now) {
  const bool with_account = os::exists(fmt::format("{}/volumes/{}/token", home, kAccountVolume));
  for (const TokenFile& file : token_files(pod, with_account)) {
    const std::string path = home + "/" + file.path, fresh = path + ".new";
    const auto held = os::read_file(path);
    if (!held || !is_stale(*held, now)) continue;
    MK_TRY(const std::string token, account_token(access, pod, file.source));
    MK_OK(os::write_file(fresh, token, kTokenMode));
    if (give) MK_OK(give({fresh}));
    if (std::rename(fresh.c_str(), path.c_str()) != 0) return cannot("a token in a volume cannot be replaced");
  }
  return {};
}

Result<std::vector<os::ProcessSpec::Mount>> container_mounts(const Container& container,
                                                             const Volumes& volumes) {
  std::vector<os::ProcessSpec::Mount> mounts;
  for (const Json& mount : container.mounts.items()) {
    const auto found = volumes.find(mount["name"].text());
    if (found == volumes.end())
      return cannot(fmt::format("container {} mounts volume \"{}\", which the Pod does not have",
                                container.name, mount["name"].text()));
    const std::string sub(mount["subPath"].text());
    if (!sub.empty() && !is_inside(sub))
      return cannot(fmt::format("subPath \"{}\" must be relative, without ..", sub));
    const std::string target(mount["mountPath"].text());
    if (target.empty() || target[0] != '/' || target.find_first_not_of('/') == target.npos ||
        target.find('\t') != target.npos)
      return cannot(fmt::format("mountPath \"{}\" is not an absolute path beneath /", target));
    mounts.push_back({found->second.folder, target, found->second.read_only || mount["readOnly"].boolean(), sub});
  }
  const auto account = volumes.find(kAccountVolume);
  const auto taken = [](const auto& mount) { return mount.target == kAccountFolder; };
  if (account != volumes.end() && std::none_of(mounts.begin(), mounts.end(), taken))
    mounts.push_back({account->second.folder, kAccountFolder, true});
  return mounts;
}

}  // namespace mk::node
