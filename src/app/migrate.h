#pragma once
#include "cli/verb.h"

namespace mk::app {

// Says how far the database is, brings it up to date and makes it small, while modelkit does not run.
// `modelkit up` brings a database up to date as well; this is for those who want to look first, keep a copy,
// and have the time.
cli::Verb migrate_verb();

}  // namespace mk::app
