#include "dataplane/gateway/stats.h"

#include <algorithm>

#include "base/format.h"

namespace mk::gateway {

void RevisionStats::end(int status, Duration took) {
  running_.fetch_sub(1, std::memory_order_relaxed);
  requests_.fetch_add(1, std::memory_order_relaxed);
  if (status == 0 || status >= 500) errors_.fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<uint64_t>(std::max<int64_t>(took.nanoseconds, 0)),
                         std::memory_order_relaxed);
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), took.seconds());
  buckets_[static_cast<size_t>(bucket - kBounds.begin())].fetch_add(1, std::memory_order_relaxed);
}

Json RevisionStats::to_json() const {
  Json::Array buckets;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Json bound = i < kBounds.size() ? Json(kBounds[i]) : Json();
    buckets.push_back(Json::object({{"le", bound}, {"count", buckets_[i].load(std::memory_order_relaxed)}}));
  }
  return Json::object({{"requests", requests()},
                       {"errors", errors()},
                       {"running", running()},
                       {"seconds", static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9},
                       {"latency", Json(std::move(buckets))}});
}

void RevisionStats::append_prometheus(std::string& out, std::string_view labels) const {
  out += fmt::format("modelkit_gateway_requests_total{{{}}} {}\n", labels, requests());
  out += fmt::format("modelkit_gateway_errors_total{{{}}} {}\n", labels, errors());
  out += fmt::format("modelkit_gateway_running{{{}}} {}\n", labels, running());
  uint64_t sum = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    sum += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("modelkit_gateway_latency_seconds_bucket{{{},le=\"{}\"}} {}\n", labels, bound, sum);
  }
  out += fmt::format("modelkit_gateway_latency_seconds_sum{{{}}} {}\n", labels,
                     static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9);
  out += fmt::format("modelkit_gateway_latency_seconds_count{{{}}} {}\n", labels, sum);
}

Json stats_json(const std::vector<NamedStats>& all) {
  Json::Array revisions;
  for (const NamedStats& item : all) {
    Json one = item.stats->to_json();
    one["service"] = Json(item.service);
    one["revision"] = Json(item.revision);
    revisions.push_back(std::move(one));
  }
  return Json::object({{"revisions", Json(std::move(revisions))}});
}

std::string stats_prometheus(const std::vector<NamedStats>& all) {
  std::string out =
      "# TYPE modelkit_gateway_requests_total counter\n# TYPE modelkit_gateway_errors_total counter\n"
      "# TYPE modelkit_gateway_running gauge\n# TYPE modelkit_gateway_latency_seconds histogram\n";
  for (const NamedStats& item : all) {
    item.stats->append_prometheus(out,
                                  fmt::format("service=\"{}\",revision=\"{}\"", item.service, item.revision));
  }
  return out;
}

}  // namespace mk::gateway
