// modelkit version
#include "base/format.h"
#include "cli/verbs.h"

namespace mk::cli {

Verb version_verb() {
  return {.name = "version",
          .usage = "version",
          .what = "print the version",
          .run = [](const Arguments&) -> Result<int> {
            fmt::print("modelkit {}\n", MODELKIT_VERSION);
            return kOk;
          }};
}

}  // namespace mk::cli
