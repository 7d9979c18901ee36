// The journal: everything of note that happens in a run, in order, chained into a digest.
//
// A record is {virtual time, event, cause, type, key, payload}: `type` says what the payload is
// ("store.update"), `key` which object it is about ("Pod/default/web-1"); the payload's encoding
// belongs to whoever writes the type. Results, reports, diff and replay read nothing else.
//
// The digest is XXH3-128 over the encoded records (sim/journal.proto): two runs have the same
// digest exactly if they wrote the same records. A checkpoint {records, time, digest so far} every
// kCheckpointInterval records lets two journals be compared, and a difference be found, by pieces.
//
// A value: forks share the chunks written before the fork and never each other's later ones, so
// that copying costs by the number of chunks and strings, not by their bytes.
//
// Not part of the digest: the header (seed, version), so that runs can be compared across them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/time.h"

namespace mainspring::sim {

// 128 bits as 32 hexadecimal digits, and back to back comparable.
struct Digest128 {
  uint64_t high = 0;
  uint64_t low = 0;
  std::string hex() const;
  friend bool operator==(const Digest128&, const Digest128&) = default;
};

// A string of the journal's dictionary. The default is the empty string.
struct TextId {
  uint32_t value = 0;
  friend bool operator==(TextId, TextId) = default;
};

struct JournalHeader {
  std::string version;
  uint64_t seed = 0;
  std::string scenario;
  std::string scenario_hash;
  std::vector<std::pair<std::string, std::string>> attributes;  // written in this order
};

struct JournalCheckpoint {
  uint64_t records = 0;  // records before it
  SimTime at;            // time of the last of them
  Digest128 digest;
  friend bool operator==(const JournalCheckpoint&, const JournalCheckpoint&) = default;
};

// One record, as read. The views hold until the reader moves on.
struct JournalRecord {
  uint64_t index = 0;  // 0, 1, 2, ...
  SimTime at;
  uint64_t sequence = 0;  // of the event that wrote it; 0: the setup
  uint64_t cause = 0;     // of that event; 0: none
  std::string_view type;
  std::string_view key;
  std::string_view payload;
};

enum class JournalStorage {
  kMemory,      // records are kept as encoded
  kCompressed,  // records are kept zstd-compressed, chunk by chunk
  kDigestOnly,  // nothing is kept but the digest and its checkpoints
};

class Journal {
 public:
  static constexpr uint64_t kCheckpointInterval = 4096;

  explicit Journal(JournalStorage storage = JournalStorage::kMemory);
  Journal(const Journal& other);
  Journal(Journal&&) noexcept;
  Journal& operator=(const Journal& other);
  Journal& operator=(Journal&&) noexcept;
  ~Journal();

  void set_header(JournalHeader header);
  const JournalHeader& header() const;

  // What is kept of the records. Before the first record only.
  void set_storage(JournalStorage storage);
  JournalStorage storage() const;

  // The id of a string, entered into the dictionary at first use. Ids hold in all forks made later.
  TextId text(std::string_view text);

  // Appends a record. Time must not go back.
  void append(SimTime at, uint64_t sequence, uint64_t cause, TextId type, TextId key,
              std::string_view payload);
  void append(SimTime at, uint64_t sequence, uint64_t cause, std::string_view type,
              std::string_view key, std::string_view payload) {
    const TextId type_id = text(type);
    const TextId key_id = text(key);
    append(at, sequence, cause, type_id, key_id, payload);
  }

  uint64_t records() const;
  // Bytes of encoded records so far, before compression.
  uint64_t bytes() const;
  // Of all records so far.
  Digest128 digest() const;
  std::string digest_hex() const { return digest().hex(); }
  // Every kCheckpointInterval records, without one for the end.
  const std::vector<JournalCheckpoint>& checkpoints() const;

  // Writes a file that JournalReader::open reads. Returns an empty string, or what went wrong.
  // Not in kDigestOnly.
  std::string save(const std::string& path) const;

 private:
  friend class JournalReader;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads the records of a journal in order, from memory or from a file.
//
//   JournalReader reader = JournalReader::open(path);
//   JournalRecord record;
//   while (reader.next(record)) ...
//   if (!reader.error().empty()) ...      // unreadable, cut off, or not what its digest says
class JournalReader {
 public:
  // What the journal holds now; records appended later are not seen.
  explicit JournalReader(const Journal& journal);
  static JournalReader open(const std::string& path);
  JournalReader(JournalReader&&) noexcept;
  JournalReader& operator=(JournalReader&&) noexcept;
  ~JournalReader();

  // False at the end, or on an error.
  bool next(JournalRecord& record);
  // Empty while all is well.
  const std::string& error() const;
  const JournalHeader& header() const;
  // Records read so far, and their digest.
  uint64_t records() const;
  Digest128 digest() const;
  // The checkpoints passed so far.
  const std::vector<JournalCheckpoint>& checkpoints() const;

 private:
  struct Impl;
  explicit JournalReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mainspring::sim
