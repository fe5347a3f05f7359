// Against the real library: every slot of library.h is called here, through the models in testdata/.
#include "dataplane/engines/onnx/session.h"

#include <doctest/doctest.h>

#include <cstring>

#include "dataplane/engines/onnx/library.h"

namespace mk::dataplane::onnx {
namespace {

std::string model(const char* name) {
  return std::string(MK_SOURCE_DIR) + "/src/dataplane/engines/onnx/testdata/" + name + ".onnx";
}

template <typename T>
Tensor tensor(std::string name, DataType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  Tensor out{std::move(name), type, std::move(shape), Buffer(values.size() * sizeof(T)), {}};
  if (!values.empty()) std::memcpy(out.data.data(), values.data(), out.data.size());
  return out;
}

std::vector<float> floats(const Tensor& t) { return {t.as<float>().begin(), t.as<float>().end()}; }

TEST_CASE("onnx: the library opens and knows its version") {
  auto library = open_library();
  REQUIRE_MESSAGE(library, library.error().sentence());
  CHECK((*library)->version.starts_with("1."));
}

TEST_CASE("onnx: a model's signature and results") {
  auto engine = load_session(model("linear"));
  REQUIRE_MESSAGE(engine, engine.error().sentence());
  const Signature& signature = (*engine)->signature();
  REQUIRE(signature.inputs.size() == 1);
  CHECK(signature.inputs[0].name == "x");
  CHECK(signature.inputs[0].shape == std::vector<int64_t>{-1, 3});
  CHECK(signature.outputs[0].shape == std::vector<int64_t>{-1, 2});
  CHECK((*engine)->batches());
  std::vector<Tensor> inputs;
  inputs.push_back(tensor<float>("x", DataType::kFp32, {2, 3}, {1, 2, 3, 4, 5, 6}));
  auto outputs = (*engine)->run(inputs, {});
  REQUIRE(outputs);
  CHECK((*outputs)[0].name == "y");
  CHECK((*outputs)[0].shape == std::vector<int64_t>{2, 2});
  CHECK(floats((*outputs)[0]) == std::vector<float>{4.5f, 4.5f, 10.5f, 10.5f});
}

TEST_CASE("onnx: no rows give no rows") {
  auto engine = load_session(model("linear"));
  REQUIRE(engine);
  std::vector<Tensor> inputs;
  inputs.push_back(tensor<float>("x", DataType::kFp32, {0, 3}, {}));
  auto outputs = (*engine)->run(inputs, {});
  REQUIRE(outputs);
  CHECK((*outputs)[0].shape == std::vector<int64_t>{0, 2});
}

TEST_CASE("onnx: rows that depend on each other are not batched") {
  auto engine = load_session(model("running_sum"));
  REQUIRE(engine);
  CHECK_FALSE((*engine)->batches());
}

TEST_CASE("onnx: every element type there and back") {
  auto engine = load_session(model("identity"));
  REQUIRE_MESSAGE(engine, engine.error().sentence());
  const auto& specs = (*engine)->signature().inputs;
  REQUIRE(specs.size() == kDataTypes);
  std::vector<Tensor> inputs;
  for (const auto& spec : specs) {
    Tensor t{.name = spec.name, .type = spec.type, .shape = {2}};
    if (spec.type == DataType::kBytes) {
      t.texts = {"wine", std::string("a\0b\xff", 4)};
    } else {
      t.data = Buffer(2 * size_of(spec.type));
      std::memset(t.data.data(), 0, t.data.size());
      t.data.data()[0] = std::byte{1};
    }
    inputs.push_back(std::move(t));
  }
  auto outputs = (*engine)->run(inputs, {});
  REQUIRE_MESSAGE(outputs, outputs.error().sentence());
  for (size_t i = 0; i < specs.size(); ++i) {
    CAPTURE(specs[i].name);
    CHECK((*outputs)[i].type == specs[i].type);
    CHECK((*outputs)[i].data.view() == inputs[i].data.view());
    CHECK((*outputs)[i].texts == inputs[i].texts);
  }
}

TEST_CASE("onnx: a classifier's maps become a tensor") {
  auto engine = load_session(model("zipmap"));
  REQUIRE_MESSAGE(engine, engine.error().sentence());
  std::vector<Tensor> inputs;
  inputs.push_back(tensor<float>("X", DataType::kFp32, {2, 2}, {0, 0, 2, 3}));
  auto outputs = (*engine)->run(inputs, {});
  REQUIRE_MESSAGE(outputs, outputs.error().sentence());
  REQUIRE(outputs->size() == 2);
  CHECK((*outputs)[0].texts == std::vector<std::string>{"a", "c"});
  CHECK((*outputs)[1].shape == std::vector<int64_t>{2, 3});
  const auto chances = floats((*outputs)[1]);
  CHECK(chances[0] > chances[1]);
  CHECK(chances[5] > chances[4]);
}

TEST_CASE("onnx: what the model cannot compute is the client's error, without inner paths") {
  auto engine = load_session(model("lookup"));
  REQUIRE(engine);
  std::vector<Tensor> inputs;
  inputs.push_back(tensor<int64_t>("index", DataType::kInt64, {1}, {7}));
  auto outputs = (*engine)->run(inputs, {});
  REQUIRE_FALSE(outputs);
  CHECK(outputs.error().code == Code::kInvalidArgument);
  CHECK(outputs.error().message.find("idx=7") != std::string::npos);
  CHECK(outputs.error().message.find("/onnxruntime") == std::string::npos);
}

TEST_CASE("onnx: files that are no model say so") {
  CHECK(load_session("/nonexistent/model.onnx").error().code == Code::kNotFound);
  auto wrong = load_session(__FILE__);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.starts_with("the ONNX model does not load: "));
}

}  // namespace
}  // namespace mk::dataplane::onnx
