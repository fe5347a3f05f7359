// A Pod's volumes as folders: emptyDir, configMap, secret, downwardAPI and projected ones are made in the
// Pod's own folder; hostPath and registry models are the folders that they name.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "node/account_access.h"
#include "node/environment.h"
#include "node/pod_spec.h"
#include "os/processes.h"

namespace mk::node {

struct Volume {
  std::string folder;
  bool read_only = false;
  bool model = false;  // a registered model: its place goes into MODELKIT_MODEL_DIR
};
// Makes files and folders belong to the Pod's user; unset when that is ours.
using Give = std::function<Result<void>(const std::vector<std::string>& paths)>;
using Volumes = std::map<std::string, Volume, std::less<>>;

// Makes what is missing beneath `home`. kFailedPrecondition names what is not there.
Result<Volumes> prepare_volumes(const Json& pod, const PodSpec& spec, const std::string& home,
                                const Give& give, const Lookup& lookup, const AccountAccess* access = nullptr);

// Replaces the tokens in a Pod's volumes that near their end.
Result<void> refresh_tokens(const Json& pod, const std::string& home, const Give& give, const AccountAccess& access,
                            Time now);

// Where one container sees them.
Result<std::vector<os::ProcessSpec::Mount>> container_mounts(const Container& container,
                                                             const Volumes& volumes);

}  // namespace mk::node
