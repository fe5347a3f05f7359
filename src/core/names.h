// The rules of Kubernetes for names, labels and annotations, in its own words. Each function returns what is
// wrong, or an empty string.
#pragma once
#include <string>
#include <string_view>

namespace mk::core::names {

std::string dns_1123_label(std::string_view text);      // "web-0"
std::string dns_1123_subdomain(std::string_view text);  // "web-0.example.com"
std::string dns_1035_label(std::string_view text);      // a label that starts with a letter
std::string port_name(std::string_view text);           // "http-1"
std::string path_segment(std::string_view text);           // "system:discovery": whatever a path can hold
std::string qualified_name(std::string_view text);      // "example.com/key": label and annotation keys
std::string label_value(std::string_view text);
std::string env_var_name(std::string_view text);
std::string config_key(std::string_view text);  // keys of ConfigMaps and Secrets

}  // namespace mk::core::names
