#include "dataplane/protocols/v2/request.h"

#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/format.h"
#include "dataplane/protocols/v2/limits.h"

namespace mk::dataplane::v2 {
namespace {

namespace sj = simdjson::ondemand;
static_assert(std::endian::native == std::endian::little, "binary tensors are little-endian on the wire");

Failure bad_json(simdjson::error_code code) {
  return invalid(fmt::format("the request is not valid JSON: {}", simdjson::error_message(code)));
}
Failure wrong_type(std::string_view what, std::string_view wanted) {
  return invalid(fmt::format("{} must be {}", what, wanted));
}

// Reads a typed member; a wrong type and broken JSON are told apart.
template <typename T>
Result<T> member(sj::value value, std::string_view what, std::string_view wanted) {
  T out;
  const auto code = value.get(out);
  if (code == simdjson::INCORRECT_TYPE || code == simdjson::NUMBER_ERROR || code == simdjson::NUMBER_OUT_OF_RANGE)
    return wrong_type(what, wanted);
  if (code) return bad_json(code);
  return out;
}

// Notes a key; false when it was there already.
bool first_time(uint32_t& seen, unsigned bit) { return !(std::exchange(seen, seen | (1u << bit)) & (1u << bit)); }

Result<std::string> read_name(sj::value value, std::string_view what) {
  MK_TRY(auto text, member<std::string_view>(value, what, "a string"));
  if (text.size() > kNameBytesMax) return invalid(fmt::format("{} is longer than {} bytes", what, kNameBytesMax));
  return std::string(text);
}

Result<std::vector<int64_t>> read_shape(sj::value value, std::string_view what) {
  MK_TRY(auto array, member<sj::array>(value, what, "an array of integers"));
  std::vector<int64_t> shape;
  for (auto item : array) {
    sj::value dimension;
    if (auto code = item.get(dimension)) return bad_json(code);
    MK_TRY(auto size, member<int64_t>(dimension, what, "an array of integers"));
    if (shape.size() == kRankMax) return invalid(fmt::format("{} has more than {} dimensions", what, kRankMax));
    shape.push_back(size);
  }
  return shape;
}

// Writes the values of "data", flat or nested, into the tensor; counts them against the shape.
class DataReader {
 public:
  DataReader(Tensor& tensor, size_t elements) : tensor_(tensor), elements_(elements) {}

  Result<void> read(sj::value value) {
    if (value.type().value_unsafe() != sj::json_type::array)
      return invalid(fmt::format("input \"{}\": data must be an array", tensor_.name));
    sj::array array;
    if (auto code = value.get(array)) return bad_json(code);
    MK_OK(read_typed(array));
    if (next_ != elements_)
      return invalid(fmt::format("input \"{}\": data has {} values, shape {} needs {}", tensor_.name, next_,
                                 shape_text(tensor_.shape), elements_));
    return {};
  }

 private:
  Result<void> read_typed(sj::array array) {
    switch (tensor_.type) {
      case DataType::kBool: return walk<bool>(array, 0);
      case DataType::kInt8: return walk<int8_t>(array, 0);
      case DataType::kInt16: return walk<int16_t>(array, 0);
      case DataType::kInt32: return walk<int32_t>(array, 0);
      case DataType::kInt64: return walk<int64_t>(array, 0);
      case DataType::kUint8: return walk<uint8_t>(array, 0);
      case DataType::kUint16: return walk<uint16_t>(array, 0);
      case DataType::kUint32: return walk<uint32_t>(array, 0);
      case DataType::kUint64: return walk<uint64_t>(array, 0);
      case DataType::kFp16: return walk<Half>(array, 0);
      case DataType::kFp32: return walk<float>(array, 0);
      case DataType::kFp64: return walk<double>(array, 0);
      case DataType::kBytes: return walk<std::string>(array, 0);
    }
    return {};
  }

  struct Half {
    uint16_t bits;
  };

