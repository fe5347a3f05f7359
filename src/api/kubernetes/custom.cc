#include "api/kubernetes/custom.h"

#include <algorithm>

#include "api/kubernetes/limits.h"
#include "api/kubernetes/query.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

using net::Method;

// What the path of a request names: /apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL[/NAME[/PART]].
struct Named {
  std::string group, version, plural, part;
  Place place;
  bool in_namespace = false;
};

enum class Depth : uint8_t { kCollection, kObject, kPart };

Named read_path(const std::vector<std::string>& params, bool in_namespace, Depth depth) {
  size_t next = 0;
  const auto take = [&] { return next < params.size() ? params[next++] : std::string(); };
  Named named;
  named.group = take();
  named.version = take();
  named.in_namespace = in_namespace;
  if (in_namespace) named.place.space = take();
  named.plural = take();
  if (depth != Depth::kCollection) named.place.name = take();
  if (depth == Depth::kPart) named.part = take();
  return named;
}

std::string_view verb_of(Method method, Depth depth) {
  switch (method) {
    case Method::kPost:
      return "create";
    case Method::kPut:
      return "update";
    case Method::kPatch:
      return "patch";
    case Method::kDelete:
      return depth == Depth::kCollection ? "deletecollection" : "delete";
    default:
      return depth == Depth::kCollection ? "list" : "get";
  }
}

bool has_group(std::string_view group) {
  const kinds::Kinds kinds = kinds::all();
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const kinds::Kind& kind) { return kind.group == group; });
}

Error not_taken(const Named& named, Method method) {
  return {Code::kUnimplemented, "method_not_allowed",
          fmt::format("{}.{} does not take {} here", named.plural, named.group, net::method_name(method))};
}

// The path names the resource, so what is asked for follows from its segments. The door asks before a handler looks whether
// there is such a kind: who may not use it does not learn that.
template <bool in_namespace, Depth depth>
void ask_as_named(const net::Request& request, const std::vector<std::string>& segments, core::Ask& ask,
                  std::string& held) {
  constexpr size_t kPlural = in_namespace ? 3 : 2;
  ask.group = segments.at(0);
  if (in_namespace) ask.space = segments.at(2);
  ask.resource = segments.at(kPlural);
  if (depth != Depth::kCollection) ask.name = segments.at(kPlural + 1);
  if (depth == Depth::kPart) ask.subresource = segments.at(kPlural + 2);
  if (depth == Depth::kCollection && request.method == Method::kGet) ask_as_list(request, ask, held);
}

class Custom {
 public:
  explicit Custom(const CustomPorts& ports) : ports_(ports) {}

  void answer(Method method, const Named& named, Depth depth, net::Request request, const Caller& caller,
              net::Reply reply) const {
    const kinds::Kind* kind = kinds::find_plural(named.group, named.plural);
    const bool served = kind && std::ranges::find(kind->versions, named.version) != kind->versions.end();
    if (!served) return reply.send(has_group(named.group) ? refuse(not_here()) : no_such_page());
    // Built-in kinds have routes of their own; what comes here is what those do not take.
    if (!kind->custom) return reply.send(refuse(not_taken(named, method)));
    const Target target{kinds::hold(*kind), named.version};
    if (!target.kind) return reply.send(refuse(not_here()));
    const bool everywhere = kind->namespaced && !named.in_namespace;
    if (named.in_namespace && !kind->namespaced) return reply.send(refuse(not_here()));
    if (depth == Depth::kPart)
      return part(method, target, named, std::move(request), caller, std::move(reply));
    if (depth == Depth::kObject) {
      if (everywhere) return reply.send(refuse(not_here()));
      return object(method, target, named.place, std::move(request), caller, std::move(reply));
    }
    if (method == Method::kGet) {
      const bool scoped = kind->namespaced && named.in_namespace;
      return ports_.reads.collection(target, scoped ? std::optional(named.place.space) : std::nullopt,
                                     request, caller, std::move(reply));
    }
    if (everywhere) return reply.send(refuse(not_taken(named, method)));
    if (method == Method::kPost)
      return ports_.writes.create(target, named.place, std::move(request), caller, std::move(reply));
    ports_.writes.remove_collection(target, named.place, std::move(request), caller, std::move(reply));
  }

