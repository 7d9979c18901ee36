#include "models/api/utf8.h"

namespace mainspring::api {

void append_utf8(uint32_t character, std::string& out) {
  const auto byte = [&out](uint32_t b) { out += static_cast<char>(b); };
  if (character < 0x80) return byte(character);
  if (character < 0x800) {
    byte(0xC0 | character >> 6);
  } else {
    if (character < 0x10000) {
      byte(0xE0 | character >> 12);
    } else {
      byte(0xF0 | character >> 18);
      byte(0x80 | (character >> 12 & 0x3F));
    }
    byte(0x80 | (character >> 6 & 0x3F));
  }
  byte(0x80 | (character & 0x3F));
}

}  // namespace mainspring::api
