#include "core/managed/managers.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <tuple>

#include "base/format.h"
#include "core/limits.h"

namespace mk::core::managed {
namespace {

// Fields that the server or the address says, so that nobody manages them.
constexpr std::string_view kNobodys[] = {"name",
                                         "namespace",
                                         "uid",
                                         "resourceVersion",
                                         "generation",
                                         "creationTimestamp",
                                         "managedFields",
                                         "selfLink",
                                         "deletionTimestamp",
                                         "deletionGracePeriodSeconds"};

constexpr size_t kConflictsToldMax = 100;  // of one refusal's message; its causes have a bound, too

constexpr std::string_view kAncient = "ancient-changes";
constexpr std::string_view kBeforeApply = "before-first-apply";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// Parts of Kubernetes' types that are there before anybody fills them in, so that nobody adds them.
constexpr std::string_view kAlwaysThere[] = {"spec",           "status",       "template",
                                             "jobTemplate",    "containers",   "strategy",
                                             "updateStrategy", "loadBalancer", "metadata"};

void strip_structs(Fields& fields) {
  for (const std::string_view name : kAlwaysThere) {
    const auto part = fields.below.find(field_element(name));
    if (part == fields.below.end()) continue;
    part->second.member = false;
    strip_structs(part->second);
    if (part->second.empty()) fields.below.erase(part);
  }
}

// Leaves only what a write to this subresource can change and somebody can manage.
void strip(Fields& fields, const kinds::Kind& kind, std::string_view subresource) {
  fields.member = false;
  fields.take_out("f:apiVersion");
  fields.take_out("f:kind");
  if (const auto metadata = fields.below.find("f:metadata"); metadata != fields.below.end()) {
    metadata->second.member = false;
    for (const std::string_view name : kNobodys) metadata->second.take_out(field_element(name));
    if (metadata->second.empty()) fields.below.erase(metadata);
  }
  if (kind.is_typed()) strip_structs(fields);
  if (subresource == "status") {
    std::erase_if(fields.below,
                  [](const auto& part) { return part.first != "f:status" && part.first != "f:metadata"; });
    if (const auto metadata = fields.below.find("f:metadata"); metadata != fields.below.end()) {
      std::erase_if(metadata->second.below, [](const auto& part) { return part.first != "f:annotations"; });
      if (metadata->second.empty()) fields.below.erase(metadata);
    }
  } else if (kind.status_subresource) {
    fields.take_out("f:status");
  }
}

void strip(Changes& changes, const kinds::Kind& kind, std::string_view subresource) {
  for (Fields* part : {&changes.added, &changes.modified, &changes.removed}) strip(*part, kind, subresource);
}

auto order_of(const Entry& entry) {
  return std::tie(entry.time, entry.name, entry.api_version, entry.subresource);
}

std::string shown_manager(const Entry& entry) {
  std::string out = Json(entry.name).dump();
  if (!entry.subresource.empty()) out += fmt::format(" with subresource {}", Json(entry.subresource).dump());
  if (!entry.applied) out += fmt::format(" using {}", entry.api_version);
  return out;
}

Json without_managed_fields(Json object) {
  if (Json* metadata = object.find("metadata"); metadata && metadata->is_object())
    metadata->erase("managedFields");
  return object;
}

// What kubectl's client-side apply left and nobody changed since: kubectl may take these fields over without
// --force-conflicts.
Fields last_applied_fields(const kinds::Kind& kind, const Json& live) {
  const std::string_view text = live.at({"metadata", "annotations", kLastApplied}).text();
  if (text.empty()) return {};
  const auto config = Json::parse(text);
  if (!config || !config->is_object()) return {};
  auto fields = fields_of(kind.schema, *config);
  if (!fields) return {};
  const Changes since = compare(kind.schema, *config, live);
  for (const Fields* part : {&since.added, &since.modified, &since.removed}) fields->subtract(*part);
  return std::move(*fields);
}

// kubectl's client-side apply must find what was applied last, however it was applied.
void refresh_last_applied(Json& object, const Json& live, const Json& config, const Author& author) {
  if (author.name != "kubectl" || !live.at({"metadata", "annotations", kLastApplied}).is_string()) return;
  Json applied = config;
  if (Json* annotations = applied["metadata"].find("annotations"); annotations && annotations->is_object())
    annotations->erase(kLastApplied);
  object["metadata"]["annotations"][kLastApplied] = applied.dump() + "\n";
}

std::vector<Conflict> conflicts_of(const Managers& managers, const Entry* own, const Fields& wanted,
                                   const Fields& allowed) {
  std::vector<Conflict> out;
  for (const Entry& entry : managers.entries()) {
    if (&entry == own) continue;
    Fields common = entry.fields.intersect(wanted);
    common.subtract(allowed);
    for (std::string& path : common.paths()) out.push_back({shown_manager(entry), std::move(path)});
  }
  return out;
}

}  // namespace

Result<Managers> Managers::parse(const Json& list) {
  Managers out;
  if (!list.is_array() && !list.is_null()) return invalid("managedFields is no list");
  for (const Json& item : list.items()) {
    const std::string_view operation = item["operation"].text();
    if (operation != "Apply" && operation != "Update")
      return invalid(fmt::format("\"{}\" is no operation of managedFields", operation));
    if (item["fieldsType"].text("FieldsV1") != "FieldsV1") return invalid("fieldsType is not FieldsV1");
    const Json* given = item.find("fieldsV1");
    MK_TRY(Fields fields, Fields::parse(given ? *given : Json::object()));
    const bool rest = !given && operation == "Update" &&
                      std::ranges::none_of(out.entries_, [](const Entry& entry) { return entry.rest; });
    out.entries_.push_back({std::string(item["manager"].text()), std::string(item["apiVersion"].text()),
                            std::string(item["subresource"].text()), std::string(item["time"].text()),
                            operation == "Apply", rest, std::move(fields)});
  }
  return out;
}

Json Managers::json() const {
  if (entries_.empty()) return {};
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) sorted.push_back(&entry);
  std::ranges::sort(sorted, [](const Entry* a, const Entry* b) {
    return a->applied != b->applied ? a->applied : order_of(*a) < order_of(*b);
  });
  Json out = Json::array();
  for (const Entry* entry : sorted) {
    Json item = Json::object({{"manager", entry->name},
                              {"operation", entry->applied ? "Apply" : "Update"},
                              {"apiVersion", entry->api_version},
                              {"time", entry->time},
                              {"fieldsType", "FieldsV1"}});
    if (!entry->rest) item["fieldsV1"] = entry->fields.json();
    if (!entry->subresource.empty()) item["subresource"] = entry->subresource;
    out.push_back(std::move(item));
  }
  return out;
}

