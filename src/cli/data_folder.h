#pragma once
#include <string>

namespace mk::cli {

// Where `modelkit up` keeps its data unless told otherwise: /var/lib/modelkit for root, else ~/.modelkit.
std::string default_data_folder();

}  // namespace mk::cli
