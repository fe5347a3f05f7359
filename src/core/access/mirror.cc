#include "core/access/mirror.h"

#include "base/log.h"

namespace mk::core {

Mirror::Mirror(store::Store& store, std::vector<std::string> resources) : store_(store) {
  for (std::string& resource : resources) followed_.push_back({std::move(resource), nullptr});
}
Mirror::~Mirror() = default;

// Lists and watches from there. False when the store would not, which is tried again at the next question.
bool Mirror::follow(Followed& one, const std::function<void(const Change&)>& each) {
  store::Listing listing = store_.list({one.resource, {}});
  auto watch = store_.watch({one.resource, {}}, listing.version,
                            [written = written_] { ++*written; });
  if (!watch) {
    log::warn("access rules cannot be followed", {{"resource", one.resource}, {"why", watch.error().message}});
    return false;
  }
  one.watch = std::move(*watch);
  for (store::ObjectRef& object : listing.objects) each({object->key, object});
  return true;
}

uint64_t Mirror::take(const std::function<void()>& anew, const std::function<void(const Change&)>& each) {
  const uint64_t taken = *written_;
  bool whole = true;
  for (Followed& one : followed_) whole = whole && one.watch;
  for (Followed& one : followed_) {
    while (whole) {
      auto events = one.watch->take();
      whole = events.has_value();  // else it was too slow, and everything is read again
      if (!whole || events->empty()) break;
      for (const store::Event& event : *events) {
        if (event.kind == store::Event::Kind::kBookmark) continue;
        const bool gone = event.kind == store::Event::Kind::kDeleted;
        each({event.object->key, gone ? nullptr : event.object});
      }
    }
  }
  if (whole) return taken;
  anew();
  bool all = true;
  for (Followed& one : followed_) all = follow(one, each) && all;
  return all ? taken : taken - 1;
}

}  // namespace mk::core
