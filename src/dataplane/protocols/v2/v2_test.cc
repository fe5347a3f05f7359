#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "base/json.h"
#include "dataplane/protocols/v2/reply.h"
#include "dataplane/protocols/v2/request.h"

namespace mk::dataplane::v2 {
namespace {

Signature one_input(DataType type = DataType::kFp32, std::vector<int64_t> shape = {-1, 2}) {
  return {{{"x", type, std::move(shape)}}, {{"y", DataType::kFp32, {-1, 1}}, {"z", DataType::kInt64, {-1}}}, false};
}

Result<InferRequest> parse(std::string text, const Signature& signature = one_input()) {
  return parse_request(text, std::nullopt, signature);
}

std::string input(std::string_view fields) { return "{\"inputs\":[{" + std::string(fields) + "}]}"; }

std::vector<float> floats(const Tensor& t) { return {t.as<float>().begin(), t.as<float>().end()}; }

TEST_CASE("v2: an input's members may come in any order, and data may be nested") {
  for (const char* fields : {
           R"("name":"x","shape":[2,2],"datatype":"FP32","data":[1,2.5,-3e0,4])",
           R"("data":[1,2.5,-3,4],"datatype":"FP32","name":"x","shape":[2,2])",
           R"("name":"x","data":[[1,2.5],[-3,4]],"shape":[2,2],"extra":{"a":[1,{}]},"datatype":"FP32")",
           R"("name":"x","parameters":{"content_type":"np"},"shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3,4]])",
       }) {
    CAPTURE(fields);
    const auto request = parse(input(fields));
    REQUIRE_MESSAGE(request, request.error().message);
    REQUIRE(request->inputs.size() == 1);
    CHECK(floats(request->inputs[0]) == std::vector<float>{1, 2.5f, -3, 4});
  }
}

TEST_CASE("v2: data before shape in the first of two inputs leaves the second readable") {
  const Signature two{{{"a", DataType::kInt32, {-1}}, {"b", DataType::kInt32, {-1}}}, {}, false};
  const auto request = parse(
      R"({"inputs":[{"data":[7],"name":"b","datatype":"INT32","shape":[1]},{"data":[8,9],"shape":[2],"name":"a","datatype":"INT32"}],"id":"q"})",
      two);
  REQUIRE_MESSAGE(request, request.error().message);
  CHECK(request->inputs[0].name == "a");  // in the signature's order
  CHECK(request->inputs[0].as<int32_t>()[1] == 9);
  CHECK(request->inputs[1].as<int32_t>()[0] == 7);
  CHECK(request->id == "q");
}

struct TypeCase {
  const char* type;
  const char* good;
  const char* bad;
};

TEST_CASE("v2: every datatype takes what it holds and refuses the rest") {
  constexpr TypeCase cases[] = {
      {"BOOL", "true,0", "2"},          {"INT8", "-128,127", "128"},
      {"INT16", "-32768,0", "-32769"},  {"INT32", "2147483647,-1", "2147483648"},
      {"INT64", "-9223372036854775808,1", "9223372036854775808"},
      {"UINT8", "255,0", "-1"},         {"UINT16", "65535,0", "65536"},
      {"UINT32", "4294967295,0", "1.5"},
      {"UINT64", "18446744073709551615,0", "\"1\""},
      {"FP16", "65504,0.5", "70000"},   {"FP32", "3.4e38,1", "1e39"},
      {"FP64", "1e300,1", "null"},      {"BYTES", "\"wine\",\"\\u00e9\"", "1"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.type);
    const auto type = *parse_data_type(c.type);
    const auto text = [&](const std::string& data, int count) {
      return input("\"name\":\"x\",\"datatype\":\"" + std::string(c.type) + "\",\"shape\":[" + std::to_string(count) +
                   "],\"data\":[" + data + "]");
    };
    const auto good = parse(text(c.good, 2), one_input(type, {-1}));
    CHECK_MESSAGE(good, (good ? "" : good.error().message));
    const auto bad = parse(text(c.bad, 1), one_input(type, {-1}));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == Code::kInvalidArgument);
    CHECK(bad.error().message.find("\"x\"") != std::string::npos);
  }
}

struct BadCase {
  const char* text;
  const char* says;
};

