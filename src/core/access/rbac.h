// Kubernetes' role-based access control as pure functions and one immutable index.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "core/access.h"

namespace mk::core::rbac {

// One rule of a role: every verb on every resource (of every name when `names` is empty), or on every path.
struct Rule {
  std::vector<std::string> verbs, groups, resources, names, paths;
};
Rule read_rule(const Json& rule);
std::vector<Rule> read_rules(const Json& rules);
Json rule_json(const Rule& rule);

bool grants(const Rule& rule, const Ask& ask);

// The first part of `wanted` that no rule of `owned` gives, in words; empty when all is given. What is too large to be
// checked counts as not given.
std::string missing(std::span<const Rule> owned, std::span<const Rule> wanted);

// A role with its name for people: `ClusterRole "view"`.
struct Role {
  std::string title;
  std::vector<Rule> rules;
};
struct Subject {
  bool is_group = false;
  std::string name;  // of a service account: system:serviceaccount:NAMESPACE:NAME
};
// Of a binding that lies in `space` (empty: everywhere).
std::vector<Subject> read_subjects(const Json& binding);

// Who has which roles where. Built once, then only read.
class Index {
 public:
  // `space` empty: everywhere. `title` names the binding for people.
  void bind(const Subject& subject, std::string_view space, std::shared_ptr<const Role> role, std::string title);

  // `reason`, when given, gets a sentence for people on success.
  bool allows(const Identity& who, const Ask& ask, std::string* reason = nullptr) const;
  // Every rule that holds for them in this namespace (empty: only what holds everywhere).
  std::vector<Rule> rules_of(const Identity& who, std::string_view space) const;

 private:
  struct Grant {
    std::shared_ptr<const Role> role;
    std::string title, subject;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <typename T>
  using Table = std::unordered_map<std::string, T, Hash, std::equal_to<>>;
  using BySpace = Table<std::vector<Grant>>;  // "" = everywhere

  // Calls `each` for the grants that hold in `space` until it returns true; `anywhere`: for those of all namespaces.
  bool any_of(const Identity& who, std::string_view space, bool anywhere,
              const std::function<bool(const Grant&)>& each) const;

  Table<BySpace> users_, groups_;
};

}  // namespace mk::core::rbac
