#include "kinds/kind.h"

#include <doctest/doctest.h>

#include <set>

#include "kinds/columns.h"

using mk::Json;
using mk::Time;
namespace kinds = mk::kinds;

namespace {

void check_schema(const Json& schema, const std::string& where) {
  if (const Json* name = schema.find("$ref")) {
    CHECK_MESSAGE(kinds::schema_definitions().contains(name->text()), where, " names ", name->text());
    return;
  }
  CHECK_MESSAGE(!schema.contains("x-inline"), where);
  for (const auto& [field, part] : schema["properties"].members()) check_schema(part, where + "." + field);
  for (const Json& field : schema["required"].items())
    CHECK_MESSAGE(schema["properties"].contains(field.text()), where, " requires ", field.text());
  if (schema.contains("items")) check_schema(schema["items"], where + "[]");
  if (schema["additionalProperties"].is_object()) check_schema(schema["additionalProperties"], where + "{}");
}

}  // namespace

TEST_CASE("kinds: every schema resolves and every column computes") {
  std::set<std::string> names;
  for (const kinds::Kind& kind : kinds::all()) {
    CAPTURE(kind.kind);
    CHECK(names.insert(kind.resource()).second);
    CHECK_FALSE(kind.versions.empty());
    check_schema(kind.schema, kind.kind);
    if (kind.status_subresource) CHECK(kind.schema["properties"].contains("status"));
    for (const auto& column : kind.columns) {
      CAPTURE(column.name);
      CHECK(column.computed.empty() != column.json_path.empty());
      const Json empty = Json::object();
      std::string printed;
      kinds::append_cell(printed, column, kinds::PrintedObject("{}"), Time::from_ms(1));
      CHECK(printed == kinds::cell(column, empty, Time::from_ms(1)).dump());
    }
  }
  for (const auto& [name, schema] : kinds::schema_definitions().members()) check_schema(schema, name);
}

TEST_CASE("kinds: found by what people and protocols write") {
  REQUIRE(kinds::find_typed("isvc"));
  CHECK(kinds::find_typed("isvc")->kind == "InferenceService");
  for (const char* word :
       {"deploy", "Deployment", "deployments", "deployments.apps", "deployments.v1.apps"}) {
    CAPTURE(word);
    REQUIRE(kinds::find_typed(word));
    CHECK(kinds::find_typed(word)->plural == "deployments");
  }
  CHECK_FALSE(kinds::find_typed("deployments.batch"));
  CHECK_FALSE(kinds::find_typed("unicorns"));
  CHECK(kinds::find_resource("inferenceservices.serving.kserve.io"));
  CHECK(kinds::find_kind_of(Json::object({{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}})));
  CHECK_FALSE(kinds::find_kind_of(Json::object({{"apiVersion", "apps/v2"}, {"kind", "ReplicaSet"}})));
  CHECK(kinds::find_kind_of(Json::object({{"apiVersion", "v1"}, {"kind", "Pod"}}))->api_version() == "v1");
}

