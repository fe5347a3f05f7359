// How objects are written for a client: whole, as metadata only, or as rows of a table. The bytes of whole
// objects are those that the store serialised once.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "api/kubernetes/media.h"
#include "api/kubernetes/target.h"
#include "os/clock.h"
#include "store/store.h"

namespace mk::api::kubernetes {

enum class RowObject : uint8_t { kMetadata, kNone, kWhole };  // includeObject of tables

class Encoder {
 public:
  Encoder(Target target, Wanted wanted, RowObject row_object, const os::Clock& clock)
      : target_(std::move(target)), wanted_(std::move(wanted)), row_object_(row_object), clock_(clock) {}

  std::string one(const store::Object& object) const;
  // As `one`, with metadata.managedFields written out, which lists and watches leave brief (core/managed).
  std::string alone(const store::Object& object) const;
  struct Page {
    const std::vector<store::ObjectRef>& objects;
    store::Version version = 0;
    std::string continue_token;
    size_t remaining = 0;  // how many follow; 0 = unknown or none
  };
  std::string list(const Page& page) const;

  // One line of a watch, with its newline. `first` = the first of this watch, which carries a table's
  // columns.
  std::string event(std::string_view type, const store::Object& object, bool first) const;
  std::string bookmark(store::Version version, bool initial_events_end) const;
  // Equal for encoders that write the same bytes of the same object.
  std::string variant() const;

  const Target& target() const { return target_; }
  const Wanted& wanted() const { return wanted_; }

 private:
  std::string whole(const store::Object& object) const;
  void append_item(std::string& out, std::string_view body) const;
  Json in_version(const store::Object& object) const;
  Json partial(const Json& object) const;
  Json row(const store::Object& object) const;
  Json columns() const;

  Target target_;
  Wanted wanted_;
  RowObject row_object_;
  const os::Clock& clock_;
};

std::string error_event(const Error& error);

}  // namespace mk::api::kubernetes
