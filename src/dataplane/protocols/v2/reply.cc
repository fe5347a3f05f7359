#include "dataplane/protocols/v2/reply.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/format.h"
#include "base/json.h"

namespace mk::dataplane::v2 {
namespace {

constexpr size_t kNumberBytesMax = 32;  // of any number's shortest text

// Grows `out` once for all the numbers, then writes in place: appending one by one costs twice as much.
template <typename T>
void append_numbers(std::string& out, std::span<const T> values) {
  const size_t start = out.size();
  out.resize(start + values.size() * kNumberBytesMax);
  char* at = out.data() + start;
  for (const T value : values) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) {  // JSON has neither NaN nor infinity; binary outputs keep them
        std::memcpy(at, "null,", 5);
        at += 5;
        continue;
      }
    }
    at = std::to_chars(at, at + kNumberBytesMax, value).ptr;
    *at++ = ',';
  }
  if (!values.empty()) --at;
  out.resize(static_cast<size_t>(at - out.data()));
}

void append_data(std::string& out, const Tensor& tensor) {
  switch (tensor.type) {
    case DataType::kBool: {
      bool first = true;
      for (const uint8_t flag : tensor.as<uint8_t>()) {
        if (!std::exchange(first, false)) out += ',';
        out += flag ? "true" : "false";
      }
      return;
    }
    case DataType::kInt8: return append_numbers(out, tensor.as<int8_t>());
    case DataType::kInt16: return append_numbers(out, tensor.as<int16_t>());
    case DataType::kInt32: return append_numbers(out, tensor.as<int32_t>());
    case DataType::kInt64: return append_numbers(out, tensor.as<int64_t>());
    case DataType::kUint8: return append_numbers(out, tensor.as<uint8_t>());
    case DataType::kUint16: return append_numbers(out, tensor.as<uint16_t>());
    case DataType::kUint32: return append_numbers(out, tensor.as<uint32_t>());
    case DataType::kUint64: return append_numbers(out, tensor.as<uint64_t>());
    case DataType::kFp16: {
      std::vector<float> wide;
      for (const uint16_t half : tensor.as<uint16_t>()) wide.push_back(half_to_float(half));
      return append_numbers(out, std::span<const float>(wide));
    }
    case DataType::kFp32: return append_numbers(out, tensor.as<float>());
    case DataType::kFp64: return append_numbers(out, tensor.as<double>());
    case DataType::kBytes: {
      bool first = true;
      for (const auto& text : tensor.texts) {
        if (!std::exchange(first, false)) out += ',';
        append_json_string(out, text);
      }
      return;
    }
  }
}

size_t binary_bytes(const Tensor& tensor) {
  size_t bytes = tensor.data.size();
  for (const auto& text : tensor.texts) bytes += sizeof(uint32_t) + text.size();
  return bytes;
}

void append_binary(std::string& out, const Tensor& tensor) {
  out.append(tensor.data.view());
  for (const auto& text : tensor.texts) {
    const auto length = static_cast<uint32_t>(text.size());
    char prefix[sizeof length];
    std::memcpy(prefix, &length, sizeof length);
    out.append(prefix, sizeof length).append(text);
  }
}

void append_shape(std::string& out, std::span<const int64_t> shape) {
  out += '[';
  append_numbers(out, shape);
  out += ']';
}

void append_specs(std::string& out, std::span<const TensorSpec> specs) {
  bool first = true;
  for (const auto& spec : specs) {
    if (!std::exchange(first, false)) out += ',';
    out += "{\"name\":";
    append_json_string(out, spec.name);
    out += fmt::format(",\"datatype\":\"{}\",\"shape\":", name_of(spec.type));
    append_shape(out, spec.shape);
    out += '}';
  }
}

struct Chosen {
  const Tensor* tensor;
  bool binary;
};

Result<std::vector<Chosen>> choose(const InferRequest& request, std::span<const Tensor> outputs) {
  std::vector<Chosen> chosen;
  if (request.outputs.empty()) {
    for (const auto& tensor : outputs) chosen.push_back({&tensor, request.binary_outputs});
    return chosen;
  }
  for (const auto& wanted : request.outputs) {
    const Tensor* found = nullptr;
    for (const auto& tensor : outputs)
      if (tensor.name == wanted.name) found = &tensor;
    if (!found) return invalid(fmt::format("the model has no output \"{}\"", wanted.name));
    chosen.push_back({found, wanted.binary.value_or(request.binary_outputs)});
  }
  return chosen;
}

}  // namespace

Result<EncodedReply> write_reply(const InferRequest& request, std::string_view model, std::string_view version,
                                 std::span<const Tensor> outputs) {
  MK_TRY(auto chosen, choose(request, outputs));
  EncodedReply reply;
  std::string& out = reply.body;
  out.reserve(512);
  out += "{\"model_name\":";
  append_json_string(out, model);
  out += ",\"model_version\":";
  append_json_string(out, version);
  if (!request.id.empty()) {
    out += ",\"id\":";
    append_json_string(out, request.id);
  }
  out += ",\"outputs\":[";
  for (size_t i = 0; i < chosen.size(); ++i) {
    const Tensor& tensor = *chosen[i].tensor;
    out += i ? ",{\"name\":" : "{\"name\":";
    append_json_string(out, tensor.name);
    out.append(",\"datatype\":\"").append(name_of(tensor.type)).append("\",\"shape\":");
    append_shape(out, tensor.shape);
    if (chosen[i].binary) {
      out += fmt::format(",\"parameters\":{{\"binary_data_size\":{}}}}}", binary_bytes(tensor));
    } else {
      out += ",\"data\":[";
      append_data(out, tensor);
      out += "]}";
    }
  }
  out += "]}";
  reply.json_bytes = out.size();
  for (const auto& [tensor, binary] : chosen)
    if (binary) append_binary(out, *tensor);
  return reply;
}

std::string write_error(std::string_view message) {
  std::string out = "{\"error\":";
  append_json_string(out, message);
  return out += '}';
}

std::string write_model_metadata(std::string_view model, std::string_view version, std::string_view platform,
                                 const Signature& signature) {
  std::string out = "{\"name\":";
  append_json_string(out, model);
  out += ",\"versions\":[";
  append_json_string(out, version);
  out += "],\"platform\":";
  append_json_string(out, platform);
  out += ",\"inputs\":[";
  append_specs(out, signature.inputs);
  out += "],\"outputs\":[";
  append_specs(out, signature.outputs);
  return out += "]}";
}

std::string write_server_metadata(std::string_view version) {
  return fmt::format("{{\"name\":\"modelkit\",\"version\":\"{}\",\"extensions\":[\"binary_tensor_data\"]}}", version);
}

int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return 400;
    case Code::kNotFound: return 404;
    case Code::kTooLarge: return 413;
    case Code::kResourceExhausted: return 429;
    case Code::kUnavailable: return 503;
    case Code::kDeadlineExceeded: return 504;
    default: return 500;
  }
}

}  // namespace mk::dataplane::v2