  template <typename T>
  Result<void> walk(sj::array array, size_t depth) {
    if (depth >= kNestingMax)
      return invalid(fmt::format("input \"{}\": data is nested deeper than {} levels", tensor_.name, kNestingMax));
    for (auto item : array) {
      sj::value value;
      if (auto code = item.get(value)) return bad_json(code);
      sj::json_type type;
      if (auto code = value.type().get(type)) return bad_json(code);
      if (type == sj::json_type::array) {
        sj::array inner;
        if (auto code = value.get(inner)) return bad_json(code);
        MK_OK(walk<T>(inner, depth + 1));
        continue;
      }
      if (next_ == elements_)
        return invalid(fmt::format("input \"{}\": data has more values than the {} of shape {}", tensor_.name,
                                   elements_, shape_text(tensor_.shape)));
      if (!store<T>(value, type)) return bad_value<T>(value);
      ++next_;
    }
    return {};
  }

  template <typename T>
  bool store(sj::value& value, sj::json_type type) {
    if constexpr (std::is_same_v<T, std::string>) {
      std::string_view text;
      if (value.get_string().get(text)) return false;
      tensor_.texts[next_] = text;
      return true;
    } else if constexpr (std::is_same_v<T, bool>) {
      bool flag;
      if (type == sj::json_type::number) {
        uint64_t number;
        if (value.get_uint64().get(number) || number > 1) return false;
        flag = number == 1;
      } else if (value.get_bool().get(flag)) {
        return false;
      }
      tensor_.as<uint8_t>()[next_] = flag;
      return true;
    } else if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, Half>) {
      double number;
      if (value.get_double().get(number)) return false;
      return store_real<T>(number);
    } else if constexpr (std::is_unsigned_v<T>) {
      uint64_t number;
      if (value.get_uint64().get(number) || number > std::numeric_limits<T>::max()) return false;
      reinterpret_cast<T*>(tensor_.data.data())[next_] = static_cast<T>(number);
      return true;
    } else {
      int64_t number;
      if (value.get_int64().get(number) || number > std::numeric_limits<T>::max() ||
          number < std::numeric_limits<T>::min())
        return false;
      reinterpret_cast<T*>(tensor_.data.data())[next_] = static_cast<T>(number);
      return true;
    }
  }

  template <typename T>
  bool store_real(double number) {
    if constexpr (std::is_same_v<T, Half>) {
      const uint16_t half = float_to_half(static_cast<float>(number));
      if ((half & 0x7fffu) == 0x7c00u) return false;  // JSON has no infinity: the value was too large
      tensor_.as<uint16_t>()[next_] = half;
    } else {
      const T narrow = static_cast<T>(number);
      if (!std::isfinite(narrow)) return false;
      reinterpret_cast<T*>(tensor_.data.data())[next_] = narrow;
    }
    return true;
  }

  template <typename T>
  Failure bad_value(sj::value& value) {
    std::string_view raw;
    if (value.raw_json().get(raw)) raw = "?";
    if (raw.size() > 40) raw = raw.substr(0, 40);
    while (!raw.empty() && (static_cast<unsigned char>(raw.back()) & 0xc0u) == 0x80u) raw.remove_suffix(1);
    if (!raw.empty() && static_cast<unsigned char>(raw.back()) >= 0xc0u) raw.remove_suffix(1);
    return invalid(fmt::format("input \"{}\": value {} of data ({}) is not {}", tensor_.name, next_, raw,
                               std::is_same_v<T, std::string> ? "a string, which BYTES needs"
                                                              : fmt::format("a {}", name_of(tensor_.type))));
  }

  Tensor& tensor_;
  size_t elements_;
  size_t next_ = 0;
};

// One object of "inputs": its members may come in any order, data before shape as well.
class InputReader {
 public:
  InputReader(size_t index, const Signature& signature, std::string_view& binary)
      : what_(fmt::format("inputs[{}]", index)), signature_(signature), binary_(binary) {}

