// A container's environment and command line from what its Pod declares. Pure: other objects come by
// `lookup`.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "node/pod_spec.h"
#include "store/store.h"

namespace mk::node {

using Lookup = std::function<store::ObjectRef(const store::Key&)>;
using Variables = std::vector<std::pair<std::string, std::string>>;  // later ones win

// `base` comes first and may be named by $(VAR) like every variable declared before. A missing ConfigMap or
// Secret that is not optional is kFailedPrecondition with kubectl's sentence.
Result<Variables> container_variables(const Json& pod, const Container& container, Variables base,
                                      const Lookup& lookup);

// "$(NAME)" by its value, "$$(NAME)" as "$(NAME)", an unknown name as it stands.
std::string expand(std::string_view text, const Variables& variables);

// One value of the Pod itself: "metadata.name", "metadata.labels['app']", "status.podIP", "spec.nodeName",
// ...
Result<std::string> field_value(const Json& pod, std::string_view path);

// The bytes of one key of a ConfigMap (data or binaryData) or Secret.
Result<std::string> config_value(const Json& object, std::string_view key);

// Each name once, the last value.
std::vector<std::string> as_environment(const Variables& variables);

}  // namespace mk::node
