#include "targets.h"

#include <string>

#include "api/kubernetes/patch.h"
#include "api/kubernetes/protobuf.h"
#include "base/encoding.h"
#include "base/filter.h"
#include "base/json.h"
#include "base/json_path.h"
#include "base/quantity.h"
#include "base/time.h"
#include "base/yaml.h"
#include "blob/blob.h"
#include "core/objects.h"
#include "dataplane/protocols/v2/request.h"

namespace mk::fuzz {
namespace {

// The document that patches change and selectors look at.
const Json& pod() {
  static const Json kPod =
      Json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default",
    "labels":{"app":"web","tier":"front","n":"12"},"annotations":{"a":"b"},"finalizers":["x/y"],
    "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs","uid":"u1","controller":true}]},
    "spec":{"nodeName":"n1","containers":[{"name":"main","image":"a:1","ports":[{"containerPort":80,"protocol":"TCP"}],
    "env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"args":["x","y"]},{"name":"side","image":"b"}],
    "volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k"}]},"status":{"phase":"Running","podIPs":[{"ip":"1.2.3.4"}],
    "conditions":[{"type":"Ready","status":"True"}]}})")
          .value();
  return kPod;
}

// What was read, written and read again is the same.
void round_trip(const Json& value) {
  const std::string text = value.dump();
  const auto again = Json::parse(text, {.bytes_max = SIZE_MAX, .depth_max = 1000, .nodes_max = SIZE_MAX});
  MK_PROMISE(again && again->dump() == text);
}

void json(std::string_view bytes) {
  const auto value = Json::parse(bytes);
  if (value) round_trip(*value);
}

void yaml(std::string_view bytes) {
  const auto documents = parse_yaml(bytes);
  if (!documents) return;
  for (const Json& document : *documents) {
    round_trip(document);
    const std::string text = dump_yaml(document);
    const auto again = parse_yaml(text, {.bytes_max = SIZE_MAX, .depth_max = 1000, .nodes_max = SIZE_MAX});
    MK_PROMISE(again);
    MK_PROMISE(document.is_null() || (again->size() == 1 && again->front().dump() == document.dump()));
  }
}

void json_patch(std::string_view bytes) {
  const auto operations = Json::parse(bytes);
  if (!operations) return;
  const auto patched = api::kubernetes::json_patch(pod(), *operations);
  if (patched) round_trip(*patched);
}

void merge_patch(std::string_view bytes) {
  const auto patch = Json::parse(bytes);
  if (!patch) return;
  const Json once = api::kubernetes::merge_patch(pod(), *patch);
  MK_PROMISE(api::kubernetes::merge_patch(once, *patch) == once);
}

void strategic_patch(std::string_view bytes) {
  const auto patch = Json::parse(bytes);
  if (!patch) return;
  const auto* message = api::kubernetes::message_of_kind("", "Pod");
  MK_PROMISE(message);
  const auto patched = api::kubernetes::strategic_patch(pod(), *patch, *message);
  if (patched) round_trip(*patched);
}

// Labels, then fields after the first line break.
void selector(std::string_view bytes) {
  const size_t cut = bytes.find('\n');
  const auto parsed =
      core::Selector::parse(bytes.substr(0, cut), cut == std::string_view::npos ? "" : bytes.substr(cut + 1));
  if (!parsed) return;
  store::Object object;
  object.key = {"pods", "default", "web"};
  object.body = pod().dump();
  object.labels = {{"app", "web"}, {"n", "12"}, {"tier", "front"}};
  (void)parsed->matches(object);
  const auto value = Json::parse(bytes);
  if (!value) return;
  if (const auto of_object = core::Selector::parse(*value)) (void)of_object->matches(object);
}

void json_path(std::string_view bytes) {
  const auto path = JsonPath::parse(bytes);
  if (!path) return;
  for (const Json* found : path->select(pod())) (void)found->dump();
}

