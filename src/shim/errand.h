// What modelkit cannot do to files of a Pod's user when it is not root: done by a shim that joins the users' namespace.
#pragma once

namespace mk::shim {

// --give NAMESPACE_FD UID PATH... : makes UID the owner; links are not followed.
// --remove NAMESPACE_FD PATH      : a folder and all that it holds.
// The program's exit code; says on stderr what went wrong.
int run_errand(int argc, char** argv);

}  // namespace mk::shim
