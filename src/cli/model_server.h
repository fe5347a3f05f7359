// modelkit model-server: serves one model; what the image modelkit/model-server stands for.
#pragma once
#include "cli/verb.h"

namespace mk::cli {

Verb model_server_verb();

}  // namespace mk::cli
