#include "api/kubernetes/conversions.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mk::api::kubernetes {
namespace {

struct Renamed {
  const char* stored;
  const char* wire;
};

void rename(Json& object, const char* from, const char* to) {
  Json* value = object.find(from);
  if (!value) return;
  Json moved = std::move(*value);
  object.erase(from);
  object[to] = std::move(moved);
}

// ---- Events

constexpr auto kEventFields = std::to_array<Renamed>({
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
});

void event_to_wire(Json& event) {
  if (!event.is_object()) return;
  for (const Renamed& row : kEventFields) rename(event, row.stored, row.wire);
  // As upstream, what says nothing is left out here, though v1 writes it.
  for (const char* field : {"reportingController", "reportingInstance"})
    if (const Json* value = std::as_const(event).find(field); value && value->text("-").empty())
      event.erase(field);
  if (!event.contains("eventTime")) event["eventTime"] = Json();
}

void event_to_stored(Json& event) {
  if (!event.is_object()) return;
  for (const Renamed& row : kEventFields) rename(event, row.wire, row.stored);
}

std::string event_selector(std::string_view text) {
  std::string out(text);
  for (const auto& [wire, stored] :
       {std::pair<std::string_view, std::string_view>{"regarding.", "involvedObject."},
        {"reportingController", "reportingComponent"}}) {
    for (size_t at = out.find(wire); at != std::string::npos; at = out.find(wire, at + stored.size()))
      if (at == 0 || out[at - 1] == ',') out.replace(at, wire.size(), stored);
  }
  return out;
}

// ---- autoscalers

bool is_cpu_share(const Json& metric) {
  return metric["type"].text() == "Resource" && metric.at({"resource", "name"}).text() == "cpu" &&
         metric.at({"resource", "target", "type"}).text() == "Utilization";
}

// Metrics that v1 has no words for are carried along in an annotation, so that nothing is lost by a client of
// v1.
constexpr const char* kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr const char* kBehavior = "autoscaling.alpha.kubernetes.io/behavior";

void autoscaler_to_wire(Json& object) {
  if (!std::as_const(object)["spec"].is_object()) return;
  Json& spec = object["spec"];
  Json others = Json::array();
  for (const Json& metric : std::as_const(spec)["metrics"].items()) {
    if (is_cpu_share(metric))
      spec["targetCPUUtilizationPercentage"] = metric.at({"resource", "target", "averageUtilization"});
    else
      others.push_back(metric);
  }
  spec.erase("metrics");
  if (!others.empty()) object["metadata"]["annotations"][kMetrics] = others.dump();
  if (const Json* behavior = std::as_const(spec).find("behavior")) {
    object["metadata"]["annotations"][kBehavior] = behavior->dump();
    spec.erase("behavior");
  }
}

void autoscaler_to_stored(Json& object) {
  if (!std::as_const(object)["spec"].is_object()) return;
  Json& spec = object["spec"];
  const Json annotations = std::as_const(object).at({"metadata", "annotations"});
  for (const auto& [name, field] : {std::pair{kMetrics, "metrics"}, std::pair{kBehavior, "behavior"}}) {
    if (!annotations.contains(name)) continue;
    if (auto value = Json::parse(annotations[name].text())) spec[field] = std::move(*value);
    object["metadata"]["annotations"].erase(name);
  }
  const Json* share = std::as_const(spec).find("targetCPUUtilizationPercentage");
  if (!share) return;
  const Json target = Json::object({{"type", "Utilization"}, {"averageUtilization", *share}});
  spec.erase("targetCPUUtilizationPercentage");
  if (!std::as_const(spec)["metrics"].is_array()) spec["metrics"] = Json::array();
  spec["metrics"].push_back(Json::object(
      {{"type", "Resource"}, {"resource", Json::object({{"name", "cpu"}, {"target", target}})}}));
}

constexpr auto kConversions = std::to_array<Conversion>({
    {"events.k8s.io", "events", "v1", event_to_wire, event_to_stored, event_selector},
    {"autoscaling", "horizontalpodautoscalers", "v1", autoscaler_to_wire, autoscaler_to_stored, nullptr},
});

}  // namespace

const Conversion* find_conversion(std::string_view group, std::string_view plural, std::string_view version) {
  const auto* row = std::ranges::find_if(kConversions, [&](const Conversion& one) {
    return one.group == group && one.plural == plural && one.version == version;
  });
  return row == kConversions.end() ? nullptr : row;
}

}  // namespace mk::api::kubernetes