Entry* Managers::find(const Author& author, bool applied) {
  // An applier is the same one whatever version of the kind it sends.
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.applied == applied && entry.name == author.name && entry.subresource == author.subresource &&
           (applied || entry.api_version == author.api_version);
  });
  return found == entries_.end() ? nullptr : &*found;
}

Entry& Managers::add(const Author& author, bool applied) {
  return entries_.emplace_back(std::string(author.name), std::string(author.api_version),
                               std::string(author.subresource), author.now.rfc3339(), applied, false,
                               Fields());
}

void Managers::forget_empty() {
  std::erase_if(entries_, [](const Entry& entry) { return !entry.rest && entry.fields.empty(); });
}

void Managers::resolve(const kinds::Kind& kind, const Json& object) {
  const auto rest = std::ranges::find_if(entries_, &Entry::rest);
  if (rest == entries_.end()) return;
  rest->rest = false;
  rest->fields = compare(kind.schema, Json(), object).added;
  strip(rest->fields, kind, "");
  for (const Entry& entry : entries_)
    if (&entry != &*rest) rest->fields.subtract(entry.fields);
  forget_empty();
}

void Managers::record(Changes changes, const Author& author) {
  Fields taken = std::move(changes.added);
  taken.unite(changes.modified);
  if (taken.empty() && changes.removed.empty()) return;
  for (Entry& entry : entries_) {
    entry.fields.subtract(taken);
    entry.fields.subtract(changes.removed);
  }
  if (!author.name.empty() && !taken.empty()) {
    Entry* own = find(author, false);
    if (!own) own = &add(author, false);
    if (!own->rest) own->fields.unite(taken);
    own->time = author.now.rfc3339();
  }
  forget_empty();
  join_oldest();
}

