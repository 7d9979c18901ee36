// The files of web/ that every page carries, compiled into the program by embed.py.
#pragma once

#include <string>
#include <string_view>

namespace mainspring::scenarios {

// The file's text; empty if there is no such file.
std::string asset(std::string_view name);

}  // namespace mainspring::scenarios
