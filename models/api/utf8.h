// UTF-8, as JSON and expressions spell characters by their number.
#pragma once

#include <cstdint>
#include <string>

namespace mainspring::api {

// The character must be at most U+10FFFF.
void append_utf8(uint32_t character, std::string& out);

}  // namespace mainspring::api
