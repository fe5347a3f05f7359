// Objects as people write them: YAML or JSON files, "-" for standard input.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "kinds/kind.h"

namespace mk::cli {

struct Manifest {
  Json object;
  const kinds::Kind* kind = nullptr;
};

// Every object of the files, in order; errors name the file and the object.
Result<std::vector<Manifest>> read_manifests(const std::vector<std::string>& files);

}  // namespace mk::cli
