// The one binary. Everything it can do is a verb.
#include <string>
#include <vector>

#include "app/up.h"
#include "cli/verb.h"
#include "cli/verbs.h"

int main(int count, char** words) {
  using namespace mk;
  const std::vector<cli::Verb> verbs = {
      app::up_verb(),
      cli::version_verb(),
  };
  return cli::run_program(verbs, {words + 1, words + count});
}
