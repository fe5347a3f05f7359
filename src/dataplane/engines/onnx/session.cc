#include "dataplane/engines/onnx/session.h"

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/format.h"
#include "dataplane/engines/onnx/library.h"
#include "dataplane/engines/onnx/trial.h"

namespace mk::dataplane::onnx {
namespace {

// ONNXTensorElementDataType by DataType.
constexpr std::array<int, kDataTypes> kElementTypes = {9, 3, 5, 6, 7, 2, 4, 12, 13, 10, 1, 11, kElementString};

std::optional<DataType> data_type_of(int element) {
  for (size_t i = 0; i < kElementTypes.size(); ++i)
    if (kElementTypes[i] == element) return static_cast<DataType>(i);
  return std::nullopt;
}

// Owns one object of the library.
template <typename T>
class Owned {
 public:
  explicit Owned(void (*release)(T*)) : release_(release) {}
  ~Owned() {
    if (object_) release_(object_);
  }
  Owned(Owned&& other) noexcept : release_(other.release_), object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  T* get() const { return object_; }
  T** out() { return &object_; }

 private:
  void (*release_)(T*);
  T* object_ = nullptr;
};

struct Output {
  bool zip_map = false;  // a sequence of maps, flattened to a tensor
};

class Session final : public Engine {
 public:
  explicit Session(const Library& library)
      : library_(library), calls_(library.calls), session_(library.calls.ReleaseSession) {}

  Result<void> load(const std::string& file, const SessionOptions& options) {
    Owned<OrtSessionOptions> settings(calls_.ReleaseSessionOptions);
    MK_OK(check(calls_, calls_.CreateSessionOptions(settings.out()), "ONNX Runtime"));
    constexpr int kAllOptimisations = 99;
    MK_OK(check(calls_, calls_.SetSessionGraphOptimizationLevel(settings.get(), kAllOptimisations), "ONNX Runtime"));
    MK_OK(check(calls_, calls_.SetIntraOpNumThreads(settings.get(), options.threads), "ONNX Runtime"));
    MK_OK(check(calls_, calls_.SetInterOpNumThreads(settings.get(), 1), "ONNX Runtime"));
    const bool awake = options.awake > Duration{};
    MK_OK(set(settings.get(), "session.intra_op.allow_spinning", awake ? "1" : "0"));
    if (awake)
      MK_OK(set(settings.get(), "session.intra_op.spin_duration_us", fmt::format("{}", options.awake.nanoseconds / 1000)));
    MK_OK(check(calls_, calls_.CreateSession(library_.env, file.c_str(), settings.get(), session_.out()),
                "the ONNX model does not load"));
    MK_OK(read_inputs());
    MK_OK(read_outputs());
    batches_ = options.try_batching && rows_are_independent(*this);
    return {};
  }

  const Signature& signature() const override { return signature_; }
  std::string_view platform() const override { return "onnxruntime_onnx"; }
  bool batches() const override { return batches_; }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, Duration) override {
    std::vector<Owned<OrtValue>> owned;
    std::vector<const OrtValue*> values;
    owned.reserve(inputs.size());
    for (const auto& tensor : inputs) {
      MK_TRY(auto value, make_value(tensor));
      values.push_back(value.get());
      owned.push_back(std::move(value));
    }
    std::vector<OrtValue*> results(outputs_.size(), nullptr);
    OrtStatus* status = calls_.Run(session_.get(), nullptr, input_names_.data(), values.data(), values.size(),
                                   output_names_.data(), results.size(), results.data());
    std::vector<Owned<OrtValue>> owned_results;
    for (OrtValue* result : results) *owned_results.emplace_back(calls_.ReleaseValue).out() = result;
    MK_OK(check(calls_, status, "the model cannot process this input"));
    std::vector<Tensor> outputs;
    outputs.reserve(results.size());
    for (size_t i = 0; i < results.size(); ++i) {
      MK_TRY(auto tensor, outputs_[i].zip_map ? read_zip_map(results[i]) : read_tensor(results[i]));
      tensor.name = signature_.outputs[i].name;
      outputs.push_back(std::move(tensor));
    }
    return outputs;
  }

 private:
  Result<void> set(OrtSessionOptions* settings, const char* name, const std::string& value) {
    return check(calls_, calls_.AddSessionConfigEntry(settings, name, value.c_str()), "ONNX Runtime");
  }

  using NameCall = OrtStatus* (*)(const OrtSession*, size_t, OrtAllocator*, char**);
  using TypeCall = OrtStatus* (*)(const OrtSession*, size_t, OrtTypeInfo**);

  Result<std::string> read_name(NameCall call, size_t index) {
    char* name = nullptr;
    MK_OK(check(calls_, call(session_.get(), index, library_.allocator, &name), "the ONNX model has a nameless tensor"));
    std::string copy = name;
    MK_OK(check(calls_, calls_.AllocatorFree(library_.allocator, name), "ONNX Runtime"));
    return copy;
  }

