// modelkit up: the whole platform in one process, until it is told to stop.
#pragma once
#include "cli/verb.h"

namespace mk::app {

cli::Verb up_verb();

}  // namespace mk::app
