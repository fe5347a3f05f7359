#include "dataplane/gateway/table.h"

#include <algorithm>

#include "base/format.h"

namespace mk::gateway {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || host.find(']', colon) != std::string_view::npos) return host;
  return host.substr(0, colon);
}

// HTTP/1.0 names no host.
bool is_local(std::string_view name) { return name.empty() || net::is_loopback_host(name); }

}  // namespace

RouteTarget::RouteTarget(std::string service, std::vector<RevisionTarget> revisions,
                         std::shared_ptr<Turns> turns)
    : service_(std::move(service)), revisions_(std::move(revisions)), turns_(std::move(turns)) {}

const RevisionTarget& RouteTarget::next() const {
  if (revisions_.size() == 1) return revisions_.front();
  const std::lock_guard lock(turns_->mutex);
  return revisions_[turns_->weighted.next()];
}

std::shared_ptr<Upstream> choose(const RevisionTarget& revision, const std::vector<const Upstream*>& tried,
                                 int64_t now) {
  const size_t count = revision.upstreams.size();
  const size_t start = revision.turn->fetch_add(1, std::memory_order_relaxed);
  std::shared_ptr<Upstream> resting;
  for (size_t i = 0; i < count; ++i) {
    const auto& upstream = revision.upstreams[(start + i) % count];
    if (std::find(tried.begin(), tried.end(), upstream.get()) != tried.end()) continue;
    if (upstream->ejected_until.load(std::memory_order_relaxed) <= now) return upstream;
    if (!resting) resting = upstream;
  }
  return resting;
}

RevisionTarget Table::build_revision(const std::string& service, const routing::Backend& backend,
                                     const Table* before) {
  const std::pair key(service, backend.revision);
  auto& stats = stats_[key];
  if (before != nullptr) {
    if (const auto old = before->stats_.find(key); old != before->stats_.end()) stats = old->second;
  }
  if (!stats) stats = std::make_shared<RevisionStats>();
  RevisionTarget revision{
      .name = backend.revision, .turn = std::make_shared<std::atomic<size_t>>(0), .stats = stats};
  for (const routing::Endpoint& endpoint : backend.endpoints) {
    const std::pair address(endpoint.address, endpoint.port);
    auto& upstream = upstreams_[address];
    if (before != nullptr && !upstream) {
      if (const auto old = before->upstreams_.find(address); old != before->upstreams_.end())
        upstream = old->second;
    }
    if (!upstream) {
      upstream = std::make_shared<Upstream>();
      upstream->endpoint = {.host = endpoint.address, .port = endpoint.port};
    }
    revision.upstreams.push_back(upstream);
  }
  return revision;
}

Table::Table(const routing::Snapshot& snapshot, const Table* before) : generation_(snapshot.generation) {
  for (const routing::Route& route : snapshot.routes) {
    std::vector<RevisionTarget> revisions;
    std::vector<int> weights;
    for (const routing::Backend& backend : route.backends) {
      RevisionTarget revision = build_revision(route.service, backend, before);
      if (backend.weight == 0 || revision.upstreams.empty()) continue;
      weights.push_back(backend.weight);
      revisions.push_back(std::move(revision));
    }
    // The same split goes on where it was; a changed one starts anew.
    std::shared_ptr<Turns> turns;
    if (before != nullptr) {
      const auto old = before->routes_.find(route.service);
      if (old != before->routes_.end() && old->second->turns_->weighted.weights() == weights)
        turns = old->second->turns_;
    }
    if (!turns) turns = std::make_shared<Turns>(weights);
    auto target = std::make_unique<RouteTarget>(route.service, std::move(revisions), std::move(turns));
    for (const std::string& host : route.hosts) hosts_[lower(host)] = target.get();
    for (const routing::PathPrefix& path : route.path_prefixes) {
      const size_t stripped = path.strip && path.prefix != "/" ? path.prefix.size() : 0;
      prefixes_[path.prefix] = {target.get(), stripped};
    }
    routes_[route.service] = std::move(target);
  }
  if (before == nullptr) return;
  for (const auto& [key, stats] : before->stats_)
    if (stats->running() > 0) stats_.emplace(key, stats);
}

bool Table::knows_host(std::string_view host) const {
  const std::string name = lower(without_port(host));
  return is_local(name) || hosts_.contains(name);
}

Table::Found Table::find(std::string_view host, std::string_view path) const {
  const std::string name = lower(without_port(host));
  if (const auto route = hosts_.find(name); route != hosts_.end()) return {route->second, 0};
  if (!is_local(name)) return {};
  if (!path.starts_with('/')) return {};
  // The longest prefix that ends where a segment ends.
  for (std::string_view prefix = path; !prefix.empty(); prefix = prefix.substr(0, prefix.rfind('/'))) {
    if (const auto found = prefixes_.find(prefix); found != prefixes_.end()) return found->second;
  }
  const auto root = prefixes_.find("/");
  return root == prefixes_.end() ? Found{} : root->second;
}

std::vector<NamedStats> Table::stats() const {
  std::vector<NamedStats> all;
  for (const auto& [key, stats] : stats_) all.push_back({key.first, key.second, stats});
  return all;
}

std::vector<std::string> Table::leaving() const {
  std::vector<std::string> all;
  for (const auto& [key, stats] : stats_) {
    if (stats->running() <= 0) continue;
    const auto route = routes_.find(key.first);
    const bool takes = route != routes_.end() &&
                       std::any_of(route->second->revisions().begin(), route->second->revisions().end(),
                                   [&](const RevisionTarget& revision) { return revision.name == key.second; });
    if (!takes) all.push_back(fmt::format("{} {}", key.first, key.second));
  }
  return all;
}

std::vector<net::Endpoint> Table::gone_since(const Table& before) const {
  std::vector<net::Endpoint> gone;
  for (const auto& [key, upstream] : before.upstreams_) {
    if (!upstreams_.contains(key)) gone.push_back(upstream->endpoint);
  }
  return gone;
}

}  // namespace mk::gateway
