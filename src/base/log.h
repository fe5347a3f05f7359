// Log lines for operators: one JSON object a line on stderr, or short text when stderr is a terminal.
// Thread-safe; a line is written with one write(2).
#pragma once
#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace mk::log {

enum class Level { kDebug, kInfo, kWarn, kError };
using Field = std::pair<const std::string_view, Json>;

void set_level(Level level);
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::kDebug, m, f); }
inline void info(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::kInfo, m, f); }
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::kWarn, m, f); }
inline void error(std::string_view m, std::initializer_list<Field> f = {}) { write(Level::kError, m, f); }

}  // namespace mk::log
