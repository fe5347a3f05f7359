#include "cli/data_folder.h"

#include <unistd.h>

#include <cstdlib>

namespace mk::cli {

std::string default_data_folder() {
  if (geteuid() == 0) return "/var/lib/modelkit";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : ".") + "/.modelkit";
}

std::string data_folder_of(const Arguments& arguments) {
  if (arguments.has("--data")) return arguments.text("--data");
  const char* set = std::getenv("MODELKIT_DATA");
  return set && *set ? set : default_data_folder();
}

}  // namespace mk::cli