void protobuf(std::string_view bytes) {
  std::string body("k8s\0", 4);
  body += bytes;
  for (const std::string_view input : {bytes, std::string_view(body)})
    if (const auto value = api::kubernetes::decode_protobuf(input)) round_trip(*value);
}

void search_filter(std::string_view bytes) {
  using filter::Kind;
  static const filter::Grammar kGrammar{
      .entities = {{.name = "attribute",
                    .spellings = {"attribute", "attributes", "attr", "run"},
                    .fields = {{.name = "status", .spellings = {"status"}},
                               {.name = "start_time",
                                .spellings = {"start_time", "Created"},
                                .kind = Kind::kNumber,
                                .ops = filter::kNumberOps},
                               {.name = "run_id",
                                .spellings = {"run_id"},
                                .ops = filter::kTextOps | filter::kListOps}}},
                   {.name = "metric",
                    .spellings = {"metric", "metrics"},
                    .fields = {},
                    .kind = Kind::kNumber,
                    .ops = filter::kNumberOps},
                   {.name = "tag",
                    .spellings = {"tag", "tags"},
                    .fields = {},
                    .ops = filter::kTextOps | filter::kPresenceOps}}};
  if (const auto clauses = filter::parse(bytes, kGrammar)) {
    for (const filter::Clause& clause : *clauses) {
      if (clause.column.kind == Kind::kNumber)
        (void)clause.matches(1.5);
      else
        (void)clause.matches(std::string_view("some text, 100 % of it_"));
    }
  }
  (void)filter::parse_order(bytes, kGrammar);
}

// The first byte says where the JSON ends, the second whether the signature is open; then the body.
void v2(std::string_view bytes) {
  using namespace dataplane;
  if (bytes.size() < 2) return;
  static const Signature kTwo{{{"x", DataType::kFp32, {-1, 2}}, {"s", DataType::kBytes, {-1}}},
                              {{"y", DataType::kFp32, {-1}}},
                              false};
  static const Signature kOpen{{}, {}, true};
  std::optional<size_t> json_bytes;
  std::string body(bytes.substr(2));
  const size_t wanted = static_cast<unsigned char>(bytes[0]);
  if (wanted > 0 && wanted <= body.size()) json_bytes = wanted;
  const std::string before = body;
  const auto request = v2::parse_request(body, json_bytes, (bytes[1] & 1) != 0 ? kOpen : kTwo);
  MK_PROMISE(std::string_view(body).substr(0, before.size()) == before);
  if (!request) {
    MK_PROMISE(request.error().code == Code::kInvalidArgument || request.error().code == Code::kTooLarge);
    return;
  }
  for (const Tensor& tensor : request->inputs)
    for (const int64_t size : tensor.shape) MK_PROMISE(size >= 0);
}

// Short notations: what is read is written in a form that is read as the same.
void notations(std::string_view bytes) {
  (void)parse_duration(bytes);
  if (const auto time = Time::parse_rfc3339(bytes)) {
    const auto again = Time::parse_rfc3339(time->rfc3339());  // the furthest times stay the furthest
    MK_PROMISE(again && again->nanoseconds / 1'000'000'000 == time->nanoseconds / 1'000'000'000);
  }
  (void)Quantity::parse(bytes);
  if (const auto path = blob::Path::parse(bytes)) {
    const std::string& text = path->text();
    MK_PROMISE(text.find("..") == std::string::npos || ("/" + text + "/").find("/../") == std::string::npos);
    MK_PROMISE(!text.starts_with('/') && text.find('\0') == std::string::npos &&
               text.find('\\') == std::string::npos);
  }
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> kTargets = {
      {"json", json},
      {"yaml", yaml},
      {"json_patch", json_patch},
      {"merge_patch", merge_patch},
      {"strategic_patch", strategic_patch},
      {"selector", selector},
      {"json_path", json_path},
      {"protobuf", protobuf},
      {"filter", search_filter},
      {"http", http},
      {"v2", v2},
      {"notations", notations},
  };
  return kTargets;
}

}  // namespace mk::fuzz
