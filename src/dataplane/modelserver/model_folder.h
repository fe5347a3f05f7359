// What a model's folder holds and which engine serves it.
#pragma once
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace mk::dataplane {

enum class ModelFormat { kOnnx, kPyfunc, kSklearn };

struct ModelFolder {
  ModelFormat format = ModelFormat::kOnnx;
  std::string folder;  // absolute; what a worker in Python gets to see
  std::string file;    // absolute; of kOnnx and kSklearn
};

// Understands: an MLflow model (MLmodel; flavour onnx before python_function), FILE.onnx, a folder with one .onnx
// file, Triton's FOLDER/<number>/model.onnx (the highest number), a folder with model.joblib or model.pkl.
// The error says what was found and what would do.
Result<ModelFolder> inspect_model(const std::string& path);

}  // namespace mk::dataplane