  Result<Tensor> read(sj::object object) {
    for (auto field : object) {
      std::string_view key;
      if (auto code = field.unescaped_key().get(key)) return bad_json(code);
      sj::value value;
      if (auto code = field.value().get(value)) return bad_json(code);
      MK_OK(read_field(key, value));
    }
    MK_OK(check_head());
    if (has_data_ && !data_read_) {  // data came before its shape: a second pass over this object
      if (auto code = object.reset().error()) return bad_json(code);
      sj::value value;
      if (auto code = object.find_field_unordered("data").get(value)) return bad_json(code);
      MK_OK(read_data(value));
    }
    if (binary_bytes_) MK_OK(read_binary());
    if (!data_read_)
      return invalid(fmt::format("input \"{}\" has neither data nor parameters.binary_data_size", tensor_.name));
    return std::move(tensor_);
  }

 private:
  enum Key : unsigned { kName, kShape, kDatatype, kData, kParameters };

  Result<void> once(Key key, std::string_view name) {
    if (!first_time(seen_, key)) return invalid(fmt::format("{} has \"{}\" twice", what_, name));
    return {};
  }

  Result<void> read_field(std::string_view key, sj::value value) {
    if (key == "name") {
      MK_OK(once(kName, key));
      MK_TRY(tensor_.name, read_name(value, what_ + ".name"));
    } else if (key == "shape") {
      MK_OK(once(kShape, key));
      MK_TRY(tensor_.shape, read_shape(value, what_ + ".shape"));
    } else if (key == "datatype") {
      MK_OK(once(kDatatype, key));
      MK_TRY(auto name, member<std::string_view>(value, what_ + ".datatype", "a string"));
      const auto type = parse_data_type(name);
      if (!type)
        return invalid(fmt::format("{}.datatype \"{}\" is unknown; use BOOL, INT8..INT64, UINT8..UINT64, FP16, FP32, "
                                   "FP64 or BYTES",
                                   what_, name.substr(0, 32)));
      tensor_.type = *type;
    } else if (key == "data") {
      MK_OK(once(kData, key));
      has_data_ = true;
      if ((seen_ & kHead) == kHead) {
        MK_OK(check_head());
        return read_data(value);
      }
    } else if (key == "parameters") {
      MK_OK(once(kParameters, key));
      return read_parameters(value);
    }
    return {};
  }

  Result<void> read_parameters(sj::value value) {
    MK_TRY(auto object, member<sj::object>(value, what_ + ".parameters", "an object"));
    for (auto field : object) {
      std::string_view key;
      if (auto code = field.unescaped_key().get(key)) return bad_json(code);
      sj::value parameter;
      if (auto code = field.value().get(parameter)) return bad_json(code);
      if (key == "binary_data_size") {
        MK_TRY(binary_bytes_,
               member<uint64_t>(parameter, what_ + ".parameters.binary_data_size", "a count of bytes"));
      } else if (key.starts_with("shared_memory_")) {
        return invalid(fmt::format("{}: shared memory is not supported; send the data", what_));
      }
    }
    return {};
  }

  // Name, shape and datatype against what the model takes; then the memory.
  Result<void> check_head() {
    if (checked_) return {};
    if (!(seen_ & (1u << kName))) return invalid(what_ + " has no name");
    if (!(seen_ & (1u << kShape))) return invalid(fmt::format("input \"{}\" has no shape", tensor_.name));
    if (!(seen_ & (1u << kDatatype))) return invalid(fmt::format("input \"{}\" has no datatype", tensor_.name));
    MK_TRY(elements_, element_count(tensor_.shape, fmt::format("input \"{}\"", tensor_.name)));
    checked_ = true;
    if (signature_.open) return {};
    const TensorSpec* spec = signature_.input(tensor_.name);
    if (!spec) return unknown_input();
    if (spec->type != tensor_.type)
      return invalid(fmt::format("input \"{}\": datatype is {}, the model takes {}", tensor_.name,
                                 name_of(tensor_.type), name_of(spec->type)));
    bool fits = spec->shape.size() == tensor_.shape.size();
    for (size_t i = 0; fits && i < spec->shape.size(); ++i)
      fits = spec->shape[i] < 0 || spec->shape[i] == tensor_.shape[i];
    if (!fits)
      return invalid(fmt::format("input \"{}\": shape is {}, the model takes {}", tensor_.name,
                                 shape_text(tensor_.shape), shape_text(spec->shape)));
    return {};
  }

