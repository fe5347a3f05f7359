// A Pod's volumes as folders: emptyDir, configMap, secret, downwardAPI and projected ones are made in the
// Pod's own folder; hostPath and registry models are the folders that they name.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "node/environment.h"
#include "node/pod_spec.h"
#include "os/processes.h"

namespace mk::node {

struct Volume {
  std::string folder;
  bool read_only = false;
  bool model = false;  // a registered model: its place goes into MODELKIT_MODEL_DIR
};
using Volumes = std::map<std::string, Volume, std::less<>>;

// Makes what is missing beneath `home`, owned by `uid` when set. kFailedPrecondition names what is not there.
Result<Volumes> prepare_volumes(const Json& pod, const PodSpec& spec, const std::string& home,
                                std::optional<uint32_t> uid, const Lookup& lookup);

// Where one container sees them.
Result<std::vector<os::ProcessSpec::Mount>> container_mounts(const Container& container,
                                                             const Volumes& volumes);

}  // namespace mk::node
