#include "sim/journal.h"

#define XXH_STATIC_LINKING_ONLY  // the hasher's state by value
#include <fmt/format.h>
#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "sim/check.h"

namespace mainspring::sim {

namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;
constexpr uint32_t kFormat = 1;
// No entry of a file may claim to be larger: a damaged length must not become an allocation.
constexpr uint64_t kMaxEntryBytes = uint64_t{1} << 30;
// Fast, since it runs during the simulation; the records are repetitive and still shrink well.
constexpr int kCompressionLevel = 1;

// Field numbers and wire types of journal.proto.
constexpr uint8_t varint_tag(unsigned field) { return static_cast<uint8_t>(field << 3); }
constexpr uint8_t fixed64_tag(unsigned field) { return static_cast<uint8_t>((field << 3) | 1); }
constexpr uint8_t bytes_tag(unsigned field) { return static_cast<uint8_t>((field << 3) | 2); }

constexpr unsigned kEntryHeader = 1, kEntryText = 2, kEntryRecord = 3, kEntryCheckpoint = 4;

char* put_varint(char* p, uint64_t v) {
  while (v >= 0x80) {
    *p++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *p++ = static_cast<char>(v);
  return p;
}

size_t varint_size(uint64_t v) {
  size_t n = 1;
  while (v >= 0x80) {
    v >>= 7;
    ++n;
  }
  return n;
}

char* put_field(char* p, unsigned field, uint64_t v) {
  if (v == 0) return p;
  *p++ = static_cast<char>(varint_tag(field));
  return put_varint(p, v);
}

char* put_fixed64(char* p, unsigned field, uint64_t v) {
  *p++ = static_cast<char>(fixed64_tag(field));
  for (int i = 0; i < 8; ++i) *p++ = static_cast<char>(v >> (8 * i));
  return p;
}

void append_varint(std::string& out, uint64_t v) {
  char buffer[10];
  out.append(buffer, static_cast<size_t>(put_varint(buffer, v) - buffer));
}

void append_bytes(std::string& out, unsigned field, std::string_view bytes) {
  out.push_back(static_cast<char>(bytes_tag(field)));
  append_varint(out, bytes.size());
  out.append(bytes);
}

uint64_t zigzag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

// Length prefix, the Entry's field and the message in it.
std::string entry(unsigned kind, std::string_view message) {
  std::string body;
  append_bytes(body, kind, message);
  std::string out;
  append_varint(out, body.size());
  return out + body;
}

std::string encode(const JournalHeader& header) {
  std::string m;
  m.push_back(static_cast<char>(varint_tag(1)));
  append_varint(m, kFormat);
  append_bytes(m, 2, header.version);
  m.push_back(static_cast<char>(varint_tag(3)));
  append_varint(m, header.seed);
  append_bytes(m, 4, header.scenario);
  append_bytes(m, 5, header.scenario_hash);
  for (const auto& [name, value] : header.attributes) {
    std::string pair;
    append_bytes(pair, 1, name);
    append_bytes(pair, 2, value);
    append_bytes(m, 6, pair);
  }
  return entry(kEntryHeader, m);
}

std::string encode(const JournalCheckpoint& checkpoint, bool end) {
  char buffer[64];
  char* p = put_field(buffer, 1, checkpoint.records);
  p = put_field(p, 2, static_cast<uint64_t>(checkpoint.at.ns()));
  p = put_fixed64(p, 3, checkpoint.digest.high);
  p = put_fixed64(p, 4, checkpoint.digest.low);
  p = put_field(p, 5, end ? 1 : 0);
  return entry(kEntryCheckpoint, {buffer, static_cast<size_t>(p - buffer)});
}

// A streaming XXH3-128 that can be copied.
class Hasher {
 public:
  Hasher() { XXH3_128bits_reset(&state_); }
  Hasher(const Hasher& other) { XXH3_copyState(&state_, &other.state_); }
  Hasher& operator=(const Hasher& other) {
    XXH3_copyState(&state_, &other.state_);
    return *this;
  }
  void update(const char* bytes, size_t size) { XXH3_128bits_update(&state_, bytes, size); }
  Digest128 digest() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.high64, hash.low64};
  }

