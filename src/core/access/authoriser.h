// Decides who may do what, by the RBAC objects in the store. A decision takes no lock and about a microsecond; the index
// is made anew when an RBAC object changed, before the next decision: a right that was withdrawn is gone with the answer to
// its withdrawal. Thread-safe.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/access.h"
#include "core/access/mirror.h"
#include "core/access/published.h"
#include "core/access/rbac.h"
#include "store/store.h"

namespace mk::core {

class Authoriser {
 public:
  explicit Authoriser(store::Store& store);

  // `reason`, when given, gets why it is allowed.
  bool allows(const Identity& who, const Ask& ask, std::string* reason = nullptr) const;
  // Every rule that holds for them in `space` (empty: only what holds everywhere).
  std::vector<rbac::Rule> rules_of(const Identity& who, std::string_view space) const;

 private:
  struct Binding {
    std::vector<rbac::Subject> subjects;
    store::Key role;
    std::string title;
  };
  const rbac::Index& index() const;
  void take_up(const Mirror::Change& change) const;
  std::shared_ptr<const rbac::Index> build() const;

  mutable std::mutex mutex_;  // guards the next three
  mutable Mirror mirror_;
  mutable std::map<store::Key, std::shared_ptr<const rbac::Role>> roles_;
  mutable std::map<store::Key, Binding> bindings_;
  mutable Published<rbac::Index> index_;
};

}  // namespace mk::core
