#include "api/mlflow/batch_reader.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace mk;
using namespace mk::api::mlflow;

namespace {

net::Request post(std::string body) {
  net::Request request;
  request.method = net::Method::kPost;
  request.target = "/api/2.0/mlflow/runs/log-batch";
  request.body = std::move(body);
  return request;
}

std::string text_of(const Result<tracking::Batch>& batch) {
  if (!batch) return batch.error().message;
  std::string out = batch->run_id + ":";
  for (const auto& series : batch->metrics) {
    out += " " + series.key + "[";
    for (const auto& p : series.points)
      out +=
          std::to_string(p.value) + "@" + std::to_string(p.step) + "/" + std::to_string(p.timestamp_ms) + " ";
    out += "]";
  }
  for (const auto& p : batch->params) out += " " + p.key + "=" + p.value;
  for (const auto& t : batch->tags) out += " #" + t.key + "=" + t.value;
  return out;
}

std::string slow(const std::string& body) {
  auto arguments = Arguments::read(post(body));
  return arguments ? text_of(read_log_batch(*arguments)) : arguments.error().message;
}
std::string fast(const std::string& body) {
  auto request = post(body);
  return text_of(read_log_batch(request));
}

}  // namespace

TEST_CASE("batch: the plain and the slow way read the same") {
  for (
      const char* body :
      {R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":2,"step":3},{"key":"b","value":0.5,"timestamp":2},
            {"key":"a","value":-2e3,"timestamp":4,"step":-1}],"params":[{"key":"p","value":"1"}],"tags":[{"key":"t","value":""}]})",
       R"({"run_id":"r"})",
       R"({"run_id":"r","metrics":[]})",
       R"({"run_uuid":"r","tags":[{"key":"\u00e4\n","value":"\"x\""}]})",
       R"({"run_id":"r","metrics":[{"key":"a","value":"NaN","timestamp":"5","step":"7"}]})",
       R"({"run_id":"r","metrics":[{"key":"a","value":"Infinity","timestamp":5.0}]})",
       R"({"run_id":"r","metrics":null,"unknown":{"x":[1]}})",
       R"({"run_id":"r","params":[{"key":"p"}]})",
       R"({"metrics":[]})",
       R"({"run_id":5})",
       R"({"run_id":"r","metrics":[{"key":"a","value":true,"timestamp":1}]})",
       R"({"run_id":"r","metrics":[{"key":"a","timestamp":1}]})",
       R"({"run_id":"r","metrics":{"key":"a"}})",
       R"({"run_id":"r","metrics":[1]})",
       R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":1.5}]})",
       R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":99999999999999999999}]})",
       R"({"run_id":"r","run_id":"s"})",
       R"([])",
       R"(5)",
       "",
       "{",
       R"({"run_id":"r"} x)",
       R"({"run_id":"r"}{})",
       "{\"run_id\":\"\xff\"}",
       R"({"run_id":"r","tags":[{"key":"t","value":5}]})"}) {
    CAPTURE(body);
    CHECK(fast(body) == slow(body));
  }
}

TEST_CASE("batch: errors name the field") {
  CHECK(
      fast(
          R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":1},{"key":"a","value":"x","timestamp":1}]})") ==
      "the value of 'metrics[1].value' must be a number, not \"x\"");
  CHECK(fast(R"({"run_id":"r","params":[{"value":"x"}]})") == "the parameter 'params[0].key' is missing");
  CHECK(fast(R"({"run_id":"r","tags":"x"})") == "the value of 'tags' must be a list of objects, not \"x\"");
}

TEST_CASE("batch: a thousand keys, and every cut of a body") {
  std::string body = R"({"run_id":"r","metrics":[)";
  for (int i = 0; i < 1000; ++i)
    body += (i ? "," : "") + std::string("{\"key\":\"k") + std::to_string(i % 500) +
            "\",\"value\":1,\"timestamp\":1}";
  body += "]}";
  auto request = post(body);
  auto batch = read_log_batch(request);
  REQUIRE(batch);
  CHECK(batch->metrics.size() == 500);
  CHECK(batch->metrics[499].points.size() == 2);
  const std::string small =
      R"({"run_id":"r","metrics":[{"key":"a","value":1,"timestamp":2,"step":3}],"tags":[{"key":"t","value":"v"}]})";
  for (size_t i = 0; i < small.size(); ++i) CHECK(fast(small.substr(0, i)) == slow(small.substr(0, i)));
}

TEST_CASE("batch: log-metric with a model goes to the model too") {
  auto request = post(
      R"({"run_id":"r","run_uuid":"r","key":"a","value":1,"timestamp":2,"step":3,"model_id":"m-1","dataset_name":"d"})");
  auto batch = read_log_metric(request);
  REQUIRE(batch);
  REQUIRE(batch->model_metrics.size() == 1);
  CHECK(batch->model_metrics[0].model_id == "m-1");
  CHECK(batch->model_metrics[0].dataset_name == "d");
  auto plain = post(R"({"run_id":"r","run_uuid":"r","key":"a","value":1,"timestamp":2,"step":3})");
  CHECK(text_of(read_log_metric(plain)) == "r: a[1.000000@3/2 ]");
}
