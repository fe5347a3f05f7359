#include "core/access.h"

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

bool allowed(const Identity& who, const Permission& what) {
  return what.is_anyone() || who.owner;
}

}  // namespace mk::core
