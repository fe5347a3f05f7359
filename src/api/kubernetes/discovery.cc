#include "api/kubernetes/discovery.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "api/kubernetes/metrics.h"
#include "api/kubernetes/openapi_bundle.h"
#include "api/kubernetes/status.h"
#include "base/format.h"

namespace mk::api::kubernetes {
namespace {

struct Subresource {
  std::string name;                  // "status"
  std::string group, version, kind;  // of what it reads and writes; empty group and version = the parent's
  std::vector<std::string_view> verbs;
};

struct Resource {
  std::string group, version, plural, singular, kind;
  bool namespaced = true;
  std::vector<std::string_view> verbs;
  std::vector<std::string> short_names, categories;
  std::vector<Subresource> subresources;
};

const std::vector<std::string_view> kAllVerbs = {"create", "delete", "deletecollection", "get",
                                                 "list",   "patch",  "update",           "watch"};
const std::vector<std::string_view> kPartVerbs = {"get", "patch", "update"};

// What only one kind has.
const std::pair<std::string_view, Subresource> kParts[] = {
    {"namespaces", {"finalize", "", "", "Namespace", {"update"}}},
    {"pods", {"binding", "", "", "Binding", {"create"}}},
    {"pods", {"log", "", "", "Pod", {"get"}}},
    {"serviceaccounts", {"token", "authentication.k8s.io", "v1", "TokenRequest", {"create"}}},
};

// "v2" before "v1" before "v1beta2" before "v1alpha1": what clients are to prefer comes first.
struct VersionRank {
  int stage = 0;  // 0 final, 1 beta, 2 alpha, 3 something else
  int64_t major = 0, minor = 0;
  auto operator<=>(const VersionRank&) const = default;
};

VersionRank rank_of(std::string_view version) {
  VersionRank rank{3, 0, 0};
  const auto number = [&](int64_t& out) {
    const auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), out);
    version.remove_prefix(static_cast<size_t>(end - version.data()));
    out = -out;  // the higher the earlier
    return error == std::errc();
  };
  if (!version.starts_with('v')) return rank;
  version.remove_prefix(1);
  if (!number(rank.major)) return rank;
  if (version.empty()) return {0, rank.major, 0};
  const std::pair<std::string_view, int> stages[] = {{"beta", 1}, {"alpha", 2}};
  for (const auto& [word, stage] : stages) {
    if (!version.starts_with(word)) continue;
    version.remove_prefix(word.size());
    if (number(rank.minor) && version.empty()) rank.stage = stage;
  }
  return rank;
}