  Failure unknown_input() const {
    std::string names;
    for (const auto& spec : signature_.inputs) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", spec.name);
    return invalid(fmt::format("the model has no input \"{}\"; it takes {}", tensor_.name, names));
  }

  // Each element takes at least a digit and a comma, so a shape far beyond the text is refused before its memory is
  // asked for.
  Result<void> read_data(sj::value value) {
    if (binary_bytes_)
      return invalid(fmt::format("input \"{}\" has both data and binary_data_size", tensor_.name));
    if (elements_ > text_bytes_max_)
      return invalid(fmt::format("input \"{}\": data has fewer values than the {} of shape {}", tensor_.name,
                                 elements_, shape_text(tensor_.shape)));
    if (tensor_.type == DataType::kBytes)
      tensor_.texts.resize(elements_);
    else
      tensor_.data = Buffer(elements_ * size_of(tensor_.type));
    data_read_ = true;
    return DataReader(tensor_, elements_).read(value);
  }

  Result<void> read_binary() {
    if (has_data_) return invalid(fmt::format("input \"{}\" has both data and binary_data_size", tensor_.name));
    if (*binary_bytes_ > binary_.size())
      return invalid(fmt::format("input \"{}\": binary_data_size is {}, but only {} bytes are left of the body",
                                 tensor_.name, *binary_bytes_, binary_.size()));
    const std::string_view bytes = binary_.substr(0, *binary_bytes_);
    binary_.remove_prefix(bytes.size());
    data_read_ = true;
    if (tensor_.type == DataType::kBytes) return read_texts(bytes);
    if (bytes.size() != elements_ * size_of(tensor_.type))
      return invalid(fmt::format("input \"{}\": binary_data_size is {}, shape {} of {} needs {}", tensor_.name,
                                 bytes.size(), shape_text(tensor_.shape), name_of(tensor_.type),
                                 elements_ * size_of(tensor_.type)));
    tensor_.data = Buffer(bytes.size());
    if (!bytes.empty()) std::memcpy(tensor_.data.data(), bytes.data(), bytes.size());
    return {};
  }

  // Elements of BYTES: each a 4-byte length, then its bytes.
  Result<void> read_texts(std::string_view bytes) {
    while (!bytes.empty() && tensor_.texts.size() < elements_) {
      uint32_t length = 0;
      if (bytes.size() < sizeof length) return cut_text();
      std::memcpy(&length, bytes.data(), sizeof length);
      bytes.remove_prefix(sizeof length);
      if (length > bytes.size()) return cut_text();
      tensor_.texts.emplace_back(bytes.substr(0, length));
      bytes.remove_prefix(length);
    }
    if (tensor_.texts.size() != elements_ || !bytes.empty())
      return invalid(fmt::format("input \"{}\": the binary data does not hold the {} elements of shape {}",
                                 tensor_.name, elements_, shape_text(tensor_.shape)));
    return {};
  }
  Failure cut_text() const {
    return invalid(fmt::format("input \"{}\": element {} of the binary data is cut short", tensor_.name,
                               tensor_.texts.size()));
  }

  static constexpr uint32_t kHead = (1u << kName) | (1u << kShape) | (1u << kDatatype);

