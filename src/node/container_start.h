// From a declared container to the process that is started for it.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "node/environment.h"
#include "node/image_table.h"
#include "node/pod_spec.h"
#include "node/volumes.h"
#include "os/processes.h"

namespace mk::node {

// Where a Pod's processes live.
struct Ground {
  std::string pod_ip, host_ip, node_name;
  std::string home;                  // the Pod's folder
  bool memory_kept = true;           // bounds of memory hold for a container's processes together
  std::optional<uint32_t> user;      // the Pod's own uid; unset = ours
  Give give;                         // set with `user`
  const AccountAccess* access = nullptr;  // where the Pod reaches the control plane; null = it is not told
  std::vector<std::string> hidden;   // private folders of the machine that the Pod must not see
  std::vector<std::string> visible;  // folders beneath them that it may read
};

// Makes the Pod's own home folder beneath ground.home; the rest is pure. kFailedPrecondition says what is
// missing.
Result<os::ProcessSpec> process_spec(const Json& pod, const PodSpec& spec, const Container& container,
                                     const ImageProgram& image, const Volumes& volumes, const Ground& ground,
                                     const Lookup& lookup);

// `folder` itself, or the highest of its parents that other users cannot pass: hiding that one hides nothing
// that a Pod could have reached, and lets folders beneath be shown again.
std::string private_root(const std::string& folder);

}  // namespace mk::node