// Many programs with ever new names must not make the list grow for ever.
void Managers::join_oldest() {
  std::vector<size_t> updates;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (!entries_[i].applied && !entries_[i].rest) updates.push_back(i);
  if (updates.size() <= limits::kUpdateManagersMax) return;
  std::ranges::sort(updates,
                    [&](size_t a, size_t b) { return order_of(entries_[a]) < order_of(entries_[b]); });
  const size_t joined = updates.size() - limits::kUpdateManagersMax + 1;
  std::map<std::string, Entry> ancient;  // by version
  for (size_t i = 0; i < joined; ++i) {
    Entry& old = entries_[updates[i]];
    Entry& into = ancient[old.api_version];
    into.name = kAncient;
    into.api_version = old.api_version;
    into.time = old.time;
    into.fields.unite(old.fields);
    old.fields = {};
  }
  forget_empty();
  for (auto& [version, entry] : ancient) entries_.push_back(std::move(entry));
}

namespace {

// What a write to the object or its status changes of what can be managed.
Changes changes_of(const kinds::Kind& kind, const Json& old, const Json& next, const Author& author) {
  Changes changes;
  if (author.subresource != "status") {
    changes = compare(kind.schema, old, next);
  } else {
    Changes below =
        compare(kinds::resolve(kind.schema["properties"]["status"]), old["status"], next["status"]);
    // A status may come with annotations; see Objects' merged().
    const Json& schema = kinds::resolve(kind.schema["properties"]["metadata"])["properties"]["annotations"];
    const Json &before = old.at({"metadata", "annotations"}), &after = next.at({"metadata", "annotations"});
    Changes marks;
    if (!(before == after)) marks = compare(kinds::resolve(schema), before, after);
    const auto hang = [](Fields& whole, Fields& part, Fields& mark) {
      if (!part.empty()) whole.below["f:status"] = std::move(part);
      if (!mark.empty()) whole.below["f:metadata"].below["f:annotations"] = std::move(mark);
    };
    hang(changes.added, below.added, marks.added);
    hang(changes.modified, below.modified, marks.modified);
    hang(changes.removed, below.removed, marks.removed);
  }
  strip(changes, kind, author.subresource);
  return changes;
}

// Is anything different that somebody could manage?
bool is_changed(const Json& old, const Json& next) {
  const auto same = [](const Json& a, const Json& b, auto&& counts) {
    auto one = a.members() | std::views::filter(counts), other = b.members() | std::views::filter(counts);
    return std::ranges::equal(one, other);
  };
  const auto is_own = [](const auto& member) {
    return std::ranges::find(kNobodys, member.first) == std::end(kNobodys);
  };
  return !same(old, next, [](const auto& member) {
    return member.first != "metadata" && member.first != "status";
  }) || !same(old["metadata"], next["metadata"], is_own);
}

// A client that read the object may send what it was shown.
bool says_the_same(const kinds::Kind& kind, const Json& old, const Json& sent) {
  const Json& there = old.at({"metadata", "managedFields"});
  if (sent == there) return true;
  auto managers = Managers::parse(there);
  if (!managers || std::ranges::none_of(managers->entries(), &Entry::rest)) return false;
  managers->resolve(kind, old);
  return managers->json() == sent;
}

}  // namespace

bool is_brief(std::string_view body) {
  // Members are sorted, so fieldsV1 would stand between the two.
  return body.find(R"("fieldsType":"FieldsV1","manager":)") != std::string_view::npos;
}

void write_out(const kinds::Kind& kind, Json& object) {
  auto managers = Managers::parse(std::as_const(object).at({"metadata", "managedFields"}));
  if (!managers) return;
  managers->resolve(kind, object);
  Json list = managers->json();
  if (list.is_null())
    object["metadata"].erase("managedFields");
  else
    object["metadata"]["managedFields"] = std::move(list);
}

