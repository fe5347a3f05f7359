// The one binary. Everything it can do is a verb.
#include <string>
#include <vector>

#include "app/backup_verbs.h"
#include "app/migrate.h"
#include "app/up.h"
#include "cli/verb.h"
#include "cli/verbs.h"

int main(int count, char** words) {
  using namespace mk;
  const std::vector<cli::Verb> verbs = {
      app::up_verb(),       cli::deploy_verb(), cli::rollout_verb(), cli::apply_verb(),        cli::get_verb(),
      cli::describe_verb(), cli::logs_verb(),   cli::delete_verb(),  cli::image_verb(), cli::doctor_verb(),        cli::version_verb(),
      app::backup_verb(),
      app::restore_verb(),
      app::migrate_verb(),
      cli::user_verb(), cli::token_verb(), cli::kubeconfig_verb(), cli::secrets_verb(),
      cli::environment_verb(),
      cli::model_server_verb(),
      cli::gateway_verb(),
  };
  return cli::run_program(verbs, {words + 1, words + count});
}
