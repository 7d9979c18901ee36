#include "scenarios/samples.h"

#include <initializer_list>

namespace mainspring::scenarios {

namespace {
void put(std::string& out, int64_t value) {
  uint64_t v = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; v >= 0x80; v >>= 7) out += static_cast<char>(v | 0x80);
  out += static_cast<char>(v);
}

bool take(std::string_view& in, int64_t& value) {
  uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return false;
    const uint8_t byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    v |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) {
      value = static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
      return true;
    }
  }
  return false;
}
}  // namespace

std::string encode_sample(const ClusterSample& s) {
  std::string out;
  for (const int64_t v : {s.cpu_used_milli, s.cpu_capacity_milli, s.memory_used_bytes,
                          s.cost_micro_usd, s.cost_rate_micro_usd_h}) {
    put(out, v);
  }
  return out;
}

bool decode_sample(std::string_view bytes, ClusterSample& s) {
  for (int64_t* v : {&s.cpu_used_milli, &s.cpu_capacity_milli, &s.memory_used_bytes,
                     &s.cost_micro_usd, &s.cost_rate_micro_usd_h}) {
    if (!take(bytes, *v)) return false;
  }
  return bytes.empty();
}

}  // namespace mainspring::scenarios