 private:
  void object(Method method, const Target& target, const Place& place, net::Request request,
              const Caller& caller, net::Reply reply) const {
    if (method == Method::kPut)
      return ports_.writes.replace(target, place, false, std::move(request), caller, std::move(reply));
    if (method == Method::kPatch)
      return ports_.writes.patch(target, place, false, std::move(request), caller, std::move(reply));
    if (method == Method::kDelete)
      return ports_.writes.remove(target, place, std::move(request), caller, std::move(reply));
    reply.send(ports_.reads.get(target, place, {}, request, caller));
  }

  void part(Method method, const Target& target, const Named& named, net::Request request,
            const Caller& caller, net::Reply reply) const {
    const bool status = named.part == "status" && target.kind->status_subresource;
    const bool scale = named.part == "scale" && target.kind->scale_subresource;
    if (!status && !scale) return reply.send(refuse(not_here()));
    if (method == Method::kDelete || method == Method::kPost)
      return reply.send(refuse(not_taken(named, method)));
    if (status && method == Method::kGet) return reply.send(ports_.reads.get(target, named.place, "status", request, caller));
    if (status && method == Method::kPut)
      return ports_.writes.replace(target, named.place, true, std::move(request), caller, std::move(reply));
    if (status)
      return ports_.writes.patch(target, named.place, true, std::move(request), caller, std::move(reply));
    if (method == Method::kGet) return reply.send(ports_.scales.get(target, named.place, request, caller));
    // Scaling waits for the disk.
    ports_.workers.post([&scales = ports_.scales, target, place = named.place, method, who = caller,
                         asked = std::make_shared<net::Request>(std::move(request)),
                         later = std::make_shared<net::Reply>(std::move(reply))] {
      later->send(method == Method::kPut ? scales.replace(target, place, *asked, who)
                                         : scales.patch(target, place, *asked, who));
    });
  }

  const CustomPorts ports_;
};

}  // namespace

std::vector<Route> custom_routes(const CustomPorts& ports) {
  const auto custom = std::make_shared<const Custom>(ports);
  std::vector<Route> routes;
  const auto add = [&](const std::string& pattern, bool in_namespace, Depth depth, auto refine,
                       std::initializer_list<Method> methods) {
    for (const Method method : methods)
      routes.push_back({method, pattern, core::Permission(verb_of(method, depth), "custom"),
                        Hot{[custom, method, in_namespace, depth](net::Request request, const Caller& caller,
                                                                  net::Reply reply) {
                          const Named named = read_path(request.params, in_namespace, depth);
                          custom->answer(method, named, depth, std::move(request), caller, std::move(reply));
                        }},
                        method == Method::kGet ? 0 : kBodyBytesMax, route_error, {}, refine});
  };
  for (const bool in_namespace : {false, true}) {
    const std::string all = std::string("/apis/{group}/{version}/") +
                            (in_namespace ? "namespaces/{namespace}/" : "") + "{plural}";
    add(all, in_namespace, Depth::kCollection,
        in_namespace ? ask_as_named<true, Depth::kCollection> : ask_as_named<false, Depth::kCollection>,
        {Method::kGet, Method::kPost, Method::kDelete});
    add(all + "/{name}", in_namespace, Depth::kObject,
        in_namespace ? ask_as_named<true, Depth::kObject> : ask_as_named<false, Depth::kObject>,
        {Method::kGet, Method::kPut, Method::kPatch, Method::kDelete});
    add(all + "/{name}/{part}", in_namespace, Depth::kPart,
        in_namespace ? ask_as_named<true, Depth::kPart> : ask_as_named<false, Depth::kPart>,
        {Method::kGet, Method::kPut, Method::kPatch});
  }
  return routes;
}

}  // namespace mk::api::kubernetes
