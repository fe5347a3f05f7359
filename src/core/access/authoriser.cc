#include "core/access/authoriser.h"

#include <algorithm>

#include "base/format.h"

namespace mk::core {
namespace {

constexpr std::string_view kGroup = ".rbac.authorization.k8s.io";
constexpr std::string_view kMasters = "system:masters";

std::string resource(std::string_view plural) {
  return std::string(plural) + std::string(kGroup);
}

// These may do everything, whatever the objects say, so that nobody can lock everybody out.
bool is_master(const Identity& who) {
  return who.owner || who.is_in(kMasters);
}

std::string place(const store::Key& key) {
  return key.space.empty() ? key.name : key.space + "/" + key.name;
}

}  // namespace

Authoriser::Authoriser(store::Store& store)
    : mirror_(store, {resource("roles"), resource("clusterroles"), resource("rolebindings"),
                      resource("clusterrolebindings")}),
      index_(std::make_shared<const rbac::Index>()) {}

bool Authoriser::allows(const Identity& who, const Ask& ask, std::string* reason) const {
  if (is_master(who)) {
    if (reason) *reason = who.owner ? "the owner of this machine may do everything" : "system:masters may do everything";
    return true;
  }
  return index().allows(who, ask, reason);
}

std::vector<rbac::Rule> Authoriser::rules_of(const Identity& who, std::string_view space) const {
  std::vector<rbac::Rule> rules = index().rules_of(who, space);
  // A master may do everything, whether the roles say so or not.
  const std::vector<std::string> all = {"*"};
  if (is_master(who) &&
      std::ranges::none_of(rules, [&](const rbac::Rule& rule) { return rule.paths == all; }))
    rules.insert(rules.begin(), {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}});
  return rules;
}

const rbac::Index& Authoriser::index() const {
  if (mirror_.changed()) {
    const std::lock_guard lock(mutex_);
    if (mirror_.changed()) {
      const uint64_t taken = mirror_.take(
          [this] {
            roles_.clear();
            bindings_.clear();
          },
          [this](const Mirror::Change& change) { take_up(change); });
      index_.publish(build());
      mirror_.settle(taken);
    }
  }
  return index_.read();
}

void Authoriser::take_up(const Mirror::Change& change) const {
  const bool is_binding = change.key.resource.starts_with("rolebindings") ||
                          change.key.resource.starts_with("clusterrolebindings");
  if (!change.object) {
    roles_.erase(change.key);
    bindings_.erase(change.key);
    return;
  }
  const Json object = change.object->json();
  const std::string title = fmt::format("{} \"{}\"", object["kind"].text(), place(change.key));
  if (!is_binding) {
    roles_[change.key] =
        std::make_shared<const rbac::Role>(rbac::Role{title, rbac::read_rules(object["rules"])});
    return;
  }
  const Json& role = object["roleRef"];
  const bool everywhere = role["kind"].text() == "ClusterRole";
  bindings_[change.key] = {rbac::read_subjects(object),
                           {resource(everywhere ? "clusterroles" : "roles"), everywhere ? "" : change.key.space,
                            std::string(role["name"].text())},
                           title};
}

std::shared_ptr<const rbac::Index> Authoriser::build() const {
  auto index = std::make_shared<rbac::Index>();
  for (const auto& [key, binding] : bindings_) {
    const auto role = roles_.find(binding.role);
    if (role == roles_.end()) continue;  // a binding may come before its role
    for (const rbac::Subject& subject : binding.subjects) index->bind(subject, key.space, role->second, binding.title);
  }
  return index;
}

}  // namespace mk::core
