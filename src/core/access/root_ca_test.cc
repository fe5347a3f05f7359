#include "core/access/root_ca.h"

#include <doctest/doctest.h>

#include "core/testing/world.h"

namespace mk::core {
namespace {

using testing::TestWorld;

std::string text(const TestWorld& w, std::string_view space) {
  return std::string(
      w.get("configmaps", std::string(space) + "/" + kRootCaName).at({"data", "ca.crt"}).text());
}

TEST_CASE("root ca: every namespace has it, and it stays as it should be") {
  using namespace mk::literals;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const bool cluster_like : {false, true}) {
      CAPTURE(seed);
      TestWorld w({.seed = seed, .cluster_like = cluster_like});
      w.add(root_ca_controller("PEM"));
      w.run_for(5_s);
      w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: team}}");
      w.calm(400_s);
      CHECK(text(w, "default") == "PEM");
      CHECK(text(w, "team") == "PEM");
      w.edit("configmaps", "team/kube-root-ca.crt", [](Json& map) {
        map["data"] = Json::object({{"ca.crt", "mine"}, {"more", "x"}});
        map["immutable"] = true;
      });
      w.remove("configmaps", kRootCaName);
      w.calm(400_s);
      CHECK(w.get("configmaps", "team/kube-root-ca.crt")["data"] == Json::object({{"ca.crt", "PEM"}}));
      CHECK(text(w, "default") == "PEM");
      w.remove("namespaces", "team");
      w.calm(400_s);
      CHECK(w.get("namespaces", "team").is_null());
      CHECK(w.get("configmaps", "team/kube-root-ca.crt").is_null());
    }
  }
}

}  // namespace
}  // namespace mk::core