std::vector<Resource> resources(const kinds::Kinds& kinds) {
  std::vector<Resource> out;
  for (const kinds::Kind& kind : kinds) {
    for (const std::string& version : kind.versions) {
      Resource one{kind.group,      version,   kind.plural,      kind.singular,   kind.kind,
                   kind.namespaced, kAllVerbs, kind.short_names, kind.categories, {}};
      if (!kind.deletes_collection) std::erase(one.verbs, "deletecollection");
      if (kind.status_subresource) one.subresources.push_back({"status", "", "", kind.kind, kPartVerbs});
      if (kind.scale_subresource)
        one.subresources.push_back({"scale", "autoscaling", "v1", "Scale", kPartVerbs});
      for (const auto& [resource, part] : kParts)
        if (resource == kind.resource()) one.subresources.push_back(part);
      std::ranges::sort(one.subresources, {}, &Subresource::name);
      out.push_back(std::move(one));
    }
  }
  // Questions that are asked by a POST and stored nowhere.
  constexpr struct {
    std::string_view group, plural, kind;
    bool namespaced = false;
  } kQuestions[] = {
      {"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"},
      {"authentication.k8s.io", "tokenreviews", "TokenReview"},
      {"authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true},
      {"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
      {"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"},
      {"authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"},
      {"", "bindings", "Binding", true},
  };
  for (const auto& q : kQuestions) {
    std::string singular(q.kind);
    std::ranges::transform(singular, singular.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    out.push_back({std::string(q.group),
                   "v1",
                   std::string(q.plural),
                   singular,
                   std::string(q.kind),
                   q.namespaced,
                   {"create"},
                   {},
                   {},
                   {}});
  }
  // Figures that are measured when they are asked for (metrics.h).
  for (const bool pods : {false, true})
    out.push_back({std::string(kMetricsGroup), std::string(kMetricsVersion), pods ? "pods" : "nodes", "",
                   pods ? "PodMetrics" : "NodeMetrics", pods, {"get", "list"}, {}, {}, {}});
  std::ranges::sort(out, {}, [](const Resource& r) {
    return std::tuple(r.group, rank_of(r.version), r.version, r.plural);
  });
  return out;
}

Json texts(const auto& list) {
  Json out = Json::array();
  for (const auto& item : list) out.push_back(Json(item));
  return out;
}

Json gvk(std::string_view group, std::string_view version, std::string_view kind) {
  return Json::object({{"group", group}, {"version", version}, {"kind", kind}});
}

Json aggregated_resource(const Resource& r) {
  Json out = Json::object(
      {{"resource", r.plural},
       {"responseKind", gvk("", "", r.kind)},  // as upstream: empty is the group and version around it
       {"scope", r.namespaced ? "Namespaced" : "Cluster"},
       {"singularResource", r.singular},
       {"verbs", texts(r.verbs)}});
  if (!r.short_names.empty()) out["shortNames"] = texts(r.short_names);
  if (!r.categories.empty()) out["categories"] = texts(r.categories);
  for (const Subresource& sub : r.subresources) {
    out["subresources"].push_back(Json::object({{"subresource", sub.name},
                                                {"responseKind", gvk(sub.group, sub.version, sub.kind)},
                                                {"verbs", texts(sub.verbs)}}));
  }
  return out;
}

// One item for each group, one version entry below it, in order of `all`.
std::string aggregated(const std::vector<Resource>& all, bool core, std::string_view version) {
  Json items = Json::array();
  std::string group = "\n", group_version = "\n";
  for (const Resource& r : all) {
    if (r.group.empty() != core) continue;
    if (r.group != group) {
      group = r.group;
      group_version = "\n";
      Json item = Json::object({{"metadata", Json::object({{"creationTimestamp", Json()}})}});
      if (!core) item["metadata"]["name"] = r.group;
      items.push_back(std::move(item));
    }
    Json& item = items[items.size() - 1];
    if (r.version != group_version) {
      group_version = r.version;
      item["versions"].push_back(
          Json::object({{"version", r.version}, {"freshness", "Current"}, {"resources", Json::array()}}));
    }
    Json& versions = item["versions"];
    versions[versions.size() - 1]["resources"].push_back(aggregated_resource(r));
  }
  return Json::object({{"kind", "APIGroupDiscoveryList"},
                       {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", version)},
                       {"metadata", Json::object()},
                       {"items", std::move(items)}})
      .dump();
}

Json legacy_resource(const Resource& r, std::string_view name, std::string_view kind, const auto& verbs) {
  return Json::object({{"name", name},
                       {"singularName", name == r.plural ? r.singular : ""},
                       {"namespaced", r.namespaced},
                       {"kind", kind},
                       {"verbs", texts(verbs)}});
}

Json legacy_list(const std::vector<Resource>& all, const std::string& group, const std::string& version) {
  Json list = Json::array();
  for (const Resource& r : all) {
    if (r.group != group || r.version != version) continue;
    Json one = legacy_resource(r, r.plural, r.kind, r.verbs);
    if (!r.short_names.empty()) one["shortNames"] = texts(r.short_names);
    if (!r.categories.empty()) one["categories"] = texts(r.categories);
    list.push_back(std::move(one));
    for (const Subresource& sub : r.subresources) {
      Json part = legacy_resource(r, r.plural + "/" + sub.name, sub.kind, sub.verbs);
      if (!sub.version.empty()) {
        part["group"] = sub.group;
        part["version"] = sub.version;
      }
      list.push_back(std::move(part));
    }
  }
  return Json::object({{"kind", "APIResourceList"},
                       {"apiVersion", "v1"},
                       {"groupVersion", group.empty() ? version : group + "/" + version},
                       {"resources", std::move(list)}});
}

Json legacy_group(const std::string& group, const std::vector<std::string>& versions) {
  Json list = Json::array();
  for (const std::string& version : versions)
    list.push_back(Json::object({{"groupVersion", group + "/" + version}, {"version", version}}));
  return Json::object({{"name", group}, {"preferredVersion", list[0]}, {"versions", list}});
}

}  // namespace

Document Document::of(std::string body, std::string content_type) {
  std::string etag = etag_of(body);
  auto own = std::make_shared<const std::string>(std::move(body));
  return {*own, std::move(etag), std::move(content_type), own};
}

Document Document::of_program(std::string_view body, std::string etag, std::string content_type) {
  return {body, std::move(etag), std::move(content_type)};
}

net::Response Document::answer(const net::Request& request) const {
  const bool known = request.headers.get("If-None-Match").find(etag) != std::string_view::npos;
  net::Response response{
      known ? 304 : 200, {{"ETag", etag}, {"Vary", "Accept"}, {"Cache-Control", "no-cache, private"}}, {}};
  if (known) return response;
  response.headers.set("Content-Type", content_type);
  response.body = body;
  return response;
}

Discovery::Discovery(const kinds::Kinds& kinds) {
  const std::vector<Resource> all = resources(kinds);
  const auto type = [](std::string_view version) {
    return fmt::format("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version);
  };
  api_all_ = Document::of(aggregated(all, true, "v2"), type("v2"));
  apis_all_ = Document::of(aggregated(all, false, "v2"), type("v2"));
  api_all_beta_ = Document::of(aggregated(all, true, "v2beta1"), type("v2beta1"));
  apis_all_beta_ = Document::of(aggregated(all, false, "v2beta1"), type("v2beta1"));
  api_ = Document::of(Json::object({{"kind", "APIVersions"},
                                    {"versions", Json::array({"v1"})},
                                    {"serverAddressByClientCIDRs", Json::array()}})
                          .dump());
  std::map<std::string, std::vector<std::string>> groups;
  for (const Resource& r : all) {
    auto& versions = groups[r.group];
    if (std::ranges::find(versions, r.version) == versions.end()) versions.push_back(r.version);
  }
  Json list = Json::array();
  for (const auto& [group, versions] : groups) {
    for (const std::string& version : versions) {
      const std::string path = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
      legacy_[path] = Document::of(legacy_list(all, group, version).dump());
    }
    if (group.empty()) continue;
    Json one = legacy_group(group, versions);
    list.push_back(one);
    one["kind"] = "APIGroup";
    one["apiVersion"] = "v1";
    legacy_["/apis/" + group] = Document::of(one.dump());
  }
  apis_ = Document::of(
      Json::object({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(list)}}).dump());
}

net::Response Discovery::api(const net::Request& request) const {
  const auto wanted = negotiate(request.headers.get("Accept"), {.discovery = true});
  if (!wanted) return refuse(wanted.error());
  if (wanted->shape != Shape::kDiscovery) return api_.answer(request);
  return (wanted->version == "v2" ? api_all_ : api_all_beta_).answer(request);
}

net::Response Discovery::apis(const net::Request& request) const {
  const auto wanted = negotiate(request.headers.get("Accept"), {.discovery = true});
  if (!wanted) return refuse(wanted.error());
  if (wanted->shape != Shape::kDiscovery) return apis_.answer(request);
  return (wanted->version == "v2" ? apis_all_ : apis_all_beta_).answer(request);
}

}  // namespace mk::api::kubernetes
