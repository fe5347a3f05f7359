// Garbage collection, ending namespaces, events and retention.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/format.h"
#include "core/bootstrap.h"
#include "core/limits.h"
#include "core/retention.h"
#include "core/testing/world.h"

using namespace mk;
using namespace mk::core;
using mk::core::testing::TestWorld;

namespace {

std::string child(const TestWorld& w, std::string_view name, std::string_view owner,
                  std::string_view more = "") {
  return fmt::format(
      "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {}, ownerReferences: [{{apiVersion: v1, kind: "
      "ConfigMap, "
      "name: {}, uid: {}, blockOwnerDeletion: true}}{}]}}}}",
      name, owner, w.get("configmaps", owner).at({"metadata", "uid"}).text(), more);
}
constexpr std::string_view kOwner = "{apiVersion: v1, kind: ConfigMap, metadata: {name: o}}";

}  // namespace

TEST_CASE("garbage: background, foreground and orphan, down the whole chain") {
  for (const Propagation how : {Propagation::kBackground, Propagation::kForeground, Propagation::kOrphan}) {
    CAPTURE(static_cast<int>(how));
    TestWorld w;
    w.apply(kOwner);
    w.apply(child(w, "a", "o"));
    w.apply(child(w, "b", "a"));
    w.apply(child(w, "c", "b"));
    w.run_for(1_s);
    w.remove("configmaps", "o", {.propagation = how});
    if (how == Propagation::kForeground)
      CHECK(w.get("configmaps", "o").at({"metadata", "deletionTimestamp"}).is_string());
    w.run_for(30_s);
    CHECK(w.get("configmaps", "o").is_null());
    const bool kept = how == Propagation::kOrphan;
    for (const char* name : {"a", "b", "c"}) CHECK(w.get("configmaps", name).is_null() == !kept);
    if (kept) CHECK(w.get("configmaps", "a").at({"metadata", "ownerReferences"}).empty());
  }
}

TEST_CASE("garbage: one owner left keeps the object; a namesake is no owner; unknown kinds are left alone") {
  TestWorld w;
  w.apply(kOwner);
  w.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: o2}}");
  w.apply(child(w, "a", "o",
                fmt::format(", {{apiVersion: v1, kind: ConfigMap, name: o2, uid: {}}}",
                            w.get("configmaps", "o2").at({"metadata", "uid"}).text())));
  w.apply(child(w, "b", "o"));
  w.apply(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, ownerReferences: [{apiVersion: x.io/v1, kind: "
      "Y, name: y, uid: z}]}}");
  w.run_for(1_s);
  w.remove("configmaps", "o");
  w.apply(kOwner);  // at once again under the same name
  w.run_for(5_s);
  CHECK(w.get("configmaps", "a").at({"metadata", "ownerReferences"}).size() == 1);
  CHECK(w.get("configmaps", "b").is_null());
  CHECK_FALSE(w.get("configmaps", "c").is_null());
}

TEST_CASE("namespaces: everything goes, then the namespace; a Pod of a node is waited for") {
  TestWorld w;
  w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team}}");
  w.apply("{apiVersion: v1, kind: Node, metadata: {name: n}}");
  w.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: team}}");
  w.apply(
      "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: team}, spec: {nodeName: n, containers: "
      "[{name: c, image: i}]}}");
  w.run_for(1_s);
  w.remove("namespaces", "team");
  w.run_for(5_s);
  CHECK(w.get("configmaps", "team/a").is_null());
  CHECK(w.get("namespaces", "team").at({"status", "phase"}).text() == "Terminating");
  CHECK(w.get("pods", "team/p").at({"metadata", "deletionTimestamp"}).is_string());
  w.remove("pods", "team/p", {.grace_period_s = 0});
  w.run_for(5_s);
  CHECK(w.get("namespaces", "team").is_null());
  CHECK(w.get("namespaces", "default").at({"status", "phase"}).text() == "Active");
  CHECK(w.get("namespaces", "kube-system").at({"metadata", "labels", "kubernetes.io/metadata.name"}).text() ==
        "kube-system");
}

TEST_CASE("events: the same counts up, many different ones are combined, long ones are cut") {
  TestWorld w;
  w.apply(kOwner);
  w.run_for(1_s);
  const ObjectRef about = w.objects().get({"configmaps", "default", "o"});
  for (int i = 0; i < 3; ++i) w.writer().event(*about, "Normal", "Made", "made it");
  CHECK(w.events("o") == std::vector<std::string>{"Normal Made: made it (x3)"});
  for (int i = 0; i < 30; ++i) w.writer().event(*about, "Warning", "Odd", fmt::format("odd {}", i));
  const auto events = w.events("o");
  CHECK(events.size() == 1 + limits::kEventMessagesPerReasonMax + 1);
  CHECK(std::ranges::count(events, "Warning Odd: (combined from similar events): odd 29 (x20)") == 1);
  w.writer().event(*about, "Normal", "Long", std::string(5000, 'x'));
  for (const Json& event : w.list("events"))
    CHECK(event["message"].text().size() <= limits::kEventMessageBytesMax);
}

TEST_CASE("retention: old ones go, then the oldest of too many in each namespace") {
  const Time now = Time::from_ms(1'000'000);
  std::vector<Aged> entries;
  for (int i = 0; i < 5; ++i)
    entries.push_back({{"events", "a", std::to_string(i)}, now + Duration::from_seconds(-i)});
  entries.push_back({{"events", "b", "old"}, now + Duration::from_seconds(-100)});
  entries.push_back({{"events", "b", "new"}, now});
  std::string gone;
  for (const Key& key : too_many(entries, now, 60_s, 3)) gone += key.name + " ";
  CHECK(gone == "3 4 old ");

  TestWorld w;
  w.apply(kOwner);
  const ObjectRef about = w.objects().get({"configmaps", "default", "o"});
  w.writer().event(*about, "Normal", "Made", "made it");
  w.apply("{apiVersion: v1, kind: Pod, metadata: {name: done}, spec: {containers: [{name: c, image: i}]}}");
  w.edit_status("pods", "done", [](Json& pod) { pod["status"]["phase"] = "Succeeded"; });
  Retention retention(w.objects(), w.executor());
  retention.start();
  w.run_for(Duration::from_seconds(3500));
  CHECK(w.events("o").size() == 1);
  w.run_for(Duration::from_seconds(200));
  CHECK(w.events("o").empty());
  CHECK_FALSE(w.get("pods", "done").is_null());
  w.run_for(limits::kFinishedPodAgeMax);
  CHECK(w.get("pods", "done").is_null());
}
