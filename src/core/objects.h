// Declared things: the only door to objects for protocols and people. Runs the admission chain (default,
// prune, validate, authorise, quota's place, webhooks' place) and the life cycle (uid, generation,
// finalizers, deletion) and writes to the store. Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "core/access.h"
#include "core/access/sight.h"
#include "kinds/kind.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/random.h"
#include "store/store.h"

namespace mk::core {

using store::Key;
using store::ObjectRef;

// One thing that is wrong with one field, worded as Kubernetes words it:
// {"spec.replicas", "FieldValueInvalid", "Invalid value: -1: must be greater than or equal to 0"}.
struct Cause {
  std::string field, reason, message;
  // Not even the field's type could hold the value: who reads it into types says no more than that.
  enum class Unreadable : uint8_t { kNo, kType, kFormat } unreadable = Unreadable::kNo;
  std::string found = {};  // kType: "number 1.5"; kFormat: the whole sentence
};

enum class FieldValidation : uint8_t { kIgnore, kWarn, kStrict };
enum class Propagation : uint8_t { kBackground, kForeground, kOrphan };

// Who writes, for metadata.managedFields. Without a name (our own controllers) nothing is recorded; see
// managed/managers.h.
struct FieldManager {
  std::string name;         // "kubectl-edit"
  std::string api_version;  // of what was sent; empty = the kind's
  std::string subresource;  // "", "status" or "scale"
};
struct WriteOptions {
  bool dry_run = false;
  FieldManager manager;
  FieldValidation field_validation = FieldValidation::kWarn;
  std::vector<std::string> duplicate_fields = {};  // that what was sent had twice; treated like unknown ones
  std::string version =
      {};  // of the request, where its schema differs from the stored one's; empty = the stored one
};
struct RemoveOptions {
  bool dry_run = false;
  std::string_view verb = "delete";  // a literal: what the caller needs a right to
  Propagation propagation = Propagation::kBackground;
  std::optional<int64_t> grace_period_s;
  std::optional<std::string> if_uid;
  std::optional<std::string> if_version;
};

struct Written {
  ObjectRef object;
  std::vector<std::string> warnings;  // for Warning headers: unknown or duplicate fields
  bool created = false;
};

// Why a write was refused. Reasons that protocols tell apart: "invalid_object" (422, `causes` lists every bad
// field; Kubernetes Status details.causes), "strict_decoding" (400, unknown fields), "bad_request" (400),
// "namespace_terminating" (403). Causes are carried beside the Error because Error itself stays small.
struct Refusal {
  Error error;
  std::vector<Cause> causes;
  // Whom the refusal speaks of, where that is not the object of the call: its namespace, say.
  struct Subject {
    std::string group, kind, name;
  };
  std::optional<Subject> subject = {};
};
template <typename T>
using Admitted = std::expected<T, Refusal>;

// Label and field selectors: "app=web,tier in (a,b),!x" and "metadata.name=a,status.phase!=Running".
class Selector {
 public:
  // With `kind`, a field that this kind cannot be selected by is refused.
  static Result<Selector> parse(std::string_view labels, std::string_view fields,
                                const kinds::Kind* kind = nullptr);
  // Of a LabelSelector in an object: {matchLabels, matchExpressions}. An empty one matches everything.
  static Result<Selector> parse(const Json& label_selector);
  bool matches(const store::Object& object) const;
  bool empty() const { return labels_.empty() && fields_.empty(); }

 private:
  struct Requirement {
    enum class Op : uint8_t { kIn, kNotIn, kExists, kAbsent } op = Op::kIn;
    std::string key;
    std::vector<std::string> values;
    bool accepts(const std::string* value) const;  // null = the key is absent
  };
  static Result<std::vector<Requirement>> parse_labels(std::string_view text);
  static Result<std::vector<Requirement>> parse_fields(std::string_view text, const kinds::Kind* kind);
  std::vector<Requirement> labels_, fields_;
};

// A write that is ready to be tried, and tried again when the object moved on meanwhile. Made by Objects::
// creation() and its like, carried out once by Objects::perform(). Copies share their state.
struct Write {
  struct Outcome {
    Admitted<Written> answer;
    bool again = false;  // the object moved on; another try may do better
  };
  // One try: the answer, if there is one already, else what to commit and how to read what came of it.
  // `finish` runs on the store's thread: it must not block.
  struct Try {
    std::optional<Admitted<Written>> answer = {};
    store::Txn txn = {};
    std::function<Outcome(Result<store::Committed>)> finish = {};
  };
  std::function<Try()> attempt;
};

class Authoriser;
class Grants;

class Objects {
 public:
  Objects(store::Store& store, const os::Clock& clock, os::Random& random);
  ~Objects();

  // Asks this one about every call from now on; it outlives us. Before: the owner and our own code may do
  // all, others nothing. Not while calls run.
  void protect_by(const Authoriser& authoriser) { authoriser_ = &authoriser; }
  // The first question of every call; refuses in Kubernetes' words.
  Admitted<void> authorise(const Identity& who, std::string_view verb, const kinds::Kind& kind,
                           std::string_view space, std::string_view name,
                           std::string_view subresource = {}) const;

