// What a model's folder says about the Python that it needs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::node {

struct Requirements {
  std::string python;              // "3.11"; empty = any
  std::vector<std::string> lines;  // "scikit-learn==1.9.1", sorted, each once
  bool operator==(const Requirements&) const = default;
};

// From requirements.txt, else conda.yaml's pip list, else python_env.yaml's dependencies. Only plain names with
// versions and markers are taken: a model must not choose the index, a URL or a path to install from.
// kNotFound when the folder names no requirements.
Result<Requirements> read_requirements(const std::string& model_folder);

// Whether a worker in Python is what serves this model: an MLflow model without the onnx flavour, or a pickled
// estimator.
Result<bool> needs_python(const std::string& model_folder);

// `text` of a requirements.txt, one requirement a line.
Result<std::vector<std::string>> parse_requirements(std::string_view text);

// The same with mlflow-skinny and pandas instead of mlflow: a third of the size, enough to load most models. Equal to the
// argument when there is nothing to replace.
Requirements lighten(const Requirements& full);

// Names equal needs, whatever the order in the file.
std::string requirements_key(const Requirements& requirements);

}  // namespace mk::node
