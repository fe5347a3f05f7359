// The registry's room as one thing to build: what stands lower uses what stands higher.
#pragma once
#include <string>
#include <vector>

#include "blob/blob.h"
#include "core/ports.h"
#include "modules/registry/artifacts.h"
#include "modules/registry/logged_models.h"
#include "modules/registry/registry.h"
#include "modules/registry/resolver.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::registry {

store::Schema schema();

struct Module {
  Module(store::Store& store, blob::Blobs& blobs, const core::RunDirectory& runs,
         std::vector<std::string> file_roots, const os::Clock& clock = os::system_clock(),
         os::Random& random = os::system_random())
      : logged(store, clock, random, runs),
        registry(store, clock, runs, logged),
        artifacts(blobs, runs, registry, logged),
        resolver(registry, logged, artifacts, std::move(file_roots)) {}

  LoggedModels logged;
  Registry registry;
  Artifacts artifacts;
  Resolver resolver;
};

}  // namespace mk::registry
