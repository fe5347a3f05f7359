// fmt::format for the whole project: libstdc++ 12 has no <format>.
#pragma once
#include <fmt/core.h>
