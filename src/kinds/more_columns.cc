#include "kinds/more_columns.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/format.h"

namespace mk::kinds {
namespace {

std::string age(const Json& time, Time now) {
  const auto at = Time::parse_rfc3339(time.text());
  return at ? human_duration(now - *at) : std::string();
}

Json or_none(std::string text) {
  return text.empty() ? Json("<none>") : Json(std::move(text));
}

std::string joined(const std::vector<std::string>& words, std::string_view between = ",") {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

std::string pairs(const Json& map, std::string_view between = ",") {
  std::vector<std::string> out;
  for (const auto& [key, value] : map.members()) out.push_back(fmt::format("{}={}", key, value.text()));
  return joined(out, between);
}

Json template_node_selector(const Json& object, Time) {
  return or_none(pairs(object.at({"spec", "template", "spec", "nodeSelector"})));
}

Json controlled_by(const Json& object, Time) {
  for (const Json& owner : object.at({"metadata", "ownerReferences"}).items()) {
    if (!owner["controller"].boolean()) continue;
    std::string kind(owner["kind"].text());
    std::ranges::transform(kind, kind.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const std::string_view api = owner["apiVersion"].text();
    const size_t slash = api.find('/');
    const std::string group = slash == std::string_view::npos ? "" : "." + std::string(api.substr(0, slash));
    return fmt::format("{}{}/{}", kind, group, owner["name"].text());
  }
  return "<none>";
}

// ---- jobs
// ------------------------------------------------------------------------------------------------------

bool has_condition(const Json& object, std::string_view type) {
  return std::ranges::any_of(object.at({"status", "conditions"}).items(), [&](const Json& one) {
    return one["type"].text() == type && one["status"].text() == "True";
  });
}

Json job_status(const Json& job, Time) {
  if (has_condition(job, "Complete")) return "Complete";
  if (has_condition(job, "Failed")) return "Failed";
  if (!job.at({"metadata", "deletionTimestamp"}).is_null()) return "Terminating";
  if (has_condition(job, "Suspended")) return "Suspended";
  if (has_condition(job, "FailureTarget")) return "FailureTarget";
  if (has_condition(job, "SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

Json job_completions(const Json& job, Time) {
  const int64_t done = job.at({"status", "succeeded"}).integer();
  if (const Json& wanted = job.at({"spec", "completions"}); wanted.is_int())
    return fmt::format("{}/{}", done, wanted.integer());
  const int64_t at_once = job.at({"spec", "parallelism"}).integer(1);
  return at_once > 1 ? fmt::format("{}/1 of {}", done, at_once) : fmt::format("{}/1", done);
}

Json job_duration(const Json& job, Time now) {
  const Json& status = job["status"];
  const auto start = Time::parse_rfc3339(status["startTime"].text());
  if (!start) return "";
  const auto end = Time::parse_rfc3339(status["completionTime"].text());
  return human_duration((end ? *end : now) - *start);
}

Json cron_suspended(const Json& job, Time) {
  return job.at({"spec", "suspend"}).boolean() ? "True" : "False";
}
Json cron_active(const Json& job, Time) {
  return static_cast<int64_t>(job.at({"status", "active"}).size());
}
Json cron_last(const Json& job, Time now) {
  return or_none(age(job.at({"status", "lastScheduleTime"}), now));
}

std::string of_containers(const Json& job, std::string_view field) {
  std::vector<std::string> out;
  for (const Json& container :
       job.at({"spec", "jobTemplate", "spec", "template", "spec", "containers"}).items())
    out.emplace_back(container[field].text());
  return joined(out);
}
Json cron_containers(const Json& job, Time) {
  return of_containers(job, "name");
}
Json cron_images(const Json& job, Time) {
  return of_containers(job, "image");
}

// ---- volumes and quotas
// ----------------------------------------------------------------------------------------

std::string access_modes(const Json& modes) {
  constexpr std::pair<std::string_view, std::string_view> kShort[] = {{"ReadWriteOnce", "RWO"},
                                                                      {"ReadOnlyMany", "ROX"},
                                                                      {"ReadWriteMany", "RWX"},
                                                                      {"ReadWriteOncePod", "RWOP"}};
  std::vector<std::string> out;
  for (const auto& [mode, word] : kShort)
    if (std::ranges::find(modes.items(), Json(mode)) != modes.items().end()) out.emplace_back(word);
  return joined(out);
}
Json claim_access_modes(const Json& claim, Time) {
  return access_modes(claim.at({"status", "accessModes"}));
}
Json volume_access_modes(const Json& volume, Time) {
  return access_modes(volume.at({"spec", "accessModes"}));
}
Json volume_claim(const Json& volume, Time) {
  const Json& claim = volume.at({"spec", "claimRef"});
  return claim.is_object() ? fmt::format("{}/{}", claim["namespace"].text(), claim["name"].text())
                           : std::string();
}

std::string usage(const Json& quota, bool limits) {
  std::vector<std::string> out;
  const Json& hard =
      quota.at({"status", "hard"}).empty() ? quota.at({"spec", "hard"}) : quota.at({"status", "hard"});
  for (const auto& [name, most] : hard.members()) {
    if (name.starts_with("limits.") != limits) continue;
    out.push_back(fmt::format("{}: {}/{}", name, quota.at({"status", "used"})[name].text("0"), most.text()));
  }
  return joined(out, ", ");
}
Json quota_requests(const Json& quota, Time) {
  return usage(quota, false);
}
Json quota_limits(const Json& quota, Time) {
  return usage(quota, true);
}

// ---- networks
// --------------------------------------------------------------------------------------------------

// Three of them, and how many more.
Json some(const std::vector<std::string>& words, std::string_view none) {
  constexpr size_t kShown = 3;
  if (words.empty()) return none;
  const std::vector<std::string> first(
      words.begin(), words.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, words.size())));
  return words.size() <= kShown ? joined(first)
                                : fmt::format("{} + {} more...", joined(first), words.size() - kShown);
}

Json slice_ports(const Json& slice, Time) {
  std::vector<std::string> out;
  for (const Json& port : slice["ports"].items())
    out.push_back(port["port"].is_int() ? std::to_string(port["port"].integer()) : "*");
  return some(out, "<unset>");
}
Json slice_endpoints(const Json& slice, Time) {
  std::vector<std::string> out;
  for (const Json& endpoint : slice["endpoints"].items())
    for (const Json& address : endpoint["addresses"].items()) out.emplace_back(address.text());
  return some(out, "<unset>");
}
Json endpoints(const Json& object, Time) {
  std::vector<std::string> out;
  for (const Json& subset : object["subsets"].items())
    for (const Json& address : subset["addresses"].items()) {
      if (subset["ports"].empty()) out.emplace_back(address["ip"].text());
      for (const Json& port : subset["ports"].items())
        out.push_back(fmt::format("{}:{}", address["ip"].text(), port["port"].integer()));
    }
  return some(out, "<none>");
}

// ---- autoscalers
// --------------------------------------------------------------------------------------------------

Json scaled_reference(const Json& scaler, Time) {
  const Json& target = scaler.at({"spec", "scaleTargetRef"});
  return fmt::format("{}/{}", target["kind"].text(), target["name"].text());
}
Json scaled_replicas(const Json& scaler, Time) {
  return scaler.at({"status", "currentReplicas"}).integer();
}

std::string amount(const Json& target, std::string_view kind) {
  const Json& share = target[std::string(kind) + "Utilization"];
  if (share.is_int()) return fmt::format("{}%", share.integer());
  const Json& each = target["averageValue"];
  const Json& value = each.is_null() ? target["value"] : each;
  if (value.is_null()) return "<unknown>";
  return (value.is_string() ? std::string(value.text()) : value.dump()) +
         (each.is_null() || kind.empty() ? "" : " (avg)");
}

// What is measured / what is wanted, of each metric.
Json scaled_targets(const Json& scaler, Time) {
  std::vector<std::string> out;
  for (const Json& metric : scaler.at({"spec", "metrics"}).items()) {
    const std::string_view type = metric["type"].text();
    const char* part = type == "Pods"                ? "pods"
                       : type == "Object"            ? "object"
                       : type == "External"          ? "external"
                       : type == "ContainerResource" ? "containerResource"
                                                     : "resource";
    const Json& wanted = metric[part];
    const std::string name(wanted["name"].text());
    std::string now = "<unknown>";
    for (const Json& seen : scaler.at({"status", "currentMetrics"}).items())
      if (seen["type"] == metric["type"] && seen[part]["name"] == wanted["name"] &&
          seen[part].at({"metric", "name"}) == wanted.at({"metric", "name"}))
        now = amount(seen[part]["current"], "average");
    out.push_back(
        fmt::format("{}{}/{}", name.empty() ? "" : name + ": ", now, amount(wanted["target"], "average")));
  }
  return some(out, "<none>");
}

Json policy_pods(const Json& policy, Time) {
  return or_none(pairs(policy.at({"spec", "podSelector", "matchLabels"})));
}
Json ingress_hosts(const Json& ingress, Time) {
  std::vector<std::string> out;
  for (const Json& rule : ingress.at({"spec", "rules"}).items())
    if (!rule["host"].text().empty()) out.emplace_back(rule["host"].text());
  return some(out, "*");
}
Json ingress_address(const Json& ingress, Time) {
  std::vector<std::string> out;
  for (const Json& one : ingress.at({"status", "loadBalancer", "ingress"}).items())
    out.emplace_back(one["ip"].text(one["hostname"].text()));
  return joined(out);
}
Json ingress_ports(const Json& ingress, Time) {
  return ingress.at({"spec", "tls"}).empty() ? "80" : "80, 443";
}

#define MK_COMPUTED(name) {#name, name}
constexpr ComputedColumn kColumns[] = {
    MK_COMPUTED(template_node_selector),
    MK_COMPUTED(controlled_by),
    MK_COMPUTED(job_status),
    MK_COMPUTED(job_completions),
    MK_COMPUTED(job_duration),
    MK_COMPUTED(cron_suspended),
    MK_COMPUTED(cron_active),
    MK_COMPUTED(cron_last),
    MK_COMPUTED(cron_containers),
    MK_COMPUTED(cron_images),
    MK_COMPUTED(claim_access_modes),
    MK_COMPUTED(volume_access_modes),
    MK_COMPUTED(volume_claim),
    MK_COMPUTED(quota_requests),
    MK_COMPUTED(quota_limits),
    MK_COMPUTED(slice_ports),
    MK_COMPUTED(slice_endpoints),
    MK_COMPUTED(policy_pods),
    MK_COMPUTED(ingress_hosts),
    MK_COMPUTED(ingress_address),
    MK_COMPUTED(ingress_ports),
    MK_COMPUTED(endpoints),
    MK_COMPUTED(scaled_reference),
    MK_COMPUTED(scaled_replicas),
    MK_COMPUTED(scaled_targets),
};
#undef MK_COMPUTED

}  // namespace

std::span<const ComputedColumn> more_columns() {
  return kColumns;
}

}  // namespace mk::kinds