  std::string what_;
  const Signature& signature_;
  std::string_view& binary_;
  Tensor tensor_;
  uint32_t seen_ = 0;
  size_t elements_ = 0;
  std::optional<uint64_t> binary_bytes_;
  bool checked_ = false, has_data_ = false, data_read_ = false;

 public:
  size_t text_bytes_max_ = 0;
};

// Which outputs the client wants, and in which form.
Result<RequestedOutput> read_output(sj::object object, size_t index, const Signature& signature) {
  RequestedOutput output;
  const std::string what = fmt::format("outputs[{}]", index);
  for (auto field : object) {
    std::string_view key;
    if (auto code = field.unescaped_key().get(key)) return bad_json(code);
    sj::value value;
    if (auto code = field.value().get(value)) return bad_json(code);
    if (key == "name") {
      MK_TRY(output.name, read_name(value, what + ".name"));
    } else if (key == "parameters") {
      MK_TRY(auto parameters, member<sj::object>(value, what + ".parameters", "an object"));
      for (auto parameter : parameters) {
        std::string_view name;
        if (auto code = parameter.unescaped_key().get(name)) return bad_json(code);
        sj::value setting;
        if (auto code = parameter.value().get(setting)) return bad_json(code);
        if (name == "binary_data") {
          MK_TRY(output.binary, member<bool>(setting, what + ".parameters.binary_data", "true or false"));
        } else if (name == "classification") {
          return invalid(what + ": classification is not supported; ask for the output itself");
        } else if (name.starts_with("shared_memory_")) {
          return invalid(what + ": shared memory is not supported; read the output from the reply");
        }
      }
    }
  }
  if (output.name.empty()) return invalid(what + " has no name");
  if (!signature.open && !signature.output(output.name)) {
    std::string names;
    for (const auto& spec : signature.outputs) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", spec.name);
    return invalid(fmt::format("the model has no output \"{}\"; it gives {}", output.name, names));
  }
  return output;
}

class RequestReader {
 public:
  RequestReader(std::string_view json, std::string_view binary, const Signature& signature)
      : json_bytes_(json.size()), binary_(binary), signature_(signature) {}

  Result<InferRequest> read(sj::document& document) {
    sj::object object;
    const auto code = document.get_object().get(object);
    if (code == simdjson::INCORRECT_TYPE) return invalid("the request must be a JSON object");
    if (code) return bad_json(code);
    for (auto field : object) {
      std::string_view key;
      if (auto error = field.unescaped_key().get(key)) return bad_json(error);
      sj::value value;
      if (auto error = field.value().get(value)) return bad_json(error);
      MK_OK(read_field(key, value));
    }
    if (!document.at_end()) return invalid("the request is not valid JSON: text after the end of the object");
    if (!(seen_ & (1u << kInputs))) return invalid("the request has no \"inputs\"");
    if (!binary_.empty())
      return invalid(fmt::format("{} bytes of binary data belong to no input", binary_.size()));
    MK_OK(order_inputs());
    return std::move(request_);
  }

 private:
  enum Key : unsigned { kId, kInputs, kOutputs, kParameters };

  Result<void> read_field(std::string_view key, sj::value value) {
    if (key == "inputs") {
      MK_OK(once(kInputs, key));
      return read_inputs(value);
    }
    if (key == "outputs") {
      MK_OK(once(kOutputs, key));
      return read_outputs(value);
    }
    if (key == "id") {
      MK_OK(once(kId, key));
      MK_TRY(request_.id, read_name(value, "id"));
    } else if (key == "parameters") {
      MK_OK(once(kParameters, key));
      MK_TRY(auto object, member<sj::object>(value, "parameters", "an object"));
      for (auto field : object) {
        std::string_view name;
        if (auto code = field.unescaped_key().get(name)) return bad_json(code);
        sj::value parameter;
        if (auto code = field.value().get(parameter)) return bad_json(code);
        if (name == "binary_data_output") {
          MK_TRY(request_.binary_outputs,
                 member<bool>(parameter, "parameters.binary_data_output", "true or false"));
        }
      }
    }
    return {};
  }

