#include "app/schemas.h"

#include "modules/registry/module.h"
#include "modules/tracking/tracking.h"

namespace mk::app {

std::vector<store::Schema> schemas() {
  return {tracking::schema(), registry::schema()};
}

}  // namespace mk::app