  Result<void> read_inputs() {
    size_t count = 0;
    MK_OK(check(calls_, calls_.SessionGetInputCount(session_.get(), &count), "ONNX Runtime"));
    for (size_t i = 0; i < count; ++i) {
      MK_TRY(auto name, read_name(calls_.SessionGetInputName, i));
      Owned<OrtTypeInfo> type(calls_.ReleaseTypeInfo);
      MK_OK(check(calls_, calls_.SessionGetInputTypeInfo(session_.get(), i, type.out()), "ONNX Runtime"));
      int kind = 0;
      MK_OK(check(calls_, calls_.GetOnnxTypeFromTypeInfo(type.get(), &kind), "ONNX Runtime"));
      if (kind != kOnnxTensor) return unsupported("input", name);
      MK_TRY(auto spec, read_spec(type.get(), "input", name));
      signature_.inputs.push_back(std::move(spec));
    }
    for (const auto& spec : signature_.inputs) input_names_.push_back(spec.name.c_str());
    return {};
  }

  Result<void> read_outputs() {
    size_t count = 0;
    MK_OK(check(calls_, calls_.SessionGetOutputCount(session_.get(), &count), "ONNX Runtime"));
    for (size_t i = 0; i < count; ++i) {
      MK_TRY(auto name, read_name(calls_.SessionGetOutputName, i));
      Owned<OrtTypeInfo> type(calls_.ReleaseTypeInfo);
      MK_OK(check(calls_, calls_.SessionGetOutputTypeInfo(session_.get(), i, type.out()), "ONNX Runtime"));
      int kind = 0;
      MK_OK(check(calls_, calls_.GetOnnxTypeFromTypeInfo(type.get(), &kind), "ONNX Runtime"));
      if (kind == kOnnxTensor) {
        MK_TRY(auto spec, read_spec(type.get(), "output", name));
        signature_.outputs.push_back(std::move(spec));
      } else if (kind == kOnnxSequence) {
        MK_TRY(auto spec, read_zip_map_spec(type.get(), name));
        signature_.outputs.push_back(std::move(spec));
      } else {
        return unsupported("output", name);
      }
      outputs_.push_back({.zip_map = kind == kOnnxSequence});
    }
    for (const auto& spec : signature_.outputs) output_names_.push_back(spec.name.c_str());
    return {};
  }

  static Failure unsupported(std::string_view what, std::string_view name) {
    return fail(Error{Code::kInvalidArgument, "unsupported_model",
                      fmt::format("{} \"{}\" of the ONNX model is not a tensor", what, name)}
                    .with_hint("export the model with tensors only"));
  }

  Result<TensorSpec> read_spec(const OrtTypeInfo* type, std::string_view what, const std::string& name) {
    const OrtTensorInfo* info = nullptr;
    MK_OK(check(calls_, calls_.CastTypeInfoToTensorInfo(type, &info), "ONNX Runtime"));
    TensorSpec spec{.name = name};
    MK_OK(read_shape(info, spec.type, spec.shape, fmt::format("{} \"{}\"", what, name)));
    return spec;
  }

  Result<void> read_shape(const OrtTensorInfo* info, DataType& type, std::vector<int64_t>& shape,
                          std::string_view whose) {
    int element = 0;
    MK_OK(check(calls_, calls_.GetTensorElementType(info, &element), "ONNX Runtime"));
    const auto known = data_type_of(element);
    if (!known)
      return fail(Code::kInvalidArgument, "unsupported_model",
                  fmt::format("{} of the ONNX model has element type {}, which V2 has no name for", whose, element));
    type = *known;
    size_t rank = 0;
    MK_OK(check(calls_, calls_.GetDimensionsCount(info, &rank), "ONNX Runtime"));
    shape.resize(rank);
    MK_OK(check(calls_, calls_.GetDimensions(info, shape.data(), rank), "ONNX Runtime"));
    return {};
  }

  // sequence(map(key, number)) reads as a tensor [rows, keys].
  Result<TensorSpec> read_zip_map_spec(const OrtTypeInfo* type, const std::string& name) {
    const OrtSequenceInfo* sequence = nullptr;
    MK_OK(check(calls_, calls_.CastTypeInfoToSequenceTypeInfo(type, &sequence), "ONNX Runtime"));
    Owned<OrtTypeInfo> element(calls_.ReleaseTypeInfo), value(calls_.ReleaseTypeInfo);
    MK_OK(check(calls_, calls_.GetSequenceElementType(sequence, element.out()), "ONNX Runtime"));
    int kind = 0;
    MK_OK(check(calls_, calls_.GetOnnxTypeFromTypeInfo(element.get(), &kind), "ONNX Runtime"));
    if (kind != kOnnxMap) return unsupported("output", name);
    const OrtMapInfo* map = nullptr;
    MK_OK(check(calls_, calls_.CastTypeInfoToMapTypeInfo(element.get(), &map), "ONNX Runtime"));
    MK_OK(check(calls_, calls_.GetMapValueType(map, value.out()), "ONNX Runtime"));
    MK_TRY(auto spec, read_spec(value.get(), "output", name));
    if (spec.type == DataType::kBytes) return unsupported("output", name);
    spec.shape = {-1, -1};
    return spec;
  }

