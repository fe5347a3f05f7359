// metrics.k8s.io: what nodes and Pods use now, for kubectl top. Measured when it is asked for and stored
// nowhere.
#pragma once
#include <string_view>
#include <vector>

#include "api/route.h"
#include "core/objects.h"
#include "core/ports.h"

namespace mk::api::kubernetes {

inline constexpr std::string_view kMetricsGroup = "metrics.k8s.io", kMetricsVersion = "v1beta1";

class Metrics {
 public:
  Metrics(core::Objects& objects, core::UsageMeter* meter) : objects_(objects), meter_(meter) {}
  // Lists and single ones of nodes and pods. Lives as long as they do.
  std::vector<Route> routes();

 private:
  struct Question;
  net::Response pods(const Question& question) const;
  net::Response nodes(const Question& question) const;
  net::Response answer(const Question& question, std::string_view kind, std::vector<Json> items) const;

  core::Objects& objects_;
  core::UsageMeter* const meter_;  // null: nothing runs here
};

}  // namespace mk::api::kubernetes
