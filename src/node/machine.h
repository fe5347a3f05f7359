// What this machine is and has, read once.
#pragma once
#include <cstdint>
#include <string>

namespace mk::node {

struct Machine {
  std::string host_name;  // lower case, fit for an object's name
  std::string limits;        // how containers' limits are kept, one sentence
  bool limits_kept = false;  // all of them, for all processes of a container together
  int64_t cpus = 1;
  int64_t memory_kib = 0;
  int64_t disk_bytes = 0;  // of the data folder's file system
  std::string kernel, os_image, architecture, machine_id, boot_id;
};
Machine read_machine(const std::string& data_folder);

}  // namespace mk::node
