// Native runtimes where Pods can reach them: a Pod has a user of its own, which need not be able to pass to where the
// runtime was installed.
#pragma once
#include <string>

#include "base/error.h"

namespace mk::app {

// Links (or copies, across file systems) ONNX Runtime into `folder` unless it is there. Nothing to do when it is not
// installed: the model server then says what is missing.
Result<void> install_engines(const std::string& folder);

}  // namespace mk::app