 private:
  XXH3_state_t state_;
};

// Consecutive entries. Bytes below `size` never change once a copy of the journal may see them.
struct Chunk {
  std::shared_ptr<char[]> bytes;
  size_t size = 0;  // bytes held: encoded, or compressed
  size_t capacity = 0;
  size_t raw_size = 0;  // when compressed: bytes encoded; else 0
};

std::string compress(const char* bytes, size_t size) {
  std::string out(ZSTD_compressBound(size), '\0');
  const size_t n = ZSTD_compress(out.data(), out.size(), bytes, size, kCompressionLevel);
  MAINSPRING_CHECK(!ZSTD_isError(n), "zstd: {}", ZSTD_getErrorName(n));
  out.resize(n);
  return out;
}

// The ids of strings, by 96 bits of their hash: the strings themselves are in the records, where
// they were used first.
class Dictionary {
 public:
  // The id, 0 if the string is not in it.
  uint32_t find(const XXH128_hash_t& hash) const {
    if (places_.empty()) return 0;
    for (size_t i = home(hash.low64);; i = next(i)) {
      const Place& place = places_[i];
      if (place.id == 0) return 0;
      if (place.low == hash.low64 && place.high == high(hash)) return place.id;
    }
  }
  uint32_t add(const XXH128_hash_t& hash) {
    if ((size_ + size_t{1}) * 5 > places_.size() * 4) grow();
    insert({hash.low64, high(hash), ++size_});
    return size_;
  }

 private:
  struct Place {
    uint64_t low = 0;
    uint32_t high = 0;
    uint32_t id = 0;  // 0: free
  };

  static uint32_t high(const XXH128_hash_t& hash) { return static_cast<uint32_t>(hash.high64); }
  size_t home(uint64_t low) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>(Wide{low} * places_.size() >> 64);
  }
  size_t next(size_t i) const { return i + 1 == places_.size() ? 0 : i + 1; }
  void insert(const Place& place) {
    size_t i = home(place.low);
    while (places_[i].id != 0) i = next(i);
    places_[i] = place;
  }
  void grow() {
    const std::vector<Place> old = std::exchange(
        places_, std::vector<Place>(std::max<size_t>(64, places_.size() + places_.size() / 4)));
    for (const Place& place : old) {
      if (place.id != 0) insert(place);
    }
  }

  std::vector<Place> places_;
  uint32_t size_ = 0;
};

}  // namespace

std::string Digest128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

struct Journal::Impl {
  JournalHeader header;
  JournalStorage storage = JournalStorage::kMemory;
  std::vector<Chunk> chunks;
  // Whether this journal alone appends to the last chunk. A copy does not own it: it starts another
  // one, while the original goes on behind the bytes that the copy knows of.
  bool tail_owned = false;
  size_t tail_hashed = 0;  // bytes of the last chunk that the hasher has seen
  Hasher hasher;
  std::vector<JournalCheckpoint> trail;
  Dictionary dictionary;
  uint64_t records = 0;
  uint64_t bytes = 0;
  SimTime last_at;
  uint64_t last_sequence = 0;

  Impl() = default;
  Impl(const Impl& other)
      : header(other.header),
        storage(other.storage),
        chunks(other.chunks),
        tail_hashed(other.tail_hashed),
        hasher(other.hasher),
        trail(other.trail),
        dictionary(other.dictionary),
        records(other.records),
        bytes(other.bytes),
        last_at(other.last_at),
        last_sequence(other.last_sequence) {
    if (storage == JournalStorage::kDigestOnly && !chunks.empty()) {
      // The buffer is overwritten in turns, so it cannot be shared.
      Chunk& chunk = chunks.back();
      auto copy = std::make_shared_for_overwrite<char[]>(chunk.capacity);
      std::memcpy(copy.get(), chunk.bytes.get(), chunk.size);
      chunk.bytes = std::move(copy);
      tail_owned = true;
    }
  }
  Impl& operator=(const Impl&) = delete;

