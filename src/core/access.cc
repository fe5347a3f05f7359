#include "core/access.h"

#include <algorithm>

#include "base/format.h"

namespace mk::core {

Identity Identity::owner_of_this_machine() {
  return {"owner", {"system:masters", "system:authenticated"}, true};
}
Identity Identity::anonymous() {
  return {"system:anonymous", {"system:unauthenticated"}, false};
}
Identity Identity::system(std::string_view component) {
  return {"system:modelkit:" + std::string(component), {"system:masters"}, true};
}
bool Identity::is_in(std::string_view group) const {
  return std::ranges::find(groups, group) != groups.end();
}

Ask Ask::about(std::string_view verb, std::string_view resource, std::string_view subresource) {
  const size_t dot = resource.find('.');
  Ask ask{.verb = verb, .resource = resource.substr(0, dot), .subresource = subresource};
  if (dot != std::string_view::npos) ask.group = resource.substr(dot + 1);
  return ask;
}

std::string why_not(const Identity& who, const Ask& ask) {
  if (!ask.path.empty())
    return fmt::format("User \"{}\" cannot {} path \"{}\"", who.user, ask.verb, ask.path.substr(0, 200));
  return fmt::format("User \"{}\" cannot {} resource \"{}{}{}\" in API group \"{}\" {}", who.user, ask.verb,
                     ask.resource, ask.subresource.empty() ? "" : "/", ask.subresource, ask.group,
                     ask.anywhere        ? std::string("in any namespace")
                     : ask.space.empty() ? std::string("at the cluster scope")
                                       : fmt::format("in the namespace \"{}\"", ask.space));
}

}  // namespace mk::core
