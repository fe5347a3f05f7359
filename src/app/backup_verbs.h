#pragma once
#include "cli/verb.h"

namespace mk::app {

cli::Verb backup_verb();
cli::Verb restore_verb();

}  // namespace mk::app