TEST_CASE("kinds: columns print what kubectl users expect") {
  struct Case {
    const char* kind;
    const char* object;
    std::vector<std::string> cells;
  };
  const Case cases[] = {
      {"Pod",
       R"({"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"containers":[{"name":"x"},{"name":"y"}],"nodeName":"n1"},
        "status":{"phase":"Running","containerStatuses":[{"name":"x","ready":true,"restartCount":0,"state":{"running":{}}},
          {"name":"y","ready":false,"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},
           "lastState":{"terminated":{"finishedAt":"2026-01-01T00:04:00Z"}}}]}})",
       {"a", "1/2", "CrashLoopBackOff", "3 (60s ago)", "5m", "<none>", "n1", "<none>", "<none>"}},
      {"Pod",
       R"({"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z","deletionTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"containers":[{"name":"x"}]},"status":{"phase":"Pending"}})",
       {"a", "0/1", "Terminating", "0", "5m", "<none>", "<none>", "<none>", "<none>"}},
      {"Pod",
       R"({"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"containers":[{"name":"x"}],"initContainers":[{"name":"i"},{"name":"j"}]},
        "status":{"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":0}}},{"state":{"running":{}}}]}})",
       {"a", "0/1", "Init:1/2", "0", "5m", "<none>", "<none>", "<none>", "<none>"}},
      {"Deployment",
       R"({"metadata":{"name":"web","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},
          "template":{"spec":{"containers":[{"name":"c","image":"i:1"},{"name":"d","image":"j"}]}}},
        "status":{"readyReplicas":1,"updatedReplicas":2,"availableReplicas":1}})",
       {"web", "1/3", "2", "1", "5m", "c,d", "i:1,j", "app=web"}},
      {"InferenceService",
       R"({"metadata":{"name":"wine","creationTimestamp":"2026-01-01T00:00:00Z"},
        "status":{"url":"http://wine","conditions":[{"type":"Ready","status":"True"}],
          "components":{"predictor":{"traffic":[{"latestRevision":true,"percent":10,"revisionName":"r2"},
            {"tag":"prev","percent":90,"revisionName":"r1"}]}}}})",
       {"wine", "http://wine", "True", "90", "10", "r1", "r2", "5m"}},
      {"Service",
       R"({"metadata":{"name":"s","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"type":"ClusterIP","ports":[{"port":80},{"port":53,"protocol":"UDP"}],"selector":{"a":"b"}}})",
       {"s", "ClusterIP", "<none>", "<none>", "80/TCP,53/UDP", "5m", "a=b"}},
      {"Event",
       R"({"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p"},"type":"Warning","reason":"R",
        "message":"m\n","count":4,"firstTimestamp":"2026-01-01T00:00:00Z","lastTimestamp":"2026-01-01T00:04:30Z",
        "source":{"component":"node","host":"n1"}})",
       {"30s", "Warning", "R", "pod/p", "null", "node, n1", "m", "5m", "4", "e"}},
      {"ConfigMap",
       R"({"metadata":{"name":"c","creationTimestamp":"2026-01-01T00:00:00Z"},
        "data":{"a\"{":"}\\\"","b":""},"binaryData":{"c":"AA=="}})",
       {"c", "3", "5m"}},
      {"ConfigMap",
       R"({"metadata":{"name":"","creationTimestamp":"soon"},"data":null})",
       {"null", "0", "<unknown>"}},
      {"Job",
       R"({"metadata":{"name":"j","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"completions":3,"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}},
        "status":{"succeeded":2,"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:01:30Z",
          "conditions":[{"type":"Complete","status":"True"}]}})",
       {"j", "Complete", "2/3", "90s", "5m", "c", "i", "a=b"}},
      {"CronJob",
       R"({"metadata":{"name":"c","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"x","image":"i"}]}}}}},
        "status":{"active":[{}],"lastScheduleTime":"2026-01-01T00:04:00Z"}})",
       {"c", "* * * * *", "<none>", "False", "1", "60s", "5m", "x", "i"}},
      {"PersistentVolumeClaim",
       R"({"metadata":{"name":"p","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"volumeName":"v","storageClassName":"local","volumeMode":"Filesystem"},
        "status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteMany","ReadWriteOnce"]}})",
       {"p", "Bound", "v", "1Gi", "RWO,RWX", "local", "<unset>", "5m", "Filesystem"}},
      {"ResourceQuota",
       R"({"metadata":{"name":"q","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"hard":{"pods":"4","limits.cpu":"2"}},"status":{"hard":{"pods":"4","limits.cpu":"2"},"used":{"pods":"1"}}})",
       {"q", "pods: 1/4", "limits.cpu: 0/2", "5m"}},
      {"EndpointSlice",
       R"({"metadata":{"name":"e","creationTimestamp":"2026-01-01T00:00:00Z"},"addressType":"IPv4",
        "ports":[{"port":80}],"endpoints":[{"addresses":["a"]},{"addresses":["b"]},{"addresses":["c"]},{"addresses":["d"]}]})",
       {"e", "IPv4", "80", "a,b,c + 1 more...", "5m"}},
      {"ClusterServingRuntime",
       R"({"metadata":{"name":"r","creationTimestamp":"2026-01-01T00:00:00Z"},
        "spec":{"disabled":true,"supportedModelFormats":[{"name":"onnx"},{"name":"sklearn"}],"containers":[{"name":"c"}]}})",
       {"r", "true", "onnx sklearn", "c", "5m"}},
  };
  const Time now = Time::parse_rfc3339("2026-01-01T00:05:00Z").value();
  for (const Case& c : cases) {
    CAPTURE(c.kind);
    const kinds::Kind* kind = kinds::find_typed(c.kind);
    REQUIRE(kind);
    const Json object = Json::parse(c.object).value();
    std::vector<std::string> cells;
    for (const auto& column : kind->columns) {
      const Json value = kinds::cell(column, object, now);
      const std::string text = object.dump();
      std::string printed;
      kinds::append_cell(printed, column, kinds::PrintedObject(text), now);
      CHECK(printed == value.dump());
      cells.emplace_back(value.is_string() ? std::string(value.text()) : value.dump());
    }
    CHECK(cells == c.cells);
  }
}