TEST_CASE("v2: every mistake is named") {
  constexpr BadCase cases[] = {
      {"", "not valid JSON"},
      {"[]", "must be a JSON object"},
      {"{}", "no \"inputs\""},
      {R"({"inputs":{}})", "inputs must be an array"},
      {R"({"inputs":[1]})", "inputs[0] must be an object"},
      {R"({"inputs":[]})", "input \"x\" is missing"},
      {R"({"inputs":[],"inputs":[]})", "\"inputs\" twice"},
      {R"({"inputs":[{"shape":[1,2],"datatype":"FP32","data":[1,2]}]})", "inputs[0] has no name"},
      {R"({"inputs":[{"name":"x","datatype":"FP32","data":[1,2]}]})", "input \"x\" has no shape"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"data":[1,2]}]})", "input \"x\" has no datatype"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32"}]})", "neither data nor"},
      {R"({"inputs":[{"name":"q","shape":[1,2],"datatype":"FP32","data":[1,2]}]})", "no input \"q\"; it takes \"x\""},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP31","data":[1,2]}]})", "\"FP31\" is unknown"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"INT32","data":[1,2]}]})", "datatype is INT32, the model takes FP32"},
      {R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})", "shape is [1,3], the model takes [-1,2]"},
      {R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]})", "shape is [2], the model takes [-1,2]"},
      {R"({"inputs":[{"name":"x","shape":[1,-2],"datatype":"FP32","data":[1,2]}]})", "negative dimension"},
      {R"({"inputs":[{"name":"x","shape":[4611686018427387904,2],"datatype":"FP32","data":[1,2]}]})", "too many elements"},
      {R"({"inputs":[{"name":"x","shape":[1000000,2],"datatype":"FP32","data":[1,2]}]})", "fewer values than the 2000000"},
      {R"({"inputs":[{"name":"x","shape":["1",2],"datatype":"FP32","data":[1,2]}]})", "shape must be an array of integers"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1]}]})", "data has 1 values, shape [1,2] needs 2"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2,3]}]})", "more values than the 2"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,"b"]}]})", "value 1 of data (\"b\") is not a FP32"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":"ab"}]})", "data must be an array"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2],"data":[1,2]}]})", "\"data\" twice"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]},{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})", "sent twice"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]} x)", "not valid JSON"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"outputs":[{"name":"q"}]})", "no output \"q\"; it gives \"y\", \"z\""},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"outputs":[{}]})", "outputs[0] has no name"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],"id":5})", "id must be a string"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]})", "only 0 bytes are left"},
      {R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}]})", "shared memory is not supported"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto request = parse(c.text);
    REQUIRE_FALSE(request);
    CHECK(request.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(request.error().message.find(c.says) != std::string::npos, request.error().message);
  }
}

TEST_CASE("v2: deep nesting is refused, not recursed into") {
  const std::string deep = std::string(500, '[') + "1" + std::string(500, ']');
  const auto request = parse(input(R"("name":"x","shape":[1,2],"datatype":"FP32","data":)" + deep));
  REQUIRE_FALSE(request);
  CHECK(request.error().message.find("nested deeper") != std::string::npos);
  CHECK_FALSE(parse(std::string(5000, '[')));
}

std::string binary_request(std::string_view data, size_t size) {
  return R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":)" +
         std::to_string(size) + "}}]}" + std::string(data);
}

TEST_CASE("v2: binary tensors follow the JSON in order") {
  const float values[] = {1.5f, -2};
  const std::string_view bytes(reinterpret_cast<const char*>(values), sizeof values);
  std::string body = binary_request(bytes, 8);
  auto request = parse_request(body, body.size() - 8, one_input());
  REQUIRE_MESSAGE(request, request.error().message);
  CHECK(floats(request->inputs[0]) == std::vector<float>{1.5f, -2});

  body = binary_request(bytes.substr(0, 4), 4);
  request = parse_request(body, body.size() - 4, one_input());
  REQUIRE_FALSE(request);
  CHECK(request.error().message.find("binary_data_size is 4, shape [1,2] of FP32 needs 8") != std::string::npos);

  body = binary_request(std::string(bytes) + "more", 8);
  request = parse_request(body, body.size() - 12, one_input());
  REQUIRE_FALSE(request);
  CHECK(request.error().message == "4 bytes of binary data belong to no input");
}