  Result<void> once(Key key, std::string_view name) {
    if (!first_time(seen_, key)) return invalid(fmt::format("the request has \"{}\" twice", name));
    return {};
  }

  Result<void> read_inputs(sj::value value) {
    MK_TRY(auto array, member<sj::array>(value, "inputs", "an array"));
    for (auto item : array) {
      sj::value input;
      if (auto code = item.get(input)) return bad_json(code);
      const size_t index = request_.inputs.size();
      if (index == kTensorsMax) return invalid(fmt::format("the request has more than {} inputs", kTensorsMax));
      MK_TRY(auto object, member<sj::object>(input, fmt::format("inputs[{}]", index), "an object"));
      InputReader reader(index, signature_, binary_);
      reader.text_bytes_max_ = json_bytes_ / 2;
      MK_TRY(Tensor tensor, reader.read(object));
      for (const auto& other : request_.inputs)
        if (other.name == tensor.name) return invalid(fmt::format("input \"{}\" is sent twice", tensor.name));
      request_.inputs.push_back(std::move(tensor));
    }
    return {};
  }

  Result<void> read_outputs(sj::value value) {
    MK_TRY(auto array, member<sj::array>(value, "outputs", "an array"));
    for (auto item : array) {
      sj::value output;
      if (auto code = item.get(output)) return bad_json(code);
      const size_t index = request_.outputs.size();
      if (index == kTensorsMax) return invalid(fmt::format("the request names more than {} outputs", kTensorsMax));
      MK_TRY(auto object, member<sj::object>(output, fmt::format("outputs[{}]", index), "an object"));
      MK_TRY(auto requested, read_output(object, index, signature_));
      request_.outputs.push_back(std::move(requested));
    }
    return {};
  }

  Result<void> order_inputs() {
    if (signature_.open) return {};
    const auto& specs = signature_.inputs;
    for (size_t i = 0; i < specs.size(); ++i) {
      size_t at = i;
      while (at < request_.inputs.size() && request_.inputs[at].name != specs[i].name) ++at;
      if (at >= request_.inputs.size()) return invalid(fmt::format("input \"{}\" is missing", specs[i].name));
      if (at != i) std::swap(request_.inputs[at], request_.inputs[i]);
    }
    return {};
  }

  size_t json_bytes_;
  std::string_view binary_;
  const Signature& signature_;
  InferRequest request_;
  uint32_t seen_ = 0;
};

}  // namespace

Result<std::optional<size_t>> parse_json_bytes(std::string_view header, size_t body_bytes) {
  if (header.empty()) return std::nullopt;
  size_t count = 0;
  const auto [end, code] = std::from_chars(header.data(), header.data() + header.size(), count);
  if (code != std::errc() || end != header.data() + header.size())
    return invalid("Inference-Header-Content-Length must be a number of bytes");
  if (count > body_bytes)
    return invalid(fmt::format("Inference-Header-Content-Length is {}, but the body has {} bytes", count, body_bytes));
  return count;
}

Result<InferRequest> parse_request(std::string& body, std::optional<size_t> json_bytes, const Signature& signature) {
  static thread_local sj::parser parser;
  const size_t size = json_bytes.value_or(body.size());
  if (body.capacity() < body.size() + simdjson::SIMDJSON_PADDING) body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  const std::string_view json(body.data(), size);
  Result<InferRequest> request = [&]() -> Result<InferRequest> {
    sj::document document;
    if (auto code = parser.iterate(simdjson::padded_string_view(body.data(), size, body.capacity())).get(document))
      return bad_json(code);
    return RequestReader(json, std::string_view(body).substr(size), signature).read(document);
  }();
  if (parser.capacity() > kParserBytesKept) parser = sj::parser();
  return request;
}

}  // namespace mk::dataplane::v2
