#pragma once
#include <string>

#include "cli/options.h"

namespace mk::cli {

// Where `modelkit up` keeps its data unless told otherwise: /var/lib/modelkit for root, else ~/.modelkit.
std::string default_data_folder();

// What --data says, else the environment's MODELKIT_DATA, else the default.
std::string data_folder_of(const Arguments& arguments);

}  // namespace mk::cli
