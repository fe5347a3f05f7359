#include "kinds/registry.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <deque>
#include <mutex>
#include <tuple>
#include <unordered_map>

namespace mk::kinds {
namespace {

// All kinds at one moment, with the two indexes that hot paths ask.
struct Snapshot {
  Snapshot(std::shared_ptr<const Kinds::List> list, uint64_t generation)
      : kinds(std::move(list), generation) {
    for (const Kind& kind : kinds) {
      by_resource.emplace(kind.resource(), &kind);
      by_kind.emplace(kind.group + "/" + kind.kind, &kind);
    }
  }
  Kinds kinds;
  std::unordered_map<std::string, const Kind*> by_resource, by_kind;
};

// Readers load one pointer. What was replaced is kept until no call can be using it any more.
class Registry {
 public:
  Registry()
      : newest_(std::make_shared<const Snapshot>(std::make_shared<Kinds::List>(built_in().list()), 0)) {
    current_ = newest_.get();
  }

  const Snapshot& now() const { return *current_.load(std::memory_order_acquire); }

  void change(Duration now, const auto& edit) {
    const std::lock_guard lock(mutex_);
    auto list = std::make_shared<Kinds::List>(newest_->kinds.list());
    if (!edit(*list)) return;
    std::ranges::sort(*list, {}, [](const KindRef& k) { return std::tie(k->group, k->plural); });
    while (!replaced_.empty() && now - replaced_.front().at > kReplacedKindKept) replaced_.pop_front();
    replaced_.push_back({now, newest_});
    newest_ = std::make_shared<const Snapshot>(std::move(list), newest_->kinds.generation() + 1);
    current_.store(newest_.get(), std::memory_order_release);
  }

 private:
  struct Replaced {
    Duration at;
    std::shared_ptr<const Snapshot> snapshot;
  };
  std::mutex mutex_;
  std::shared_ptr<const Snapshot> newest_;
  std::deque<Replaced> replaced_;
  std::atomic<const Snapshot*> current_ = nullptr;
};

Registry& registry() {
  static Registry kRegistry;
  return kRegistry;
}

template <typename Match>
const Kind* first(const Match& match) {
  for (const Kind& kind : registry().now().kinds)
    if (match(kind)) return &kind;
  return nullptr;
}

const Kind* look_up(const std::unordered_map<std::string, const Kind*>& index, const std::string& key) {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : found->second;
}

std::pair<std::string_view, std::string_view> split_at(std::string_view text, char mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

void install(Kind kind, Duration now) {
  auto made = std::make_shared<const Kind>(std::move(kind));
  registry().change(now, [&](Kinds::List& list) {
    std::erase_if(list,
                  [&](const KindRef& k) { return k->group == made->group && k->plural == made->plural; });
    list.push_back(made);
    return true;
  });
}

void uninstall(std::string_view resource, Duration now) {
  registry().change(now, [&](Kinds::List& list) {
    return std::erase_if(list, [&](const KindRef& k) { return k->custom && k->resource() == resource; }) > 0;
  });
}

Kinds all() {
  return registry().now().kinds;
}

uint64_t generation() {
  return registry().now().kinds.generation();
}

KindRef hold(const Kind& kind) {
  for (const KindRef& known : registry().now().kinds.list())
    if (known.get() == &kind) return known;
  return nullptr;
}

const Kind* find_resource(std::string_view resource) {
  return look_up(registry().now().by_resource, std::string(resource));
}

const Kind* find_plural(std::string_view group, std::string_view plural) {
  std::string resource(plural);
  if (!group.empty()) resource.append(1, '.').append(group);
  return look_up(registry().now().by_resource, resource);
}

const Kind* find_kind(std::string_view group, std::string_view kind) {
  return look_up(registry().now().by_kind, std::string(group).append(1, '/').append(kind));
}

const Kind* find_kind_of(const Json& object) {
  const std::string_view api = object["apiVersion"].text();
  const size_t slash = api.find('/');
  const std::string_view group = slash == std::string_view::npos ? std::string_view() : api.substr(0, slash);
  const std::string_view version = slash == std::string_view::npos ? api : api.substr(slash + 1);
  const Kind* kind = find_kind(group, object["kind"].text());
  return kind && std::ranges::find(kind->versions, version) != kind->versions.end() ? kind : nullptr;
}

const Kind* find_typed(std::string_view word) {
  const std::string typed = lower(word);
  const auto [name, group] = split_at(typed, '.');
  const auto named = [&](const Kind& k) {
    return k.plural == name || k.singular == name ||
           std::ranges::find(k.short_names, name) != k.short_names.end();
  };
  if (group.empty()) return first(named);
  // "deployments.apps" and kubectl's long form "deployments.v1.apps".
  return first([&](const Kind& k) {
    if (!named(k)) return false;
    return k.group == group ||
           std::ranges::any_of(k.versions, [&](const auto& v) { return v + "." + k.group == group; });
  });
}

}  // namespace mk::kinds