  void hash_tail() {
    if (chunks.empty()) return;
    Chunk& tail = chunks.back();
    if (tail.raw_size != 0 || tail_hashed == tail.size) return;
    hasher.update(tail.bytes.get() + tail_hashed, tail.size - tail_hashed);
    tail_hashed = tail.size;
  }

  // Room for n more bytes at the end of the last chunk.
  char* room(size_t n) {
    if (tail_owned && chunks.back().capacity - chunks.back().size >= n) {
      return chunks.back().bytes.get() + chunks.back().size;
    }
    return new_chunk(n);
  }
  char* new_chunk(size_t n) {
    hash_tail();
    tail_hashed = 0;
    const size_t capacity = std::max(kChunkBytes, n);
    if (storage == JournalStorage::kDigestOnly) {
      if (!chunks.empty() && chunks.back().capacity >= n) {
        chunks.back().size = 0;
        return chunks.back().bytes.get();
      }
      chunks.clear();
    } else if (storage == JournalStorage::kCompressed && !chunks.empty() &&
               chunks.back().raw_size == 0) {
      Chunk& tail = chunks.back();
      const std::string small = compress(tail.bytes.get(), tail.size);
      auto bytes_kept = std::make_shared_for_overwrite<char[]>(small.size());
      std::memcpy(bytes_kept.get(), small.data(), small.size());
      tail = {std::move(bytes_kept), small.size(), small.size(), tail.size};
    }
    chunks.push_back({std::make_shared_for_overwrite<char[]>(capacity), 0, capacity, 0});
    tail_owned = true;
    return chunks.back().bytes.get();
  }
  void commit(size_t n) {
    chunks.back().size += n;
    bytes += n;
  }

  Digest128 digest() const {
    if (chunks.empty() || chunks.back().raw_size != 0 || tail_hashed == chunks.back().size) {
      return hasher.digest();
    }
    Hasher all = hasher;
    all.update(chunks.back().bytes.get() + tail_hashed, chunks.back().size - tail_hashed);
    return all.digest();
  }

  uint32_t text_id(std::string_view text) {
    if (text.empty()) return 0;
    const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
    uint32_t id = dictionary.find(hash);
    if (id != 0) return id;
    id = dictionary.add(hash);
    // Entry { text: Text { id, text } }
    const size_t message = 1 + varint_size(id) + 1 + varint_size(text.size()) + text.size();
    const size_t body = 1 + varint_size(message) + message;
    char* const begin = room(body + 10);
    char* p = put_varint(begin, body);
    *p++ = static_cast<char>(bytes_tag(kEntryText));
    p = put_varint(p, message);
    p = put_field(p, 1, id);
    *p++ = static_cast<char>(bytes_tag(2));
    p = put_varint(p, text.size());
    std::memcpy(p, text.data(), text.size());
    commit(static_cast<size_t>(p - begin) + text.size());
    return id;
  }

