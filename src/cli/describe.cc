// modelkit describe KIND NAME: the object in short, why it is not healthy, and its events.
#include "base/encoding.h"
#include "base/format.h"
#include "base/yaml.h"
#include "cli/connection.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "os/clock.h"

namespace mk::cli {
namespace {

std::string age(const Json& stamp) {
  auto time = Time::parse_rfc3339(stamp.text());
  return time ? human_duration(os::system_clock().now() - *time) : "<unknown>";
}

void print_conditions(const Json& object) {
  std::vector<std::vector<std::string>> rows = {{"  CONDITION", "STATUS", "SINCE", "WHY"}};
  for (const Json& c : object.at({"status", "conditions"}).items())
    rows.push_back({"  " + std::string(c["type"].text()), std::string(c["status"].text()), age(c["lastTransitionTime"]),
                    std::string(c["message"].text())});
  if (rows.size() > 1) fmt::print("Conditions:\n{}", align(rows));
}

void print_events(const Json& events) {
  if (events["items"].empty()) {
    fmt::print("Events: none\n");
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"  TYPE", "REASON", "AGE", "COUNT", "MESSAGE"}};
  for (const Json& e : events["items"].items())
    rows.push_back({"  " + std::string(e["type"].text()), std::string(e["reason"].text()), age(e["lastTimestamp"]),
                    fmt::format("{}", e["count"].integer(1)), std::string(e["message"].text())});
  fmt::print("Events:\n{}", align(rows));
}

Result<int> run(const Arguments& arguments) {
  if (arguments.words().size() != 2)
    return fail(Error{Code::kInvalidArgument, "usage", "describe takes a kind and a name"}.with_hint("e.g. modelkit describe isvc wine"));
  MK_TRY(const kinds::Kind* kind, find_kind(arguments.words()[0]));
  MK_TRY(const Connection connection, Connection::open(arguments));
  MK_TRY(Json object, connection.json(net::Method::kGet, object_path(*kind, connection.space(), arguments.words()[1])));
  object["metadata"].erase("managedFields");
  fmt::print("{} {}\n", kind->kind, arguments.words()[1]);
  if (kind->namespaced) fmt::print("Namespace: {}\n", object.at({"metadata", "namespace"}).text());
  fmt::print("Age: {}\n", age(object.at({"metadata", "creationTimestamp"})));
  if (object.contains("spec")) fmt::print("Spec:\n{}", dump_yaml(Json::object({{"  spec", object["spec"]}})).substr(8));
  print_conditions(object);
  MK_TRY(const kinds::Kind* event_kind, find_kind("events"));
  const std::string selector = fmt::format("involvedObject.uid={}", object.at({"metadata", "uid"}).text());
  MK_TRY(const Json events, connection.json(net::Method::kGet, object_path(*event_kind, kind->namespaced ? connection.space() : "default", "") +
                                                                    "?fieldSelector=" + percent_encode(selector)));
  print_events(events);
  return kOk;
}

}  // namespace

Verb describe_verb() {
  return {.name = "describe",
          .usage = "describe KIND NAME",
          .what = "show one object with its conditions and events",
          .options = with_connection({}),
          .run = run};
}

}  // namespace mk::cli
