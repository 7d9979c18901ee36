// Any file is read as a journal to its end or to an error. The first byte says what the rest is:
// a file, the uncompressed contents of one, or the payload of one record of the store.
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "scenarios/history.h"
#include "sim/check.h"
#include "sim/journal.h"
#include "tests/fuzz/file.h"

using namespace mainspring;

namespace {

void read(std::string_view bytes) {
  const std::string path = fuzz::file_with(bytes, "journal.mspj");
  sim::JournalReader reader = sim::JournalReader::open(path);
  for (sim::JournalRecord record; reader.next(record);) {
  }
  reader.digest();
  scenarios::History history(path);
  history.final_state();
}

void read_record(std::string_view payload) {
  sim::Journal journal;
  journal.append(sim::SimTime(), 0, 0, "store.add", "Pod/default/a", payload);
  journal.append(sim::SimTime(), 0, 0, "store.update", "Pod/default/a", payload);
  scenarios::History history(journal);
  history.final_state();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'f':
      read(rest);
      break;
    case 'r':
      read_record(rest);
      break;
    default: {
      std::string compressed(ZSTD_compressBound(rest.size()), '\0');
      compressed.resize(
          ZSTD_compress(compressed.data(), compressed.size(), rest.data(), rest.size(), 1));
      read(compressed);
    }
  }
  return 0;
}
