// Small files and folders of our own state, by blocking calls. For artifacts see blob/.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::os {

// kNotFound when absent, kTooLarge above `bytes_max`.
Result<std::string> read_file(const std::string& path, size_t bytes_max = 16u << 20);
// Replaces atomically. `durable`: file and folder are on the disk when it returns.
Result<void> write_file(const std::string& path, std::string_view bytes, uint32_t mode = 0600,
                        bool durable = false);
// With its parents; existing folders keep their mode.
Result<void> make_folder(const std::string& path, uint32_t mode = 0700);
// A folder with all that it holds, or a file; symbolic links are removed, never followed. Absent is fine.
Result<void> remove_all(const std::string& path);
// Names in a folder, sorted, without "." and ".."; empty when the folder is absent.
std::vector<std::string> list_folder(const std::string& path);
bool exists(const std::string& path);

}  // namespace mk::os