  // ---- reading for somebody, who sees what roles show them and nothing else. A refusal reads the same whether a thing is
  // there or not.
  Admitted<ObjectRef> read(const Identity& who, const kinds::Kind& kind, const Key& key,
                           std::string_view subresource = {}) const;
  // What they see of a kind by `verb`: list or watch. `space` unset: of all namespaces; `only`: the one object that they
  // ask for, if there is only one. Refused without a right to all of it, or, with `only_visible`, to any of it.
  Admitted<Sight> sight(const Identity& who, std::string_view verb, const kinds::Kind& kind,
                        std::optional<std::string> space, std::string_view only = {}, bool only_visible = false) const;
  // Of figures that stand for objects of a kind without being of it, as in metrics.k8s.io.
  Admitted<Sight> sight(Sight::Wish wish) const;
  store::Listing list(const Sight& sight, const store::Selection& selection) const;

  // ---- one call a verb; these block until what they wrote is durable: never on an I/O thread

  // `object` is of `kind`, complete with apiVersion and kind. Namespaced kinds need an existing namespace
  // `space`.
  Admitted<Written> create(const Identity& who, const kinds::Kind& kind, std::string_view space, Json object,
                           const WriteOptions& options = {});
  // Replaces spec and metadata; status is kept. metadata.resourceVersion, when present, must still be
  // current.
  Admitted<Written> update(const Identity& who, const kinds::Kind& kind, Json object,
                           const WriteOptions& options = {});
  Admitted<Written> update_status(const Identity& who, const kinds::Kind& kind, Json object,
                                  const WriteOptions& options = {});
  // Reads, lets `change` edit, writes; again on conflict, a bounded number of times, unless the change itself
  // pins metadata.resourceVersion. `status` = the status subresource.
  Admitted<Written> modify(const Identity& who, const kinds::Kind& kind, const Key& key, bool status,
                           const std::function<Admitted<Json>(Json)>& change,
                           const WriteOptions& options = {});
  // Server-side apply: makes the object, or changes the fields that `config` names and takes out those that
  // this manager applied before and names no longer. 409 with a cause for each field that somebody else
  // manages, unless `force`.
  Admitted<Written> apply(const Identity& who, const kinds::Kind& kind, const Key& key, Json config,
                          bool force, const WriteOptions& options);
  // Returns the last state. The object stays, with a deletionTimestamp, until its finalizers are gone; a
  // namespace until it is empty; a Pod that a node runs until the node removes it with grace_period_s = 0.
  Admitted<ObjectRef> remove(const Identity& who, const kinds::Kind& kind, const Key& key,
                             const RemoveOptions& options = {});
  // ---- the same verbs for those who must not block. What is passed by reference must outlive the write.
  using Done = std::function<void(Admitted<Written>)>;
  using Change = std::function<Admitted<Json>(Json)>;
  Write creation(Identity who, const kinds::Kind& kind, std::string space, Json object, WriteOptions options);
  Write replacement(Identity who, const kinds::Kind& kind, Json object, bool status, WriteOptions options);
  Write modification(Identity who, const kinds::Kind& kind, Key key, bool status, Change change,
                     WriteOptions options);
  Write application(Identity who, const kinds::Kind& kind, Key key, Json config, bool force,
                    WriteOptions options);
  // Its Written::object is the last state.
  Write removal(Identity who, const kinds::Kind& kind, Key key, RemoveOptions options);
  Admitted<Written> perform(const Write& write);
  // Removes all of these as far as they are still the same objects; they share commits. Blocks. The first
  // error.
  Result<void> remove_all(const Identity& who, const kinds::Kind& kind,
                          const std::vector<ObjectRef>& objects);
  // The first try runs here; `done` is called here (refused) or on the store's thread (written), and must be
  // quick. Further tries run on `later`.
  void perform(const Write& write, os::Executor& later, Done done);

  // For core's own services that end a deletion (a namespace that is empty): no finalizer holds this back.
  Result<void> drop(const ObjectRef& object);

  ObjectRef get(const Key& key) const;
  store::Store& store() { return store_; }
  const store::Store& store() const { return store_; }
  const os::Clock& clock() const { return clock_; }

 private:
  struct Replacing {
    const Identity& who;
    const kinds::Kind& kind;
    const WriteOptions& options;
    const ObjectRef& current;
    const Json& old;  // of `current`
    Json wanted;
    bool status = false;
    bool again = false;                    // another try may do better when the object moves on
    const Json* managed_fields = nullptr;  // null: follows from what changes
  };
  struct Application;
  Write::Try try_create(const Identity& who, const kinds::Kind& kind, const Key& key, Json object,
                        const WriteOptions& options, bool again, const Json* managed_fields = nullptr);
  Write::Try try_apply_new(Application& application, bool again);
  Write::Try try_apply(Application& application, const ObjectRef& current, bool again);
  Write::Try try_replace(const Replacing& replacing);
  Write::Try try_remove(const kinds::Kind& kind, const ObjectRef& current, const RemoveOptions& options,
                        bool again);
  Admitted<void> check_rights_given(const Identity& who, const kinds::Kind& kind, const Json& object,
                                    const Json* old) const;
  Admitted<void> check_namespace(const kinds::Kind& kind, std::string_view space,
                                 std::string_view name) const;

  store::Store& store_;
  const os::Clock& clock_;
  os::Random& random_;
  const Authoriser* authoriser_ = nullptr;
  const std::unique_ptr<Grants> grants_;
};

}  // namespace mk::core
