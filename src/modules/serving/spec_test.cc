#include "modules/serving/spec.h"

#include <doctest/doctest.h>

#include "base/format.h"

using namespace mk;
using namespace mk::serving;

namespace {

// A variable of the container that a model with these fields gets, or "-".
std::string variable_of(std::string_view name, std::string_view fields) {
  const auto service = Json::parse(fmt::format(
      R"({{"apiVersion":"serving.kserve.io/v1beta1","kind":"InferenceService","metadata":{{"name":"wine","namespace":"default"}},
          "spec":{{"predictor":{{"model":{{"modelFormat":{{"name":"mlflow"}},"storageUri":"models:/wine/1"{}}}}}}}}})",
      fields));
  REQUIRE(service);
  const auto wanted = read_wanted(*service);
  REQUIRE(wanted);
  const Json deployment = deployment_for(*service, *wanted, 1, {});
  std::string found = "-";
  for (const Json& variable : deployment.at({"spec", "template", "spec", "containers"})[0]["env"].items())
    if (variable["name"].text() == name) found = (found == "-" ? "" : found + " ") + std::string(variable["value"].text());
  return found;
}

}  // namespace

TEST_CASE("serving: a limit of processors bounds the Python workers and the threads, unless the model says how many") {
  const struct {
    std::string_view fields, workers, threads;
  } cases[] = {
      {"", "-", "-"},
      {R"(,"resources":{"limits":{"memory":"1Gi"}})", "-", "-"},
      {R"(,"resources":{"limits":{"cpu":"500m"}})", "1", "1"},
      {R"(,"resources":{"limits":{"cpu":"1500m"}})", "2", "1"},
      {R"(,"resources":{"limits":{"cpu":3}})", "3", "3"},
      {R"(,"resources":{"limits":{"cpu":"1000"}})", "64", "4"},
      {R"(,"resources":{"limits":{"cpu":"3"}},"env":[{"name":"MLSERVER_PARALLEL_WORKERS","value":"8"}])", "8", "3"},
      {R"(,"resources":{"limits":{"cpu":"3"}},"env":[{"name":"MODELKIT_THREADS","value":"2"}])", "3", "2"},
  };
  for (const auto& c : cases) {
    CHECK_MESSAGE(variable_of("MLSERVER_PARALLEL_WORKERS", c.fields) == c.workers, c.fields);
    CHECK_MESSAGE(variable_of("MODELKIT_THREADS", c.fields) == c.threads, c.fields);
  }
}
