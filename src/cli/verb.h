// A verb of the command line: `modelkit VERB ...`. One file a verb; app/main.cc lists them.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/options.h"

namespace mk::cli {

// Exit codes that scripts may rely on.
enum Exit : int {
  kOk = 0, kFailed = 1, kUsage = 2, kNotFound = 3, kConflict = 4, kDenied = 5, kTimeout = 6, kServerAway = 7,
};
int exit_code(Code code);

struct Verb {
  std::string name;
  std::string usage;                // "deploy MODEL_URI --name NAME"
  std::string what;                 // one line
  std::vector<Option> options;
  std::function<Result<int>(const Arguments&)> run;  // prints its own data on stdout; errors are printed by main
  bool internal = false;            // run by modelkit itself; not listed
  std::string examples = {};        // printed at the end of --help
};

// Finds the verb, parses, runs, prints errors as one sentence. `words` without the program's name.
int run_program(const std::vector<Verb>& verbs, const std::vector<std::string>& words);

}  // namespace mk::cli