Json after_write(const kinds::Kind& kind, const Json& old, const Json& next, const Json& sent,
                 const Author& author) {
  const Json& there = old.at({"metadata", "managedFields"});
  const bool status = author.subresource == "status";
  const bool reset = sent.size() == 1 && sent[0].empty() && author.subresource.empty();
  if (reset) return {};
  if (old.is_null() && sent.empty()) {
    if (author.name.empty()) return {};
    Managers managers;
    managers.add(author, false).rest = true;
    return managers.json();
  }
  // What nobody applied and nobody recorded stays unrecorded: objects that only controllers touch cost
  // nothing.
  if (!old.is_null() && there.empty() && (sent.empty() || status)) return {};
  const bool use_sent = !sent.empty() && author.subresource.empty() && !says_the_same(kind, old, sent);
  auto managers = Managers::parse(use_sent ? sent : there);
  if (use_sent && (!managers || managers->empty())) managers = Managers::parse(there);
  if (!managers) managers.emplace();

  // The common case: whoever made it changes it again, and nobody else did.
  if (!use_sent && !status && managers->entries().size() == 1) {
    Entry& only = managers->entries().front();
    if (only.rest && managers->find(author, false) == &only) {
      if (!is_changed(old, next)) return there;
      only.time = author.now.rfc3339();
      return managers->json();
    }
  }
  Changes changes = changes_of(kind, old, next, author);
  if (!use_sent && changes.added.empty() && changes.modified.empty() && changes.removed.empty()) return there;
  managers->record(std::move(changes), author);
  Json list = managers->json();
  return same_but_for_time(list, there) && !is_changed(old, next) ? there : list;
}

Result<Applied> apply(const kinds::Kind& kind, const Json& live, const Json& config, const Author& author,
                      bool force) {
  Applied out;
  auto managers = Managers::parse(live.at({"metadata", "managedFields"}));
  if (!managers) managers.emplace();
  const Json before = without_managed_fields(live);
  managers->resolve(kind, before);
  if (!live.is_null() && managers->empty()) {
    Changes all = compare(kind.schema, Json(), before);
    strip(all.added, kind, "");
    managers->record(std::move(all), {kBeforeApply, author.api_version, "", author.now});
  }
  MK_TRY(Fields wanted, fields_of(kind.schema, config));
  strip(wanted, kind, author.subresource);

  // What this author applied before, it need not keep.
  Entry* own = managers->find(author, true);
  if (!own) own = &managers->add(author, true);
  const Fields given_up = std::exchange(own->fields, wanted);
  own->api_version = author.api_version;
  Fields kept;
  for (const Entry& entry : managers->entries()) kept.unite(entry.fields);
  out.object = live.is_null() ? config : merge(kind.schema, before, config);
  remove_fields(kind.schema, out.object, given_up, kept);

  if (live.is_null()) {
    out.managed_fields = managers->json();
    return out;
  }
  Changes changes = compare(kind.schema, before, out.object);
  strip(changes, kind, author.subresource);
  Fields taken = std::move(changes.added);
  taken.unite(changes.modified);
  if (!force) {
    const Fields allowed = author.name == "kubectl" ? last_applied_fields(kind, live) : Fields();
    out.conflicts = conflicts_of(*managers, own, taken, allowed);
    if (!out.conflicts.empty()) return out;
  }
  for (Entry& entry : managers->entries()) {
    if (&entry != own) entry.fields.subtract(taken);
    entry.fields.subtract(changes.removed);
  }
  own->time = author.now.rfc3339();
  managers->forget_empty();
  refresh_last_applied(out.object, live, config, author);
  out.managed_fields = managers->json();
  return out;
}

std::string conflict_message(const std::vector<Conflict>& conflicts) {
  if (conflicts.size() == 1)
    return fmt::format("Apply failed with 1 conflict: conflict with {}: {}", conflicts.front().manager,
                       conflicts.front().path);
  std::map<std::string_view, std::string> by_manager;
  for (const Conflict& conflict : conflicts | std::views::take(kConflictsToldMax))
    by_manager[conflict.manager] += "\n- " + conflict.path;
  std::string out = fmt::format("Apply failed with {} conflicts: ", conflicts.size());
  bool first = true;
  for (const auto& [manager, paths] : by_manager) {
    out += fmt::format("{}conflicts with {}:{}", first ? "" : "\n", manager, paths);
    first = false;
  }
  return out;
}

bool same_but_for_time(const Json& one, const Json& other) {
  return std::ranges::equal(one.items(), other.items(), [](const Json& a, const Json& b) {
    return std::ranges::equal(a.members(), b.members(), [](const auto& x, const auto& y) {
      return x.first == y.first && (x.first == "time" || x.second == y.second);
    });
  });
}

}  // namespace mk::core::managed
