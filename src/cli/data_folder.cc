#include "cli/data_folder.h"

#include <unistd.h>

#include <cstdlib>

namespace mk::cli {

std::string default_data_folder() {
  if (geteuid() == 0) return "/var/lib/modelkit";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : ".") + "/.modelkit";
}

}  // namespace mk::cli
