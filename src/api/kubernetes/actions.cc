#include "api/kubernetes/actions.h"

#include "api/kubernetes/media.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "api/kubernetes/writes.h"
#include "base/format.h"
#include "core/refusal.h"

namespace mk::api::kubernetes {
namespace {

// Upstream's way out of a namespace that something holds for ever: whoever may, says which finalizers are
// left.
net::Response finalize(core::Objects& objects, const net::Request& request, const Caller& caller) {
  const kinds::Kind& kind = *kinds::find_resource("namespaces");
  const Target target{kinds::hold(kind), "v1"};
  const std::string& name = request.params.at(0);
  const auto query = query_of(request);
  if (!query) return refuse(query.error());
  auto options = write_options(request, *query, target, "update", "finalize");
  if (!options) return refuse(options.error());
  auto object = read_body(request);
  if (!object) return refuse(object.error(), about(kind, name));
  if (object->at({"metadata", "name"}).text() != name)
    return refuse(Error{Code::kInvalidArgument, "bad_request",
                        fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                    object->at({"metadata", "name"}).text(), name)});
  (*object)["apiVersion"] = "v1";
  (*object)["kind"] = "Namespace";
  const auto written = objects.update(caller.identity, kind, std::move(*object), *options);
  if (!written) return refuse(written.error(), about(kind, name));
  return net::Response::json(written->object->body);
}

// Whoever schedules says once on which node a Pod runs.
net::Response bind(core::Objects& objects, const net::Request& request, const Caller& caller) {
  const kinds::Kind& kind = *kinds::find_resource("pods");
  const auto query = query_of(request);
  if (!query) return refuse(query.error());
  const auto options = parse_write_query(*query, "create");
  if (!options) return refuse(options.error());
  const auto binding = read_body(request);
  if (!binding) return refuse(binding.error());
  const std::string named(binding->at({"metadata", "name"}).text());
  const std::string name = request.params.size() > 1 ? request.params[1] : named;
  const About pod = about(kind, name);
  if (name.empty() || (!named.empty() && named != name))
    return refuse(Error{Code::kInvalidArgument, "bad_request", "metadata.name must be that of the Pod"}, pod);
  const Json& target = (*binding)["target"];
  const auto may = objects.authorise(caller.identity, "create", kind, request.params.at(0), name, "binding");
  if (!may) return refuse(may.error(), pod);
  std::vector<core::Cause> causes;
  if (!target["kind"].text().empty() && target["kind"].text() != "Node")
    causes.push_back(core::cause_unsupported("target.kind", target["kind"], {"Node", "<empty>"}));
  if (target["name"].text().empty()) causes.push_back(core::cause_required("target.name"));
  if (!causes.empty()) {
    const auto refused = core::refuse_invalid(kind, name, causes);
    return refuse(refused.error(), pod);
  }
  const auto change = [&](Json object) -> core::Admitted<Json> {
    const std::string_view node = std::as_const(object).at({"spec", "nodeName"}).text();
    const Json& metadata = std::as_const(object)["metadata"];
    if (metadata.contains("deletionTimestamp"))
      return core::refuse_conflict(
          kind, name, fmt::format("pod {} is being deleted, cannot be assigned to a host", name));
    if (!node.empty())
      return core::refuse_conflict(kind, name,
                                   fmt::format("pod {} is already assigned to node \"{}\"", name, node));
    object["spec"]["nodeName"] = target["name"];
    for (const auto& [key, value] : binding->at({"metadata", "annotations"}).members())
      object["metadata"]["annotations"][key] = value;
    return object;
  };
  const core::WriteOptions write{.dry_run = options->dry_run};
  const auto bound = objects.modify(core::Identity::system("binding"), kind,
                                    {"pods", request.params.at(0), name}, false, change, write);
  if (!bound) return refuse(bound.error(), pod);
  return net::Response::json(Json::object({{"kind", "Status"},
                                           {"apiVersion", "v1"},
                                           {"metadata", Json::object()},
                                           {"status", "Success"},
                                           {"code", 201}})
                                 .dump(),
                             201);
}

constexpr Action kActions[] = {
    {net::Method::kPut, "/api/v1/namespaces/{name}/finalize", "update", "namespaces", "finalize", finalize},
    {net::Method::kPost, "/api/v1/namespaces/{namespace}/bindings", "create", "bindings", {}, bind},
    {net::Method::kPost, "/api/v1/namespaces/{namespace}/pods/{name}/binding", "create", "pods", "binding",
     bind},
};

}  // namespace

std::span<const Action> actions() {
  return kActions;
}

}  // namespace mk::api::kubernetes