  void append(SimTime at, uint64_t sequence, uint64_t cause, TextId type, TextId key,
              std::string_view payload) {
    MAINSPRING_CHECK(at >= last_at, "journal record at {} ns after one at {} ns", at.ns(),
                     last_at.ns());
    MAINSPRING_CHECK(cause == 0 || cause < sequence, "event {} caused by {}", sequence, cause);
    char fields[64];
    char* f = put_field(fields, 1, static_cast<uint64_t>((at - last_at).ns()));
    f = put_field(f, 2, zigzag(static_cast<int64_t>(sequence - last_sequence)));
    f = put_field(f, 3, cause == 0 ? 0 : sequence - cause);
    f = put_field(f, 4, type.value);
    f = put_field(f, 5, key.value);
    if (!payload.empty()) {
      *f++ = static_cast<char>(bytes_tag(6));
      f = put_varint(f, payload.size());
    }
    const size_t fields_size = static_cast<size_t>(f - fields);
    const size_t message = fields_size + payload.size();
    const size_t body = 1 + varint_size(message) + message;
    char* const begin = room(body + 10);
    char* p = put_varint(begin, body);
    *p++ = static_cast<char>(bytes_tag(kEntryRecord));
    p = put_varint(p, message);
    std::memcpy(p, fields, fields_size);
    p += fields_size;
    if (!payload.empty()) std::memcpy(p, payload.data(), payload.size());
    commit(static_cast<size_t>(p - begin) + payload.size());
    last_at = at;
    last_sequence = sequence;
    if (++records % kCheckpointInterval == 0) checkpoint();
  }

  void checkpoint() {
    hash_tail();
    trail.push_back({records, last_at, hasher.digest()});
    if (storage == JournalStorage::kDigestOnly) return;
    const std::string encoded = encode(trail.back(), false);
    char* const p = room(encoded.size());
    std::copy(encoded.begin(), encoded.end(), p);
    chunks.back().size += encoded.size();
    tail_hashed = chunks.back().size;
  }
};

