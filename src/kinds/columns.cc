#include "kinds/columns.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/format.h"
#include "base/json_path.h"
#include "base/json_text.h"
#include "kinds/more_columns.h"

namespace mk::kinds {
namespace {

std::string age(std::string_view time, Time now) {
  const auto at = Time::parse_rfc3339(time);
  return at ? human_duration(now - *at) : "<unknown>";
}

std::string joined(const Json& list, std::string_view field) {
  std::string out;
  for (const Json& item : list.items()) {
    if (!out.empty()) out += ',';
    out += item[field].text();
  }
  return out;
}

Json or_none(std::string text) {
  return text.empty() ? Json("<none>") : Json(std::move(text));
}

// ---- pods
// ------------------------------------------------------------------------------------------------------

Json pod_ready(const Json& pod, Time) {
  int64_t ready = 0;
  for (const Json& status : pod.at({"status", "containerStatuses"}).items())
    ready += status["ready"].boolean();
  return fmt::format("{}/{}", ready, pod.at({"spec", "containers"}).size());
}

// Why a container ended, in one word: its reason, else its signal or exit code.
std::string ended(const Json& terminated) {
  if (!terminated["reason"].text().empty()) return std::string(terminated["reason"].text());
  if (terminated["signal"].integer()) return fmt::format("Signal:{}", terminated["signal"].integer());
  return fmt::format("ExitCode:{}", terminated["exitCode"].integer());
}

// "Init:1/2", "Init:Error" while init containers hold the Pod back; empty when they are through.
std::string init_status(const Json& pod) {
  const size_t total = pod.at({"spec", "initContainers"}).size();
  size_t done = 0;
  for (const Json& status : pod.at({"status", "initContainerStatuses"}).items()) {
    const Json& state = status["state"];
    if (const Json* terminated = state.find("terminated")) {
      if ((*terminated)["exitCode"].integer() != 0) return "Init:" + ended(*terminated);
      ++done;
      continue;
    }
    const std::string_view waiting = state.at({"waiting", "reason"}).text();
    if (!waiting.empty() && waiting != "PodInitializing") return fmt::format("Init:{}", waiting);
    return fmt::format("Init:{}/{}", done, total);
  }
  return {};
}

Json pod_status(const Json& pod, Time) {
  const Json& status = pod["status"];
  std::string text(status["reason"].text(status["phase"].text("Pending")));
  if (const std::string init = init_status(pod); !init.empty()) {
    text = init;
  } else {
    bool running = false;
    const auto& containers = status["containerStatuses"].items();
    for (auto it = containers.rbegin(); it != containers.rend(); ++it) {
      const Json& state = (*it)["state"];
      if (const std::string_view waiting = state.at({"waiting", "reason"}).text(); !waiting.empty())
        text = waiting;
      else if (const Json* terminated = state.find("terminated"))
        text = ended(*terminated);
      else if ((*it)["ready"].boolean() && state.contains("running"))
        running = true;
    }
    if (text == "Completed" && running) text = "Running";
  }
  if (!pod.at({"metadata", "deletionTimestamp"}).is_null() && status["phase"].text() != "Succeeded" &&
      status["phase"].text() != "Failed")
    text = "Terminating";
  return text;
}

Json pod_restarts(const Json& pod, Time now) {
  int64_t restarts = 0;
  Time last;
  for (const Json& status : pod.at({"status", "containerStatuses"}).items()) {
    restarts += status["restartCount"].integer();
    if (auto at = Time::parse_rfc3339(status.at({"lastState", "terminated", "finishedAt"}).text()))
      last = std::max(last, *at);
  }
  if (restarts == 0 || !last.is_set()) return std::to_string(restarts);
  return fmt::format("{} ({} ago)", restarts, human_duration(now - last));
}

Json pod_gates(const Json& pod, Time) {
  const Json& gates = pod.at({"spec", "readinessGates"});
  if (gates.empty()) return "<none>";
  size_t open = 0;
  for (const Json& gate : gates.items())
    for (const Json& condition : pod.at({"status", "conditions"}).items())
      open += condition["type"] == gate["conditionType"] && condition["status"].text() == "True";
  return fmt::format("{}/{}", open, gates.size());
}

// ---- what owns Pods
// --------------------------------------------------------------------------------------------

Json replicas_ready(const Json& object, Time) {
  return fmt::format("{}/{}", object.at({"status", "readyReplicas"}).integer(),
                     object.at({"spec", "replicas"}).integer(1));
}
Json replicas_updated(const Json& object, Time) {
  return object.at({"status", "updatedReplicas"}).integer();
}
Json replicas_available(const Json& object, Time) {
  return object.at({"status", "availableReplicas"}).integer();
}
Json replicas_wanted(const Json& object, Time) {
  return object.at({"spec", "replicas"}).integer(1);
}
Json replicas_current(const Json& object, Time) {
  return object.at({"status", "replicas"}).integer();
}
Json replicas_ready_count(const Json& object, Time) {
  return object.at({"status", "readyReplicas"}).integer();
}
Json template_containers(const Json& object, Time) {
  return joined(object.at({"spec", "template", "spec", "containers"}), "name");
}
Json template_images(const Json& object, Time) {
  return joined(object.at({"spec", "template", "spec", "containers"}), "image");
}

std::string pairs(const Json& map) {
  std::string out;
  for (const auto& [key, value] : map.members())
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", key, value.text());
  return out;
}

Json label_selector(const Json& object, Time) {
  const Json& selector = object.at({"spec", "selector"});
  std::string out = pairs(selector["matchLabels"]);
  for (const Json& rule : selector["matchExpressions"].items()) {
    if (!out.empty()) out += ',';
    std::string values;
    for (const Json& value : rule["values"].items())
      values += (values.empty() ? "" : ",") + std::string(value.text());
    const std::string_view op = rule["operator"].text();
    const std::string_view key = rule["key"].text();
    if (op == "Exists")
      out += key;
    else if (op == "DoesNotExist")
      out += fmt::format("!{}", key);
    else
      out += fmt::format("{} {} ({})", key, op == "In" ? "in" : "notin", values);
  }
  return or_none(std::move(out));
}

// ---- other core kinds
// ------------------------------------------------------------------------------------------

Json data_count(const Json& object, Time) {
  return static_cast<int64_t>(object["data"].size() + object["binaryData"].size());
}
Json data_count_of_text(std::string_view object) {
  return static_cast<int64_t>(count_members(member_text(object, "data")) +
                              count_members(member_text(object, "binaryData")));
}

// ---- RBAC

Json role_ref(const Json& binding, Time) {
  const Json& role = binding["roleRef"];
  return fmt::format("{}/{}", role["kind"].text(), role["name"].text());
}

std::string subjects_of(const Json& binding, std::string_view kind) {
  std::string out;
  for (const Json& subject : binding["subjects"].items()) {
    if (subject["kind"].text() != kind) continue;
    if (!out.empty()) out += ", ";
    if (const std::string_view space = subject["namespace"].text(); !space.empty()) out += fmt::format("{}/", space);
    out += subject["name"].text();
  }
  return out;
}
Json subject_users(const Json& binding, Time) {
  return subjects_of(binding, "User");
}
Json subject_groups(const Json& binding, Time) {
  return subjects_of(binding, "Group");
}
Json subject_accounts(const Json& binding, Time) {
  return subjects_of(binding, "ServiceAccount");
}


Json node_status(const Json& node, Time) {
  std::string text = "Unknown";
  for (const Json& condition : node.at({"status", "conditions"}).items())
    if (condition["type"].text() == "Ready")
      text = condition["status"].text() == "True" ? "Ready" : "NotReady";
  if (node.at({"spec", "unschedulable"}).boolean()) text += ",SchedulingDisabled";
  return text;
}

Json node_roles(const Json& node, Time) {
  static constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::string out;
  for (const auto& [key, value] : node.at({"metadata", "labels"}).members())
    if (key.starts_with(kPrefix) && key.size() > kPrefix.size())
      out += (out.empty() ? "" : ",") + key.substr(kPrefix.size());
  return or_none(std::move(out));
}

Json service_cluster_ip(const Json& service, Time) {
  return or_none(std::string(service.at({"spec", "clusterIP"}).text()));
}

Json service_external_ip(const Json& service, Time) {
  const Json& spec = service["spec"];
  if (spec["type"].text() == "ExternalName") return spec["externalName"];
  std::string out;
  for (const Json& ip : spec["externalIPs"].items()) out += (out.empty() ? "" : ",") + std::string(ip.text());
  if (spec["type"].text() != "LoadBalancer") return or_none(std::move(out));
  const std::string assigned = joined(service.at({"status", "loadBalancer", "ingress"}), "ip");
  if (!assigned.empty()) out += (out.empty() ? "" : ",") + assigned;
  return out.empty() ? Json("<pending>") : Json(out);
}

Json service_ports(const Json& service, Time) {
  std::string out;
  for (const Json& port : service.at({"spec", "ports"}).items()) {
    if (!out.empty()) out += ',';
    out += std::to_string(port["port"].integer());
    if (port["nodePort"].integer()) out += fmt::format(":{}", port["nodePort"].integer());
    out += fmt::format("/{}", port["protocol"].text("TCP"));
  }
  return or_none(std::move(out));
}

Json service_selector(const Json& service, Time) {
  return or_none(pairs(service.at({"spec", "selector"})));
}

// ---- events
// ----------------------------------------------------------------------------------------------------

const Json& event_first(const Json& event) {
  return event["firstTimestamp"].is_string() ? event["firstTimestamp"]
         : event["eventTime"].is_string()    ? event["eventTime"]
                                             : event.at({"metadata", "creationTimestamp"});
}

Json event_first_seen(const Json& event, Time now) {
  return age(event_first(event).text(), now);
}

int64_t times_seen(const Json& event) {
  return event.contains("series") ? event.at({"series", "count"}).integer(1) : event["count"].integer(1);
}

Json event_last_seen(const Json& event, Time now) {
  const Json& series = event.at({"series", "lastObservedTime"});
  const Json& last = series.is_string() ? series : event["lastTimestamp"];
  const std::string seen = age((last.is_string() ? last : event_first(event)).text(), now);
  return seen;
}

Json event_object(const Json& event, Time) {
  std::string kind(event.at({"involvedObject", "kind"}).text());
  std::ranges::transform(kind, kind.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return fmt::format("{}/{}", kind, event.at({"involvedObject", "name"}).text());
}

Json event_source(const Json& event, Time) {
  std::string out(event.at({"source", "component"}).text(event["reportingComponent"].text()));
  if (const std::string_view host = event.at({"source", "host"}).text(); !host.empty())
    out += fmt::format(", {}", host);
  return out;
}

Json event_message(const Json& event, Time) {
  std::string text(event["message"].text());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Json event_count(const Json& event, Time) {
  return times_seen(event);
}

#define MK_COMPUTED(name) {#name, name}
constexpr ComputedColumn kComputed[] = {
    MK_COMPUTED(pod_ready),           MK_COMPUTED(pod_status),
    MK_COMPUTED(pod_restarts),        MK_COMPUTED(pod_gates),
    MK_COMPUTED(replicas_ready),      MK_COMPUTED(replicas_updated),
    MK_COMPUTED(replicas_available),  MK_COMPUTED(replicas_wanted),
    MK_COMPUTED(replicas_current),    MK_COMPUTED(replicas_ready_count),
    MK_COMPUTED(template_containers), MK_COMPUTED(template_images),
    MK_COMPUTED(label_selector),      {"data_count", data_count, data_count_of_text},
    MK_COMPUTED(role_ref),            MK_COMPUTED(subject_users),
    MK_COMPUTED(subject_groups),      MK_COMPUTED(subject_accounts),
    MK_COMPUTED(node_status),         MK_COMPUTED(node_roles),
    MK_COMPUTED(service_cluster_ip),  MK_COMPUTED(service_external_ip),
    MK_COMPUTED(service_ports),       MK_COMPUTED(service_selector),
    MK_COMPUTED(event_first_seen),    MK_COMPUTED(event_last_seen),
    MK_COMPUTED(event_object),        MK_COMPUTED(event_source),
    MK_COMPUTED(event_message),       MK_COMPUTED(event_count),
};
#undef MK_COMPUTED

std::string print(const std::vector<const Json*>& values) {
  std::string out;
  for (const Json* value : values) {
    if (!out.empty()) out += ' ';
    if (value->is_string())
      out += value->text();
    else
      value->dump_to(out);
  }
  return out;
}

const ComputedColumn& computed(std::string_view name) {
  if (const auto* row = std::ranges::find(kComputed, name, &ComputedColumn::name); row != std::end(kComputed))
    return *row;
  const auto more = more_columns();
  const auto row = std::ranges::find(more, name, &ComputedColumn::name);
  MK_CHECK(row != more.end());
  return *row;
}

// Paths are few and each is asked for once a row. Null: it is none.
const JsonPath* parsed_path(const std::string& text) {
  constexpr size_t kPathsKept = 1024;  // by each thread
  thread_local std::unordered_map<std::string, std::optional<JsonPath>> kept;
  auto at = kept.find(text);
  if (at == kept.end()) {
    if (kept.size() >= kPathsKept) kept.clear();
    auto path = JsonPath::parse(text);
    at = kept.emplace(text, path ? std::optional(*std::move(path)) : std::nullopt).first;
  }
  return at->second ? &*at->second : nullptr;
}

// Whether the path is nothing but names: ".metadata.name".
bool is_plain_path(std::string_view path) {
  const auto is_odd = [](char c) { return c == '[' || c == '*' || c == '"' || c == '\\' || (c >= 0 && c < ' '); };
  return path.starts_with('.') && std::ranges::none_of(path, is_odd) && path.find("..") == std::string_view::npos &&
         !path.ends_with('.');
}

// The text of the value that a plain path leads to; empty when there is none.
std::string_view value_at(const PrintedObject& whole, std::string_view path) {
  constexpr std::string_view kMetadata = ".metadata.";
  std::string_view object = whole.text();
  if (path.starts_with(kMetadata)) {
    path.remove_prefix(kMetadata.size());
    const size_t end = std::min(path.find('.'), path.size());
    object = whole.metadata()[path.substr(0, end)];
    path.remove_prefix(end);
  }
  while (!path.empty() && !object.empty()) {
    path.remove_prefix(1);  // the dot
    const size_t end = std::min(path.find('.'), path.size());
    object = member_text(object, path.substr(0, end));
    path.remove_prefix(end);
  }
  return object;
}

// False when the general way has to be gone.
bool append_plain_cell(std::string& out, const Column& column, const PrintedObject& object, Time now) {
  const std::string_view value = value_at(object, column.json_path);
  if (value.empty() || value == "null" || value == "\"\"") {
    (column.if_missing.empty() ? Json() : Json(column.if_missing)).dump_to(out);
    return true;
  }
  if (column.type == "date") {
    const auto time = plain_text(value);
    if (time) append_json_string(out, age(*time, now));
    return time.has_value();
  }
  if (column.type == "integer" || column.type == "boolean") return false;
  if (value.starts_with('"'))
    out += value;
  else
    append_json_string(out, value);
  return true;
}

}  // namespace

Json cell(const Column& column, const Json& object, Time now) {
  if (!column.computed.empty()) return computed(column.computed).of(object, now);
  const JsonPath* path = parsed_path(column.json_path);
  if (!path) return {};  // admission refuses such a column, and a test reads our own
  const auto values = path->select(object);
  if (values.empty() || values.front()->is_null() ||
      (values.front()->is_string() && values.front()->text().empty()))
    return column.if_missing.empty() ? Json() : Json(column.if_missing);
  if (column.type == "date") return age(values.front()->text(), now);
  if (column.type == "integer") return values.front()->integer();
  if (column.type == "boolean" && values.front()->is_bool()) return values.front()->boolean();
  return print(values);
}

const Members& PrintedObject::metadata() const {
  if (!metadata_) metadata_ = members_of(text_, "metadata");
  return *metadata_;
}

const Json& PrintedObject::json() const {
  if (!json_) {
    auto parsed =
        Json::parse(text_, {.bytes_max = text_.size() + 1, .depth_max = 128, .nodes_max = SIZE_MAX});
    MK_CHECK(parsed.has_value());  // we printed it
    json_ = *std::move(parsed);
  }
  return *json_;
}

void append_cell(std::string& out, const Column& column, const PrintedObject& object, Time now) {
  if (!column.computed.empty()) {
    const ComputedColumn& how = computed(column.computed);
    return (how.of_text ? how.of_text(object.text()) : how.of(object.json(), now)).dump_to(out);
  }
  if (is_plain_path(column.json_path) && append_plain_cell(out, column, object, now)) return;
  cell(column, object.json(), now).dump_to(out);
}

}  // namespace mk::kinds
