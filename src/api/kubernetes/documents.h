// What describes the kinds to clients, following them as they come and go. Thread-safe.
#pragma once
#include <memory>
#include <mutex>

#include "api/kubernetes/discovery.h"
#include "api/kubernetes/openapi.h"

namespace mk::api::kubernetes {

class Documents {
 public:
  struct Set {
    kinds::Kinds kinds;
    Discovery discovery;
    std::shared_ptr<OpenApi> openapi;  // makes itself at first use
  };
  // Of the kinds that there are now.
  std::shared_ptr<const Set> now();

 private:
  std::mutex mutex_;
  std::shared_ptr<const Set> set_;
};

}  // namespace mk::api::kubernetes