Journal::Journal(JournalStorage storage) : impl_(std::make_unique<Impl>()) {
  impl_->storage = storage;
}
Journal::Journal(const Journal& other) : impl_(std::make_unique<Impl>(*other.impl_)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(const Journal& other) {
  if (this != &other) impl_ = std::make_unique<Impl>(*other.impl_);
  return *this;
}
Journal& Journal::operator=(Journal&&) noexcept = default;
Journal::~Journal() = default;

void Journal::set_header(JournalHeader header) { impl_->header = std::move(header); }
const JournalHeader& Journal::header() const { return impl_->header; }
void Journal::set_storage(JournalStorage storage) {
  MAINSPRING_CHECK(impl_->chunks.empty(), "journal storage changed after the first record");
  impl_->storage = storage;
}
JournalStorage Journal::storage() const { return impl_->storage; }
TextId Journal::text(std::string_view text) { return {impl_->text_id(text)}; }
void Journal::append(SimTime at, uint64_t sequence, uint64_t cause, TextId type, TextId key,
                     std::string_view payload) {
  impl_->append(at, sequence, cause, type, key, payload);
}
uint64_t Journal::records() const { return impl_->records; }
uint64_t Journal::bytes() const { return impl_->bytes; }
Digest128 Journal::digest() const { return impl_->digest(); }
const std::vector<JournalCheckpoint>& Journal::checkpoints() const { return impl_->trail; }

std::string Journal::save(const std::string& path) const {
  if (impl_->storage == JournalStorage::kDigestOnly) {
    return path + ": the run kept only the digest of its journal";
  }
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return fmt::format("{}: {}", path, std::strerror(errno));
  bool good = true;
  const auto write = [&](const char* bytes, size_t size) {
    good = good && std::fwrite(bytes, 1, size, file) == size;
  };
  const auto write_frame = [&](std::string_view raw) {
    const std::string frame = compress(raw.data(), raw.size());
    write(frame.data(), frame.size());
  };
  write_frame(encode(impl_->header));
  for (const Chunk& chunk : impl_->chunks) {
    if (chunk.raw_size != 0) {
      write(chunk.bytes.get(), chunk.size);
    } else {
      write_frame({chunk.bytes.get(), chunk.size});
    }
  }
  write_frame(encode(JournalCheckpoint{impl_->records, impl_->last_at, digest()}, true));
  good = std::fclose(file) == 0 && good;
  return good ? "" : fmt::format("{}: {}", path, std::strerror(errno));
}

// Reading ----------------------------------------------------------------------------------------

namespace {

// Walks over the fields of one message. Stops with `bad` set when the bytes are not one.
struct FieldReader {
  const char* p;
  const char* end;
  bool bad = false;
  unsigned field = 0;
  uint64_t number = 0;     // of a varint or fixed64 field
  std::string_view bytes;  // of a length-delimited field

  explicit FieldReader(std::string_view message)
      : p(message.data()), end(message.data() + message.size()) {}

  bool varint(uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p == end) return false;
      const uint8_t byte = static_cast<uint8_t>(*p++);
      out |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool next() {
    if (p == end || bad) return false;
    uint64_t tag = 0;
    bad = true;
    if (!varint(tag) || (tag >> 3) == 0 || (tag >> 3) > 0xfffffff) return false;
    field = static_cast<unsigned>(tag >> 3);
    number = 0;
    bytes = {};
    switch (tag & 7) {
      case 0:
        if (!varint(number)) return false;
        break;
      case 1:
        if (end - p < 8) return false;
        for (int i = 0; i < 8; ++i) number |= uint64_t{static_cast<uint8_t>(*p++)} << (8 * i);
        break;
      case 2: {
        uint64_t size = 0;
        if (!varint(size) || size > static_cast<uint64_t>(end - p)) return false;
        bytes = {p, static_cast<size_t>(size)};
        p += size;
        break;
      }
      case 5:
        if (end - p < 4) return false;
        for (int i = 0; i < 4; ++i) number |= uint64_t{static_cast<uint8_t>(*p++)} << (8 * i);
        break;
      default:
        return false;
    }
    bad = false;
    return true;
  }
};

}  // namespace

struct JournalReader::Impl {
  std::string name = "journal";
  std::string error;
  JournalHeader header;
  std::vector<JournalCheckpoint> checkpoints;
  Hasher hasher;
  uint64_t records = 0;
  SimTime last_at;
  uint64_t last_sequence = 0;
  bool ended = false;
  // The reader's own dictionary: stable addresses for the views of a record.
  std::vector<std::unique_ptr<std::string>> texts;

  // Source: the chunks of a journal in memory, or a file.
  std::vector<Chunk> chunks;
  size_t next_chunk = 0;
  std::FILE* file = nullptr;
  ZSTD_DStream* stream = nullptr;
  std::vector<char> compressed;
  ZSTD_inBuffer in{nullptr, 0, 0};
  bool frame_open = false;

  std::string buffer;  // encoded bytes not yet consumed start at `position`
  size_t position = 0;
  std::string_view window;  // what is being parsed: the buffer, or a chunk itself

  ~Impl() {
    if (file != nullptr) std::fclose(file);
    if (stream != nullptr) ZSTD_freeDStream(stream);
  }

  bool fail(const std::string& what) {
    error = fmt::format("{}: {} (after {} records)", name, what, records);
    return false;
  }

  // Gets more encoded bytes behind those not consumed yet. False at the end of the source.
  bool refill() {
    if (file == nullptr) {
      if (next_chunk == chunks.size()) return false;
      // No entry spans two chunks, so everything before is consumed.
      const Chunk& chunk = chunks[next_chunk++];
      position = 0;
      if (chunk.raw_size == 0) {
        window = {chunk.bytes.get(), chunk.size};
        return true;
      }
      buffer.resize(chunk.raw_size);
      const size_t n = ZSTD_decompress(buffer.data(), buffer.size(), chunk.bytes.get(), chunk.size);
      MAINSPRING_CHECK(n == chunk.raw_size, "a journal chunk does not decompress");
      window = buffer;
      return true;
    }
    buffer.erase(0, position);
    position = 0;
    for (;;) {
      if (in.pos == in.size) {
        in = {compressed.data(), std::fread(compressed.data(), 1, compressed.size(), file), 0};
        if (in.size == 0) {
          window = buffer;
          if (std::ferror(file) != 0) return fail(std::strerror(errno));
          if (frame_open) return fail("cut off in the middle of a compressed frame");
          return false;
        }
      }
      const size_t old = buffer.size();
      buffer.resize(old + ZSTD_DStreamOutSize());
      ZSTD_outBuffer out{buffer.data() + old, buffer.size() - old, 0};
      const size_t state = ZSTD_decompressStream(stream, &out, &in);
      buffer.resize(old + out.pos);
      window = buffer;
      if (ZSTD_isError(state)) {
        return fail(fmt::format("not a journal, or damaged: {}", ZSTD_getErrorName(state)));
      }
      frame_open = state != 0;
      if (out.pos > 0) return true;
    }
  }

  // The next entry: `raw` with its length prefix, `body` without.
  bool next_entry(std::string_view& raw, std::string_view& body) {
    for (;;) {
      FieldReader reader(window.substr(position));
      uint64_t size = 0;
      const bool have_size = reader.varint(size);
      if (have_size && size > kMaxEntryBytes) return fail("damaged: an entry of absurd length");
      if (!have_size && reader.p != reader.end) return fail("damaged: a length that is no number");
      if (have_size && size <= static_cast<uint64_t>(reader.end - reader.p)) {
        body = {reader.p, static_cast<size_t>(size)};
        raw = {window.data() + position,
               static_cast<size_t>(reader.p - (window.data() + position)) + body.size()};
        position += raw.size();
        return true;
      }
      const size_t left = window.size() - position;
      if (!refill()) {
        if (!error.empty()) return false;
        if (left > 0) return fail("cut off in the middle of an entry");
        return false;
      }
    }
  }

  std::string_view text(uint64_t id) const {
    return id == 0 ? std::string_view() : *texts[static_cast<size_t>(id - 1)];
  }

  bool read_header(std::string_view message) {
    FieldReader m(message);
    while (m.next()) {
      if (m.field == 1 && m.number != kFormat) {
        return fail(fmt::format("journal format {}, this program reads {}", m.number, kFormat));
      }
      if (m.field == 2) header.version = m.bytes;
      if (m.field == 3) header.seed = m.number;
      if (m.field == 4) header.scenario = m.bytes;
      if (m.field == 5) header.scenario_hash = m.bytes;
      if (m.field == 6) {
        std::pair<std::string, std::string> attribute;
        FieldReader pair(m.bytes);
        while (pair.next()) (pair.field == 1 ? attribute.first : attribute.second) = pair.bytes;
        if (pair.bad) return fail("damaged header");
        header.attributes.push_back(std::move(attribute));
      }
    }
    return m.bad ? fail("damaged header") : true;
  }

  bool read_text(std::string_view message) {
    FieldReader m(message);
    uint64_t id = 0;
    std::string_view value;
    while (m.next()) {
      if (m.field == 1) id = m.number;
      if (m.field == 2) value = m.bytes;
    }
    if (m.bad || id != texts.size() + 1) return fail("damaged: dictionary out of order");
    texts.push_back(std::make_unique<std::string>(value));
    return true;
  }

  bool read_record(std::string_view message, JournalRecord& record) {
    FieldReader m(message);
    uint64_t delta = 0, sequence = 0, cause = 0, type = 0, key = 0;
    record.payload = {};
    while (m.next()) {
      switch (m.field) {
        case 1:
          delta = m.number;
          break;
        case 2:
          sequence = m.number;
          break;
        case 3:
          cause = m.number;
          break;
        case 4:
          type = m.number;
          break;
        case 5:
          key = m.number;
          break;
        case 6:
          record.payload = m.bytes;
          break;
        default:
          break;  // a field of a later version
      }
    }
    if (m.bad || type > texts.size() || key > texts.size() ||
        delta > static_cast<uint64_t>(SimTime::max().ns() - last_at.ns())) {
      return fail("damaged record");
    }
    last_at += Duration::nanos(static_cast<int64_t>(delta));
    last_sequence += static_cast<uint64_t>(unzigzag(sequence));
    record.index = records++;
    record.at = last_at;
    record.sequence = last_sequence;
    record.cause = cause == 0 ? 0 : last_sequence - cause;
    record.type = text(type);
    record.key = text(key);
    return true;
  }

  bool read_checkpoint(std::string_view message) {
    FieldReader m(message);
    JournalCheckpoint checkpoint;
    while (m.next()) {
      if (m.field == 1) checkpoint.records = m.number;
      if (m.field == 2) checkpoint.at = SimTime::from_ns(static_cast<int64_t>(m.number));
      if (m.field == 3) checkpoint.digest.high = m.number;
      if (m.field == 4) checkpoint.digest.low = m.number;
      if (m.field == 5) ended = m.number != 0;
    }
    if (m.bad) return fail("damaged checkpoint");
    if (checkpoint.records != records || checkpoint.digest != hasher.digest()) {
      return fail("damaged: the records do not have the digest that the journal says");
    }
    if (!ended) checkpoints.push_back(checkpoint);
    return true;
  }

  bool next(JournalRecord& record) {
    std::string_view raw, body;
    while (error.empty()) {
      if (!next_entry(raw, body)) {
        if (error.empty() && file != nullptr && !ended) fail("cut off: the end is missing");
        return false;
      }
      FieldReader m(body);
      if (!m.next()) return fail("damaged entry");
      if (ended) return fail("damaged: something follows the end");
      switch (m.field) {
        case kEntryHeader:
          if (!read_header(m.bytes)) return false;
          break;
        case kEntryText:
          hasher.update(raw.data(), raw.size());
          if (!read_text(m.bytes)) return false;
          break;
        case kEntryRecord:
          hasher.update(raw.data(), raw.size());
          return read_record(m.bytes, record);
        case kEntryCheckpoint:
          if (!read_checkpoint(m.bytes)) return false;
          break;
        default:
          break;  // an entry of a later version
      }
    }
    return false;
  }
};

JournalReader::JournalReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JournalReader::JournalReader(JournalReader&&) noexcept = default;
JournalReader& JournalReader::operator=(JournalReader&&) noexcept = default;
JournalReader::~JournalReader() = default;

JournalReader::JournalReader(const Journal& journal) : impl_(std::make_unique<Impl>()) {
  MAINSPRING_CHECK(journal.storage() != JournalStorage::kDigestOnly, "the records were not kept");
  impl_->header = journal.impl_->header;
  impl_->chunks = journal.impl_->chunks;
}

JournalReader JournalReader::open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  impl->file = std::fopen(path.c_str(), "rb");
  if (impl->file == nullptr) {
    impl->fail(std::strerror(errno));
    return JournalReader(std::move(impl));
  }
  impl->stream = ZSTD_createDStream();
  impl->compressed.resize(ZSTD_DStreamInSize());
  std::string_view raw, body;
  if (impl->next_entry(raw, body)) {
    FieldReader m(body);
    if (m.next() && m.field == kEntryHeader) {
      impl->read_header(m.bytes);
    } else {
      impl->fail("not a journal: it does not start with a header");
    }
  } else if (impl->error.empty()) {
    impl->fail("not a journal: it is empty");
  }
  return JournalReader(std::move(impl));
}

bool JournalReader::next(JournalRecord& record) { return impl_->next(record); }
const std::string& JournalReader::error() const { return impl_->error; }
const JournalHeader& JournalReader::header() const { return impl_->header; }
uint64_t JournalReader::records() const { return impl_->records; }
Digest128 JournalReader::digest() const { return impl_->hasher.digest(); }
const std::vector<JournalCheckpoint>& JournalReader::checkpoints() const {
  return impl_->checkpoints;
}

}  // namespace mainspring::sim