TEST_CASE("v2: binary texts are checked element by element") {
  const Signature texts = one_input(DataType::kBytes, {-1});
  const auto ask = [&](const std::string& data, int count) {
    std::string json = R"({"inputs":[{"name":"x","shape":[)" + std::to_string(count) +
                       R"(],"datatype":"BYTES","parameters":{"binary_data_size":)" + std::to_string(data.size()) + "}}]}";
    const size_t size = json.size();
    json += data;
    return parse_request(json, size, texts);
  };
  const std::string two("\x02\0\0\0ab\0\0\0\0", 10);
  auto request = ask(two, 2);
  REQUIRE(request);
  CHECK(request->inputs[0].texts == std::vector<std::string>{"ab", ""});
  CHECK_FALSE(ask(two, 1));
  CHECK_FALSE(ask(two, 3));
  CHECK_FALSE(ask(std::string("\xff\xff\xff\xff" "ab"), 1));
  CHECK_FALSE(ask(std::string("\x02\0", 2), 1));
}

TEST_CASE("v2: the header's length is a number within the body") {
  CHECK(*parse_json_bytes("", 5) == std::nullopt);
  CHECK(**parse_json_bytes("5", 5) == 5);
  for (const char* text : {"6", "-1", "5 ", "0x1", "99999999999999999999", "five"}) CHECK_FALSE(parse_json_bytes(text, 5));
}

TEST_CASE("v2: no cut or changed byte of a request crashes or is taken silently for another shape") {
  const std::string whole =
      R"({"id":"a","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2]}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  REQUIRE(parse(whole));
  for (size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(parse(whole.substr(0, size)));
  for (size_t at = 0; at < whole.size(); ++at)
    for (const char replacement : {'"', '{', '}', '[', ']', ',', '\\', '\0', '\x80', '9'}) {
      std::string changed = whole;
      changed[at] = replacement;
      if (auto request = parse(changed)) CHECK(request->inputs[0].elements() == 2);
    }
}

Tensor answer(std::string name, std::vector<float> values) {
  Tensor t{std::move(name), DataType::kFp32, {static_cast<int64_t>(values.size())}, Buffer(values.size() * 4), {}};
  std::memcpy(t.data.data(), values.data(), t.data.size());
  return t;
}

TEST_CASE("v2: replies name model, id and outputs; floats read back exactly") {
  InferRequest request;
  request.id = "i\"1";
  std::vector<Tensor> outputs;
  outputs.push_back(answer("y", {0.1f, 1e-20f, -3}));
  outputs.push_back(Tensor{.name = "t", .type = DataType::kBytes, .shape = {1}, .texts = {"a\n"}});
  const auto reply = write_reply(request, "m", "3", outputs);
  REQUIRE(reply);
  CHECK(reply->json_bytes == reply->body.size());
  CHECK(reply->body ==
        R"({"model_name":"m","model_version":"3","id":"i\"1","outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[0.1,1e-20,-3]},{"name":"t","datatype":"BYTES","shape":[1],"data":["a\n"]}]})");
}

TEST_CASE("v2: numbers that JSON has no text for are null; binary keeps them") {
  InferRequest request;
  std::vector<Tensor> outputs;
  outputs.push_back(answer("y", {std::numeric_limits<float>::quiet_NaN(), 1, std::numeric_limits<float>::infinity()}));
  CHECK(write_reply(request, "m", "1", outputs)->body.find("[null,1,null]") != std::string::npos);
  request.outputs = {{"y", true}};
  const auto reply = write_reply(request, "m", "1", outputs);
  REQUIRE(reply);
  CHECK(reply->body.size() == reply->json_bytes + 12);
  CHECK(Json::parse(reply->body.substr(0, reply->json_bytes))->at({"outputs"})[0].at({"parameters", "binary_data_size"}).integer() == 12);
  request.outputs = {{"nope", {}}};
  CHECK(write_reply(request, "m", "1", outputs).error().code == Code::kInvalidArgument);
}

TEST_CASE("v2: half precision converts both ways") {
  struct Case {
    float value;
    uint16_t bits;
  };
  for (const auto [value, bits] : {Case{0, 0}, {1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {0.5f, 0x3800},
                                   {5.9604645e-8f, 0x0001}, {6.0975552e-5f, 0x03ff}, {0.333251953125f, 0x3555}}) {
    CHECK(float_to_half(value) == bits);
    CHECK(half_to_float(bits) == value);
  }
  CHECK(float_to_half(65520) == 0x7c00);
  CHECK(float_to_half(1e-9f) == 0);
}

}  // namespace
}  // namespace mk::dataplane::v2
