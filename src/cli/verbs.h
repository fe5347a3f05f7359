// The verbs of this folder, one function a file. app/main.cc puts them in order.
#pragma once
#include "cli/verb.h"

namespace mk::cli {

Verb apply_verb();     // apply.cc
Verb delete_verb();    // delete.cc
Verb deploy_verb();    // deploy.cc
Verb doctor_verb();    // doctor.cc
Verb describe_verb();  // describe.cc
Verb environment_verb();  // environment.cc
Verb gateway_verb();   // gateway.cc
Verb get_verb();       // get.cc
Verb image_verb();     // image.cc
Verb kubeconfig_verb();  // kubeconfig.cc
Verb logs_verb();      // logs.cc
Verb model_server_verb();  // model_server.cc
Verb rollout_verb();   // rollout.cc
Verb secrets_verb();   // secrets.cc
Verb token_verb();     // token.cc
Verb user_verb();      // user.cc
Verb version_verb();   // version.cc

}  // namespace mk::cli
