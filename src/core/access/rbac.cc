#include "core/access/rbac.h"

#include <algorithm>

#include "base/format.h"
#include "core/limits.h"

namespace mk::core::rbac {
namespace {

constexpr std::string_view kAll = "*";
using Texts = std::vector<std::string>;

Texts texts(const Json& list) {
  Texts out;
  for (const Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

bool has(const Texts& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}
bool has_or_all(const Texts& list, std::string_view text) {
  return has(list, kAll) || has(list, text);
}

bool names_resource(const std::string& rule, std::string_view resource, std::string_view subresource) {
  if (rule == kAll) return true;
  if (subresource.empty()) return rule == resource;
  // "*/scale" is that part of everything, "pods/log" that part of one.
  const size_t slash = rule.find('/');
  if (slash == std::string::npos) return false;
  const std::string_view text = rule;
  return text.substr(slash + 1) == subresource && (text.substr(0, slash) == kAll || text.substr(0, slash) == resource);
}

bool names_path(const std::string& rule, std::string_view path) {
  if (rule == kAll || rule == path) return true;
  return rule.ends_with('*') && path.starts_with(std::string_view(rule).substr(0, rule.size() - 1));
}

// One verb on one thing: what a rule falls apart into.
struct Atom {
  std::string_view verb, group, resource, name, path;
  bool every_name = false;
};

bool gives(const Rule& rule, const Atom& atom) {
  if (!has_or_all(rule.verbs, atom.verb)) return false;
  if (!atom.path.empty())
    return std::ranges::any_of(rule.paths, [&](const std::string& own) { return names_path(own, atom.path); });
  if (!has_or_all(rule.groups, atom.group)) return false;
  const size_t slash = atom.resource.find('/');
  const std::string_view plural = atom.resource.substr(0, slash);
  const std::string_view part = slash == std::string_view::npos ? std::string_view() : atom.resource.substr(slash + 1);
  const bool resource = std::ranges::any_of(
      rule.resources, [&](const std::string& own) { return own == atom.resource || names_resource(own, plural, part); });
  if (!resource) return false;
  return rule.names.empty() || (!atom.every_name && has(rule.names, atom.name));
}

std::string describe(const Atom& atom) {
  if (!atom.path.empty()) return fmt::format("{{NonResourceURLs:[\"{}\"], Verbs:[\"{}\"]}}", atom.path, atom.verb);
  return fmt::format("{{APIGroups:[\"{}\"], Resources:[\"{}\"]{}, Verbs:[\"{}\"]}}", atom.group, atom.resource,
                     atom.every_name ? std::string() : fmt::format(", ResourceNames:[\"{}\"]", atom.name), atom.verb);
}

// Calls `each` for every atom until it returns false.
bool for_each_atom(const Rule& rule, const std::function<bool(const Atom&)>& each) {
  for (const std::string& verb : rule.verbs) {
    for (const std::string& path : rule.paths)
      if (!each({.verb = verb, .path = path})) return false;
    for (const std::string& group : rule.groups) {
      for (const std::string& resource : rule.resources) {
        if (rule.names.empty() && !each({.verb = verb, .group = group, .resource = resource, .every_name = true}))
          return false;
        for (const std::string& name : rule.names)
          if (!each({.verb = verb, .group = group, .resource = resource, .name = name})) return false;
      }
    }
  }
  return true;
}

}  // namespace

Rule read_rule(const Json& rule) {
  return {texts(rule["verbs"]), texts(rule["apiGroups"]), texts(rule["resources"]), texts(rule["resourceNames"]),
          texts(rule["nonResourceURLs"])};
}

std::vector<Rule> read_rules(const Json& rules) {
  std::vector<Rule> out;
  for (const Json& rule : rules.items()) out.push_back(read_rule(rule));
  return out;
}

Json rule_json(const Rule& rule) {
  Json out = Json::object();
  const auto put = [&](const char* field, const Texts& list) {
    for (const std::string& text : list) out[field].push_back(text);
  };
  put("verbs", rule.verbs);
  put("apiGroups", rule.groups);
  put("resources", rule.resources);
  put("resourceNames", rule.names);
  put("nonResourceURLs", rule.paths);
  return out;
}

bool grants(const Rule& rule, const Ask& ask) {
  if (!has_or_all(rule.verbs, ask.verb)) return false;
  if (!ask.path.empty())
    return std::ranges::any_of(rule.paths, [&](const std::string& own) { return names_path(own, ask.path); });
  if (!has_or_all(rule.groups, ask.group)) return false;
  const bool resource = std::ranges::any_of(
      rule.resources, [&](const std::string& own) { return names_resource(own, ask.resource, ask.subresource); });
  return resource && (rule.names.empty() || (!ask.name.empty() && has(rule.names, ask.name)));
}

std::string missing(std::span<const Rule> owned, std::span<const Rule> wanted) {
  std::string out;
  size_t work = 0;
  for (const Rule& rule : wanted) {
    for_each_atom(rule, [&](const Atom& atom) {
      work += owned.size() + 1;
      if (work > limits::kRuleChecksMax)
        out = "rules that are too many to be checked";
      else if (std::ranges::none_of(owned, [&](const Rule& own) { return gives(own, atom); }))
        out = describe(atom);
      return out.empty();
    });
    if (!out.empty()) break;
  }
  return out;
}

std::vector<Subject> read_subjects(const Json& binding) {
  std::vector<Subject> out;
  for (const Json& subject : binding["subjects"].items()) {
    const std::string_view kind = subject["kind"].text(), name = subject["name"].text();
    if (kind == "ServiceAccount") {
      const std::string_view space = subject["namespace"].text(binding.at({"metadata", "namespace"}).text());
      out.push_back({false, fmt::format("system:serviceaccount:{}:{}", space, name)});
    } else if (kind == "User" || kind == "Group") {
      out.push_back({kind == "Group", std::string(name)});
    }
  }
  return out;
}

void Index::bind(const Subject& subject, std::string_view space, std::shared_ptr<const Role> role, std::string title) {
  Table<BySpace>& table = subject.is_group ? groups_ : users_;
  table[subject.name][std::string(space)].push_back(
      {std::move(role), std::move(title), fmt::format("{} \"{}\"", subject.is_group ? "Group" : "User", subject.name)});
}

bool Index::any_of(const Identity& who, std::string_view space, bool anywhere,
                   const std::function<bool(const Grant&)>& each) const {
  const auto of_subject = [&](const Table<BySpace>& table, std::string_view name) {
    const auto found = table.find(name);
    if (found == table.end()) return false;
    if (anywhere)
      return std::ranges::any_of(found->second, [&](const auto& there) { return std::ranges::any_of(there.second, each); });
    const auto in_space = [&](std::string_view where) {
      const auto grants_there = found->second.find(where);
      return grants_there != found->second.end() && std::ranges::any_of(grants_there->second, each);
    };
    return in_space("") || (!space.empty() && in_space(space));
  };
  return of_subject(users_, who.user) ||
         std::ranges::any_of(who.groups, [&](const std::string& group) { return of_subject(groups_, group); });
}

bool Index::allows(const Identity& who, const Ask& ask, std::string* reason) const {
  return any_of(who, ask.space, ask.anywhere, [&](const Grant& grant) {
    if (std::ranges::none_of(grant.role->rules, [&](const Rule& rule) { return grants(rule, ask); })) return false;
    if (reason) *reason = fmt::format("RBAC: allowed by {} of {} to {}", grant.title, grant.role->title, grant.subject);
    return true;
  });
}

std::vector<Rule> Index::rules_of(const Identity& who, std::string_view space) const {
  std::vector<Rule> out;
  any_of(who, space, false, [&](const Grant& grant) {
    out.insert(out.end(), grant.role->rules.begin(), grant.role->rules.end());
    return false;
  });
  return out;
}

}  // namespace mk::core::rbac
