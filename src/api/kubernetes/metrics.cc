#include "api/kubernetes/metrics.h"

#include <algorithm>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/media.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

using Amount = core::UsageMeter::Amount;

std::string api_version() {
  return fmt::format("{}/{}", kMetricsGroup, kMetricsVersion);
}

// As kubelets report: billionths of a CPU, and KiB.
Json usage_of(const Amount& amount) {
  return Json::object({{"cpu", fmt::format("{}n", amount.nanocores)},
                       {"memory", fmt::format("{}Ki", amount.memory_bytes / 1024)}});
}

Json metrics_of(std::string_view kind, const store::Object& of, Duration window, Time now) {
  Json metadata = Json::object({{"name", of.key.name}, {"creationTimestamp", now.rfc3339()}});
  if (!of.key.space.empty()) metadata["namespace"] = of.key.space;
  for (const auto& [name, value] : of.labels) metadata["labels"][name] = value;
  return Json::object({{"kind", kind},
                       {"apiVersion", api_version()},
                       {"metadata", std::move(metadata)},
                       {"timestamp", now.rfc3339()},
                       {"window", fmt::format("{:.3f}s", window.seconds())}});
}

}  // namespace

struct Metrics::Question {
  core::Identity who;
  Wanted wanted;
  ListQuery query;
  std::optional<std::string> space;
  std::string name;  // empty: a list
  std::string only;  // of a list: the one name that its selector leaves

  // What of the kind behind these figures the caller sees of them.
  core::Admitted<std::vector<store::ObjectRef>> seen(const core::Objects& objects,
                                                     std::string_view resource) const {
    const auto sight = objects.sight({.who = who,
                                      .verb = name.empty() ? "list" : "get",
                                      .group = std::string(kMetricsGroup),
                                      .resource = std::string(resource),
                                      .space = space,
                                      .name = name.empty() ? only : name,
                                      .only_visible = name.empty() && query.only_visible});
    if (!sight) return std::unexpected(sight.error());
    std::vector<store::ObjectRef> out = objects.list(*sight, {std::string(resource), space}).objects;
    std::erase_if(out, [&](const store::ObjectRef& object) {
      return name.empty() ? !query.selector.matches(*object) : object->key.name != name;
    });
    return out;
  }
};

net::Response Metrics::answer(const Question& question, std::string_view kind,
                              std::vector<Json> items) const {
  if (!question.name.empty() && items.empty()) {
    const std::string place = question.space ? *question.space + "/" + question.name : question.name;
    std::string plural(kind);
    std::ranges::transform(plural, plural.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return refuse(Error{Code::kNotFound, "not_found",
                        fmt::format("{}.{} \"{}\" not found", plural, kMetricsGroup, place)},
                  {kMetricsGroup, plural, kind, place});
  }
  if (!question.name.empty()) return write_body(items.front().dump(), question.wanted);
  Json list = Json::array();
  for (Json& item : items) list.push_back(std::move(item));
  return write_body(Json::object({{"kind", fmt::format("{}List", kind)},
                                  {"apiVersion", api_version()},
                                  {"metadata", Json::object()},
                                  {"items", std::move(list)}})
                        .dump(),
                    question.wanted);
}

net::Response Metrics::pods(const Question& question) const {
  const auto seen = question.seen(objects_, "pods");
  if (!seen) return refuse(seen.error(), {kMetricsGroup, "pods", "PodMetrics", question.name});
  std::vector<Json> items;
  if (meter_ == nullptr) return answer(question, "PodMetrics", std::move(items));
  const auto figures = meter_->pods(*seen);
  for (const store::ObjectRef& pod : *seen) {
    const auto found = figures.find(pod->key);
    if (found == figures.end()) continue;
    Duration window;
    Json containers = Json::array();
    for (const auto& [name, amount] : found->second) {
      window = std::max(window, amount.window);
      containers.push_back(Json::object({{"name", name}, {"usage", usage_of(amount)}}));
    }
    Json item = metrics_of("PodMetrics", *pod, window, objects_.clock().now());
    item["containers"] = std::move(containers);
    items.push_back(std::move(item));
  }
  return answer(question, "PodMetrics", std::move(items));
}

net::Response Metrics::nodes(const Question& question) const {
  const auto seen = question.seen(objects_, "nodes");
  if (!seen) return refuse(seen.error(), {kMetricsGroup, "nodes", "NodeMetrics", question.name});
  std::vector<Json> items;
  for (const store::ObjectRef& node : *seen) {
    if (meter_ == nullptr || node->key.name != meter_->node_name()) continue;
    const Amount amount = meter_->machine();
    items.push_back(metrics_of("NodeMetrics", *node, amount.window, objects_.clock().now()));
    items.back()["usage"] = usage_of(amount);
  }
  return answer(question, "NodeMetrics", std::move(items));
}

std::vector<Route> Metrics::routes() {
  std::vector<Route> rows;
  const auto add = [&](const std::string& rest, std::string_view kind, bool in_namespace, bool named,
                       net::Response (Metrics::*handle)(const Question&) const) {
    const Scope scope{.space = in_namespace ? 0 : -1, .name = !named ? -1 : in_namespace ? 1 : 0};
    const auto run = [this, handle, kind, in_namespace, named](const net::Request& request,
                                                               const Caller& caller) {
      const auto understand = [&]() -> Result<Question> {
        MK_TRY(const net::Query query, query_of(request));
        MK_TRY(Wanted wanted, negotiate(request.headers.get("Accept"), {}));
        MK_TRY(ListQuery list, ListQuery::parse(query, *kinds::find_resource(kind)));
        if (list.watch)
          return fail(Code::kUnimplemented, "method_not_allowed",
                      fmt::format("{}.{} cannot be watched", kind, kMetricsGroup));
        return Question{caller.identity,
                        std::move(wanted),
                        std::move(list),
                        in_namespace ? std::optional(request.params.at(0)) : std::nullopt,
                        named ? request.params.at(in_namespace ? 1 : 0) : "",
                        named ? "" : name_selected(request)};
      };
      const auto question = understand();
      return question ? (this->*handle)(*question) : refuse(question.error(), {kMetricsGroup, kind, {}});
    };
    rows.push_back({net::Method::kGet, fmt::format("/apis/{}/{}", api_version(), rest),
                    core::Permission(named ? "get" : "list",
                                     kind == "pods" ? "pods.metrics.k8s.io" : "nodes.metrics.k8s.io"),
                    Whole([run](net::Request request, const Caller& caller, net::Reply reply) {
                      reply.send(run(request, caller));
                    }),
                    0, route_error, scope, named ? nullptr : refine_list});
  };
  add("nodes", "nodes", false, false, &Metrics::nodes);
  add("nodes/{name}", "nodes", false, true, &Metrics::nodes);
  add("pods", "pods", false, false, &Metrics::pods);
  add("namespaces/{namespace}/pods", "pods", true, false, &Metrics::pods);
  add("namespaces/{namespace}/pods/{name}", "pods", true, true, &Metrics::pods);
  return rows;
}

}  // namespace mk::api::kubernetes
