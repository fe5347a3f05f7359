// Declared things: the only door to objects for protocols and people. Runs the admission chain (default, prune,
// validate, authorise, quota's place, webhooks' place) and the life cycle (uid, generation, finalizers, deletion) and
// writes to the store. Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "core/access.h"
#include "kinds/kind.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::core {

using store::Key;
using store::ObjectRef;

// One thing that is wrong with one field, e.g. {"spec.replicas", "FieldValueInvalid", "must be at least 0"}.
struct Cause {
  std::string field, reason, message;
};

enum class FieldValidation : uint8_t { kIgnore, kWarn, kStrict };
enum class Propagation : uint8_t { kBackground, kForeground, kOrphan };

struct WriteOptions {
  bool dry_run = false;
  std::string field_manager;
  FieldValidation field_validation = FieldValidation::kWarn;
};
struct RemoveOptions {
  bool dry_run = false;
  Propagation propagation = Propagation::kBackground;
  std::optional<int64_t> grace_period_s;
  std::optional<std::string> if_uid;
  std::optional<std::string> if_version;
};

struct Written {
  ObjectRef object;
  std::vector<std::string> warnings;  // for Warning headers: unknown or duplicate fields
};

// The causes of an Error of reason "invalid_object"; protocols list them (Kubernetes Status details.causes).
// Carried beside the Error because Error itself stays small.
struct Refusal {
  Error error;
  std::vector<Cause> causes;
};
template <typename T>
using Admitted = std::expected<T, Refusal>;

// Label and field selectors: "app=web,tier in (a,b),!x" and "metadata.name=a,status.phase!=Running".
class Selector {
 public:
  static Result<Selector> parse(std::string_view labels, std::string_view fields);
  bool matches(const store::Object& object) const;
  bool empty() const { return labels_.empty() && fields_.empty(); }

 private:
  struct Requirement {
    enum class Op : uint8_t { kIn, kNotIn, kExists, kAbsent } op;
    std::string key;
    std::vector<std::string> values;
  };
  std::vector<Requirement> labels_, fields_;
};

class Objects {
 public:
  Objects(store::Store& store, const os::Clock& clock, os::Random& random);

  // `object` is of `kind`, complete with apiVersion and kind. Namespaced kinds need an existing namespace `space`.
  Admitted<Written> create(const Identity& who, const kinds::Kind& kind, std::string_view space, Json object,
                           const WriteOptions& options = {});
  // Replaces spec and metadata; status is kept. metadata.resourceVersion, when present, must still be current.
  Admitted<Written> update(const Identity& who, const kinds::Kind& kind, Json object, const WriteOptions& options = {});
  Admitted<Written> update_status(const Identity& who, const kinds::Kind& kind, Json object,
                                  const WriteOptions& options = {});
  // Reads, lets `change` edit, writes; again on conflict, a bounded number of times, unless the change itself pins
  // metadata.resourceVersion. `status` = the status subresource.
  Admitted<Written> modify(const Identity& who, const kinds::Kind& kind, const Key& key, bool status,
                           const std::function<Admitted<Json>(Json)>& change, const WriteOptions& options = {});
  // Returns the last state. With finalizers the object stays with a deletionTimestamp until they are gone.
  Admitted<ObjectRef> remove(const Identity& who, const kinds::Kind& kind, const Key& key,
                             const RemoveOptions& options = {});

  ObjectRef get(const Key& key) const;
  store::Store& store() { return store_; }
  const store::Store& store() const { return store_; }
  const os::Clock& clock() const { return clock_; }

 private:
  store::Store& store_;
  const os::Clock& clock_;
  os::Random& random_;
};

}  // namespace mk::core
