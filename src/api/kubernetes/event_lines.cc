#include "api/kubernetes/event_lines.h"

#include "api/kubernetes/limits.h"

namespace mk::api::kubernetes {

EventLines::EventLines() : places_(kEventLinesKept) {}

std::shared_ptr<const std::string> EventLines::of(const std::string& variant, std::string_view type,
                                                  const store::Object& object, const Encoder& encoder) {
  // Printed under the lock: who comes second waits less long than printing would take.
  const std::lock_guard lock(mutex_);
  Place& place = places_[object.version % places_.size()];
  if (place.line && place.version == object.version && place.type == type && place.variant == variant)
    return place.line;
  ++printed_;
  auto line = std::make_shared<const std::string>(encoder.event(type, object, false));
  if (line->size() <= kEventLineBytesMax) place = {object.version, std::string(type), variant, line};
  return line;
}

size_t EventLines::printed() const {
  const std::lock_guard lock(mutex_);
  return printed_;
}

}  // namespace mk::api::kubernetes
