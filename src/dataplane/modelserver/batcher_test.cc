#include "dataplane/modelserver/batcher.h"

#include <doctest/doctest.h>

#include <cstring>

#include "dataplane/engines/join.h"
#include "dataplane/modelserver/limits.h"

namespace mk::dataplane {
namespace {

Tensor row_tensor(std::string name, std::vector<float> values, int64_t rows) {
  Tensor t{std::move(name), DataType::kFp32, {rows, static_cast<int64_t>(values.size()) / std::max<int64_t>(rows, 1)},
           Buffer(values.size() * 4), {}};
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

// Doubles its input; fails when a value is negative; counts its runs and the rows of each.
class Doubler final : public Engine {
 public:
  const Signature& signature() const override { return signature_; }
  std::string_view platform() const override { return "test"; }
  bool batches() const override { return true; }
  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, Duration) override {
    rows.push_back(inputs[0].shape[0]);
    for (const float v : inputs[0].as<float>())
      if (v < 0) return invalid("negative");
    std::vector<Tensor> out;
    out.push_back(inputs[0].clone());
    out[0].name = "y";
    for (float& v : out[0].as<float>()) v *= 2;
    return out;
  }
  std::vector<int64_t> rows;

 private:
  Signature signature_;
};

struct Bench {
  Doubler engine;
  std::vector<os::Task> tasks;
  std::unique_ptr<Batcher> batcher;
  std::vector<std::string> results;

  explicit Bench(int64_t rows_max = 4) {
    Batcher::Options options{.post = [this](os::Task task) { tasks.push_back(std::move(task)); }, .rows_max = rows_max};
    batcher = std::make_unique<Batcher>(engine, options);
  }
  void ask(std::vector<float> values, int64_t rows) {
    Job job;
    job.inputs.push_back(row_tensor("x", std::move(values), rows));
    const size_t index = results.size();
    results.emplace_back();
    job.done = [this, index](Result<std::vector<Tensor>> outputs) {
      std::string& text = results[index];
      if (!outputs) {
        text = outputs.error().message;
        return;
      }
      for (const float v : (*outputs)[0].as<float>()) text += std::to_string(static_cast<int>(v)) + " ";
    };
    batcher->submit(std::move(job));
  }
  void run_all() {
    while (!tasks.empty()) {
      auto task = std::move(tasks.front());
      tasks.erase(tasks.begin());
      task();
    }
  }
};

TEST_CASE("batcher: what waits together runs together, up to the bound") {
  Bench b;
  for (int i = 1; i <= 6; ++i) b.ask({float(i), float(i)}, 1);
  b.run_all();
  CHECK(b.engine.rows == std::vector<int64_t>{4, 2});
  CHECK(b.results == std::vector<std::string>{"2 2 ", "4 4 ", "6 6 ", "8 8 ", "10 10 ", "12 12 "});
}

TEST_CASE("batcher: requests of several rows and other widths keep their own answers") {
  Bench b;
  b.ask({1, 2, 3, 4}, 2);
  b.ask({5, 6}, 1);
  b.ask({7, 8, 9}, 1);  // another width: not joined
  b.ask({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 5);  // larger than a batch: alone
  b.run_all();
  CHECK(b.engine.rows == std::vector<int64_t>{3, 1, 5});
  CHECK(b.results[0] == "2 4 6 8 ");
  CHECK(b.results[1] == "10 12 ");
  CHECK(b.results[2] == "14 16 18 ");
}

TEST_CASE("batcher: one bad request does not fail its neighbours") {
  Bench b;
  b.ask({1, 1}, 1);
  b.ask({-1, 1}, 1);
  b.ask({2, 2}, 1);
  b.run_all();
  CHECK(b.results == std::vector<std::string>{"2 2 ", "negative", "4 4 "});
}

TEST_CASE("batcher: a full queue refuses at once, and stopping answers what waits") {
  Bench b;
  for (size_t i = 0; i <= kWaitingMax; ++i) b.ask({1, 1}, 1);
  CHECK(b.results.back().find("busy") != std::string::npos);
  CHECK(b.batcher->waiting() == kWaitingMax);
  b.batcher.reset();
  CHECK(b.results[0] == "the model server is stopping");
}

TEST_CASE("join: results with other than the sum of rows do not split") {
  std::vector<Tensor> outputs;
  outputs.push_back(row_tensor("y", {1, 2, 3}, 3));
  CHECK(split_rows(outputs, {1, 2}));
  CHECK_FALSE(split_rows(outputs, {1, 1}));
}

}  // namespace
}  // namespace mk::dataplane
