// The latest lines of watches, so that an event is printed once for all who watch alike, however many they
// are. Thread-safe.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/encode.h"

namespace mk::api::kubernetes {

class EventLines {
 public:
  EventLines();
  // `variant` is encoder.variant(). Never null.
  std::shared_ptr<const std::string> of(const std::string& variant, std::string_view type,
                                        const store::Object& object, const Encoder& encoder);
  size_t printed() const;  // how many were not there yet

 private:
  struct Place {
    store::Version version = 0;
    std::string type, variant;
    std::shared_ptr<const std::string> line;
  };
  mutable std::mutex mutex_;
  std::vector<Place> places_;  // by the version, modulo
  size_t printed_ = 0;
};

}  // namespace mk::api::kubernetes
