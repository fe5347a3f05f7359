// Which program installs packages, and what the user has told it about indexes, certificates and proxies.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/sandbox.h"

namespace mk::node {

// Reads a variable of our own environment; empty when unset.
using ReadVariable = std::function<std::string(const char*)>;

struct Installer {
  std::string uv;      // uv's path; empty = pip of the interpreter
  std::string python;  // "/usr/bin/python3.11"

  // The commands that fill `folder`, an empty one, from `requirements` (a file), in order. All run in the build
  // sandbox; none of them runs code of the packages but pip, which must.
  std::vector<std::vector<std::string>> commands(const std::string& folder, const std::string& requirements) const;
};

// uv: $MODELKIT_UV, on $PATH, or in the .venv beside the program. The interpreter: /usr/bin/pythonX.Y, exactly the
// version asked for (compiled code does not cross versions). The error says what is not installed.
Result<Installer> find_installer(const std::string& python_version, const ReadVariable& variable);

// The sandbox of a build: the network, the user's package-index settings, `folder` writable and nothing else of the
// user. `env` gets the settings, for uv translated from pip's where uv has none of its own.
os::Sandbox build_sandbox(const Installer& installer, const std::string& folder, const ReadVariable& variable,
                          std::vector<std::string>& env);

// index-url, extra-index-url, find-links and cert of a pip.conf's [global] and [install]; later ones win.
struct PipSettings {
  std::string index_url, extra_index_url, find_links, cert;
};
PipSettings parse_pip_conf(std::string_view text);

}  // namespace mk::node