  Result<Owned<OrtValue>> make_value(const Tensor& tensor) {
    Owned<OrtValue> value(calls_.ReleaseValue);
    const int element = kElementTypes[static_cast<size_t>(tensor.type)];
    if (tensor.type != DataType::kBytes) {
      // The library reads inputs in place and never writes to them.
      auto* bytes = const_cast<std::byte*>(tensor.data.data());
      MK_OK(check(calls_,
                  calls_.CreateTensorWithDataAsOrtValue(library_.cpu, bytes, tensor.data.size(), tensor.shape.data(),
                                                        tensor.shape.size(), element, value.out()),
                  "ONNX Runtime"));
      return value;
    }
    MK_OK(check(calls_,
                calls_.CreateTensorAsOrtValue(library_.allocator, tensor.shape.data(), tensor.shape.size(), element,
                                              value.out()),
                "ONNX Runtime"));
    for (size_t i = 0; i < tensor.texts.size(); ++i) {
      const std::string& text = tensor.texts[i];
      char* room = nullptr;
      MK_OK(check(calls_, calls_.GetResizedStringTensorElementBuffer(value.get(), i, text.size(), &room), "ONNX Runtime"));
      std::memcpy(room, text.data(), text.size());
    }
    return value;
  }

  Result<Tensor> read_tensor(OrtValue* value) {
    Owned<OrtTensorInfo> info(calls_.ReleaseTensorTypeAndShapeInfo);
    MK_OK(check(calls_, calls_.GetTensorTypeAndShape(value, info.out()), "ONNX Runtime"));
    Tensor tensor;
    MK_OK(read_shape(info.get(), tensor.type, tensor.shape, "a result"));
    MK_TRY(const size_t count, element_count(tensor.shape, "a result"));
    if (tensor.type == DataType::kBytes) {
      MK_OK(read_texts(value, count, tensor.texts));
      return tensor;
    }
    void* bytes = nullptr;
    MK_OK(check(calls_, calls_.GetTensorMutableData(value, &bytes), "ONNX Runtime"));
    tensor.data = Buffer(count * size_of(tensor.type));
    if (count > 0) std::memcpy(tensor.data.data(), bytes, tensor.data.size());
    return tensor;
  }

  Result<void> read_texts(const OrtValue* value, size_t count, std::vector<std::string>& texts) {
    size_t total = 0;
    MK_OK(check(calls_, calls_.GetStringTensorDataLength(value, &total), "ONNX Runtime"));
    std::string all(total, '\0');
    std::vector<size_t> offsets(count);
    MK_OK(check(calls_, calls_.GetStringTensorContent(value, all.data(), total, offsets.data(), count), "ONNX Runtime"));
    for (size_t i = 0; i < count; ++i) {
      const size_t end = i + 1 < count ? offsets[i + 1] : total;
      texts.push_back(all.substr(offsets[i], end - offsets[i]));
    }
    return {};
  }

  Result<Tensor> read_zip_map(OrtValue* sequence) {
    size_t rows = 0;
    MK_OK(check(calls_, calls_.GetValueCount(sequence, &rows), "ONNX Runtime"));
    Tensor joined;
    size_t classes = 0;
    for (size_t row = 0; row < rows; ++row) {
      Owned<OrtValue> map(calls_.ReleaseValue), values(calls_.ReleaseValue);
      MK_OK(check(calls_, calls_.GetValue(sequence, static_cast<int>(row), library_.allocator, map.out()), "ONNX Runtime"));
      constexpr int kValuesOfMap = 1;  // 0 gives the keys
      MK_OK(check(calls_, calls_.GetValue(map.get(), kValuesOfMap, library_.allocator, values.out()), "ONNX Runtime"));
      MK_TRY(auto one, read_tensor(values.get()));
      if (row == 0) {
        classes = one.elements();
        joined.type = one.type;
        joined.data = Buffer(rows * one.data.size());
      }
      if (one.elements() != classes)
        return fail(Code::kInvalidArgument, "onnx_failed", "the model's maps differ in size; they make no tensor");
      std::memcpy(joined.data.data() + row * one.data.size(), one.data.data(), one.data.size());
    }
    joined.shape = {static_cast<int64_t>(rows), static_cast<int64_t>(classes)};
    return joined;
  }

  const Library& library_;
  const Calls& calls_;
  Owned<OrtSession> session_;
  Signature signature_;
  std::vector<const char*> input_names_, output_names_;
  std::vector<Output> outputs_;
  bool batches_ = false;
};

}  // namespace

Result<std::unique_ptr<Engine>> load_session(const std::string& file, const SessionOptions& options) {
  MK_TRY(const Library* library, open_library(options.library));
  auto session = std::make_unique<Session>(*library);
  MK_OK(session->load(file, options));
  return session;
}

}  // namespace mk::dataplane::onnx
