#include "core/service_addresses.h"

#include <arpa/inet.h>

#include "base/format.h"
#include "core/refusal.h"
#include "core/service_rules.h"

namespace mk::core {
namespace {

using Item = uint64_t;
constexpr Item kPort = Item{1} << 40;  // beyond every address
constexpr int kGuesses = 64;           // at random, before looking at each in turn

std::optional<Item> address_of(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return {};
  return ntohl(address.s_addr);
}

std::string address_text(Item item) {
  return fmt::format("{}.{}.{}.{}", item >> 24, item >> 16 & 255, item >> 8 & 255, item & 255);
}

// Every address and port that a stored Service has.
std::vector<Item> items_of(const Json& service) {
  std::vector<Item> out;
  for (const Json& address : service.at({"spec", "clusterIPs"}).items())
    if (const auto item = address_of(address.text())) out.push_back(*item);
  const auto port = [&](const Json& number) {
    if (number.integer() > 0) out.push_back(kPort + static_cast<Item>(number.integer()));
  };
  for (const Json& one : service.at({"spec", "ports"}).items()) port(one["nodePort"]);
  port(service.at({"spec", "healthCheckNodePort"}));
  return out;
}

}  // namespace

// 10.96.0.1 is the control plane's own, as everywhere in Kubernetes; the last is the broadcast address.
const ServiceAddresses::Range ServiceAddresses::kAddresses = {0x0a600002, 0x0a6ffffe, 0x0a600101};
const ServiceAddresses::Range ServiceAddresses::kPorts = {kPort + 30000, kPort + 32767, kPort + 30086};

// What one write was given; gives it back when nobody needs it any more.
struct ServiceAddresses::Held {
  ServiceAddresses& owner;
  Key key;
  std::vector<Item> items;
  Held(ServiceAddresses& addresses, Key service) : owner(addresses), key(std::move(service)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { owner.give_back(*this); }
  void add(Item item) {
    owner.pending_.try_emplace(item, Pending{key, 0}).first->second.writes++;
    items.push_back(item);
  }
};

ServiceAddresses::ServiceAddresses(store::Store& store, os::Random& random)
    : random_(random), mirror_(store, {"services"}) {}

ServiceAddresses::Hold ServiceAddresses::give(const Key& key, Json& service, std::vector<Cause>& causes) {
  if (!rules::has_cluster_address(service)) return nullptr;
  auto held =
      std::make_shared<Held>(*this, key);  // given back without the mutex: declared before it is taken
  const std::lock_guard lock(mutex_);
  catch_up();
  give_address(key, service, *held, causes);
  give_ports(key, service, *held, causes);
  return held;
}

void ServiceAddresses::give_address(const Key& key, Json& service, Held& held, std::vector<Cause>& causes) {
  if (rules::is_headless(service)) return;
  const Json list = std::as_const(service).at({"spec", "clusterIPs"});
  if (list.empty()) {
    const auto item = choose(kAddresses);
    if (!item)
      return causes.push_back(
          cause_invalid("spec.clusterIPs", list, "failed to allocate an IP: range is full"));
    held.add(*item);
    service["spec"]["clusterIP"] = address_text(*item);
    service["spec"]["clusterIPs"] = Json::array({address_text(*item)});
    return;
  }
  const std::string_view asked = list[0].text();
  const auto item = address_of(asked);
  const auto refused = [&](std::string_view why) {
    causes.push_back(
        cause_invalid("spec.clusterIPs", list, fmt::format("failed to allocate IP {}: {}", asked, why)));
  };
  if (!item || *item + 1 < kAddresses.first || *item > kAddresses.last)
    return refused(fmt::format(
        "the provided IP ({}) is not in the valid range. The range of valid IPs is 10.96.0.0/12", asked));
  if (*item < kAddresses.first || !is_free(*item, key)) return refused("provided IP is already allocated");
  held.add(*item);
}

void ServiceAddresses::give_ports(const Key& key, Json& service, Held& held, std::vector<Cause>& causes) {
  const auto take = [&](Json& number, const std::string& field) {
    const int64_t asked = std::as_const(number).integer();
    if (asked == 0) {
      const auto item = choose(kPorts);
      if (!item)
        return causes.push_back(cause_invalid(field, asked, "failed to allocate a port: range is full"));
      held.add(*item);
      number = static_cast<int64_t>(*item - kPort);
      return;
    }
    const Item item = kPort + static_cast<Item>(asked);
    if (item < kPorts.first || item > kPorts.last)
      return causes.push_back(cause_invalid(
          field, number, "provided port is not in the valid range. The range of valid ports is 30000-32767"));
    if (!is_free(item, key))
      return causes.push_back(cause_invalid(field, number, "provided port is already allocated"));
    held.add(item);
  };
  if (rules::has_node_ports(service) && std::as_const(service).at({"spec", "ports"}).is_array()) {
    Json& ports = service["spec"]["ports"];
    // First those that are named, so that none is given to a neighbour in the same Service.
    for (const bool named : {true, false})
      for (size_t i = 0; i < ports.size(); ++i)
        if ((std::as_const(ports)[i]["nodePort"].integer() != 0) == named)
          take(ports[i]["nodePort"], fmt::format("spec.ports[{}].nodePort", i));
  }
  if (rules::has_health_check_port(service))
    take(service["spec"]["healthCheckNodePort"], "spec.healthCheckNodePort");
}

bool ServiceAddresses::is_free(Item item, const Key& key) const {
  const auto stored = taken_.find(item);
  if (stored != taken_.end() && stored->second != key) return false;
  const auto coming = pending_.find(item);
  return coming == pending_.end() || coming->second.key == key;
}

// One that nobody has: at random, so that an address is not soon another Service's.
std::optional<Item> ServiceAddresses::choose(const Range& range) {
  const auto unused = [&](Item item) { return !taken_.contains(item) && !pending_.contains(item); };
  const auto among = [&](Item first, Item end) -> std::optional<Item> {
    const Item size = end - first;
    for (int guess = 0; guess < kGuesses; ++guess)
      if (const Item item = first + random_.below(size); unused(item)) return item;
    const Item start = random_.below(size);
    for (Item i = 0; i < size; ++i)
      if (const Item item = first + (start + i) % size; unused(item)) return item;
    return {};
  };
  const auto found = among(range.dynamic_first, range.last + 1);
  return found ? found : among(range.first, range.dynamic_first);
}

void ServiceAddresses::forget(const Key& key) {
  const auto known = by_service_.find(key);
  if (known == by_service_.end()) return;
  for (const Item item : known->second)
    if (const auto taken = taken_.find(item); taken != taken_.end() && taken->second == key)
      taken_.erase(taken);
  by_service_.erase(known);
}

void ServiceAddresses::catch_up() {
  if (!mirror_.changed()) return;
  const uint64_t seen = mirror_.take(
      [this] {
        taken_.clear();
        by_service_.clear();
      },
      [this](const Mirror::Change& change) {
        forget(change.key);
        if (!change.object) return;
        std::vector<Item> items = items_of(change.object->json());
        for (const Item item : items) taken_.try_emplace(item, change.key);
        by_service_[change.key] = std::move(items);
      });
  mirror_.settle(seen);
}

void ServiceAddresses::give_back(const Held& held) {
  const std::lock_guard lock(mutex_);
  for (const Item item : held.items) {
    const auto found = pending_.find(item);
    if (--found->second.writes == 0) pending_.erase(found);
  }
}

}  // namespace mk::core
