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
  Encoder(Target target, Wanted wanted, RowObject row_object, const os::Clock& clock);

  std::string one(const store::Object& object) const;
  // As `one`, with metadata.managedFields written out, which lists and watches leave brief (core/managed).
  std::string alone(const store::Object& object) const;
  struct Page {
    std::vector<store::ObjectRef> objects;
    store::Version version = 0;
    std::string continue_token;
    size_t remaining = 0;  // how many follow; 0 = unknown or none
  };
  std::string list(const Page& page) const;
  // The same in parts: the head, each object, then kListEnd.
  void begin_list(std::string& out, const Page& page) const;
  void add_item(std::string& out, const store::Object& object, bool first) const;
  static constexpr std::string_view kListEnd = "]}";

  // One line of a watch, with its newline. `first` = the first of this watch, which carries a table's
  // columns.
  std::string event(std::string_view type, const store::Object& object, bool first) const;
  std::string bookmark(store::Version version, bool initial_events_end) const;
  // Equal for encoders that write the same bytes of the same object.
  std::string variant() const;

  const Target& target() const { return target_; }
  const Wanted& wanted() const { return wanted_; }

 private:
  bool is_as_stored(const store::Object& object) const;
  void append_item(std::string& out, std::string_view body) const;
  Json in_version(const store::Object& object) const;
  void append_whole(std::string& out, const store::Object& object) const;
  void append_partial(std::string& out, std::string_view metadata) const;
  void append_row(std::string& out, const store::Object& object) const;
  void append_table(std::string& out, const store::Object& object, bool with_columns) const;
  void append_one(std::string& out, const store::Object& object, bool with_columns) const;
  Json columns() const;

  Target target_;
  Wanted wanted_;
  RowObject row_object_;
  const os::Clock& clock_;
  std::string body_start_;  // of bodies that are stored in the version asked for
};

std::string error_event(const Error& error);

}  // namespace mk::api::kubernetes
