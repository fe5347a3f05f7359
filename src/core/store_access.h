// Reader and Writer on our own store: what controllers get in the embedded mode. Thread-safe.
#pragma once
#include "core/controller.h"
#include "core/events.h"
#include "core/objects.h"

namespace mk::core {

class StoreReader final : public Reader {
 public:
  explicit StoreReader(const store::Store& store) : store_(store) {}
  ObjectRef get(const Key& key) const override { return store_.get(key); }
  std::vector<ObjectRef> list(const store::Selection& selection) const override {
    return store_.list(selection).objects;
  }
  std::vector<ObjectRef> owned_by(std::string_view uid) const override { return store_.owned_by(uid); }

 private:
  const store::Store& store_;
};

// Writes through Objects, so controllers pass the same admission as people, as a system identity.
class StoreWriter final : public Writer {
 public:
  StoreWriter(Objects& objects, EventRecorder& events, std::string_view component)
      : objects_(objects), events_(events), identity_(Identity::system(component)) {}

  Result<ObjectRef> create(Json object) override;
  Result<ObjectRef> update(Json object) override;
  Result<ObjectRef> update_status(Json object) override;
  Result<void> remove(const Key& key, std::optional<std::string> if_uid = {},
                      std::optional<int64_t> grace_period_s = {}) override;
  void event(const store::Object& about, std::string_view type, std::string_view reason,
             std::string_view message) override {
    events_.record(about, type, reason, message);
  }

 private:
  Objects& objects_;
  EventRecorder& events_;
  Identity identity_;
};

}  // namespace mk::core
