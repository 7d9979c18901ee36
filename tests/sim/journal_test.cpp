#include "sim/journal.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "sim/journal.pb.h"
#include "sim/random.h"
#include "sim/world.h"

namespace mainspring::sim {
namespace {

class TempFile {
 public:
  TempFile() {
    const int fd = ::mkstemp(path_);
    EXPECT_GE(fd, 0);
    ::close(fd);
  }
  ~TempFile() { std::remove(path_); }
  std::string path() const { return path_; }
  std::string contents() const {
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  char path_[64] = "/tmp/mainspring-journal-XXXXXX";
};

using Row = std::tuple<int64_t, uint64_t, uint64_t, std::string, std::string, std::string>;

std::vector<Row> rows(JournalReader reader) {
  std::vector<Row> out;
  JournalRecord r;
  while (reader.next(r)) {
    EXPECT_EQ(r.index, out.size());
    out.emplace_back(r.at.ns(), r.sequence, r.cause, std::string(r.type), std::string(r.key),
                     std::string(r.payload));
  }
  EXPECT_EQ(reader.error(), "");
  return out;
}

// Appends random records to the journal, and what they are to `expected`.
void append_random(Journal& journal, Rng& rng, int count, std::vector<Row>& expected) {
  for (int i = 0; i < count; ++i) {
    const int64_t last = expected.empty() ? 0 : std::get<0>(expected.back());
    const int64_t at = last + rng.between(0, 1'000'000);
    const uint64_t sequence = 1 + rng.below(1'000'000);
    const uint64_t cause = rng.below(sequence);
    const std::string type = "type." + std::to_string(rng.below(5));
    const std::string key =
        rng.chance(1, 10) ? "" : "Pod/default/p" + std::to_string(rng.below(99));
    std::string payload(rng.chance(1, 3000) ? 300'000 : rng.below(50), '\0');
    for (char& ch : payload) ch = static_cast<char>('a' + rng.below(4));
    journal.append(SimTime::from_ns(at), sequence, cause, type, key, payload);
    expected.emplace_back(at, sequence, cause, type, key, payload);
  }
}

class JournalStorages : public ::testing::TestWithParam<JournalStorage> {};
INSTANTIATE_TEST_SUITE_P(Kept, JournalStorages,
                         ::testing::Values(JournalStorage::kMemory, JournalStorage::kCompressed));

TEST_P(JournalStorages, ReadsBackWhatWasWrittenFromMemoryAndFile) {
  Journal journal(GetParam());
  journal.set_header({"0.1.0", 42, "demo", "abc", {{"epoch", "2026-01-01T00:00:00Z"}}});
  Rng rng = Stream(1, "test.journal").rng(0);
  std::vector<Row> expected;
  append_random(journal, rng, 10'000, expected);
  EXPECT_EQ(journal.records(), 10'000u);
  EXPECT_EQ(journal.checkpoints().size(), 2u);
  EXPECT_EQ(rows(JournalReader(journal)), expected);

  const TempFile file;
  ASSERT_EQ(journal.save(file.path()), "");
  JournalReader reader = JournalReader::open(file.path());
  ASSERT_EQ(reader.error(), "");
  EXPECT_EQ(reader.header().version, "0.1.0");
  EXPECT_EQ(reader.header().seed, 42u);
  EXPECT_EQ(reader.header().scenario, "demo");
  EXPECT_EQ(reader.header().scenario_hash, "abc");
  EXPECT_EQ(reader.header().attributes, journal.header().attributes);
  JournalRecord record;
  while (reader.next(record)) {
  }
  EXPECT_EQ(reader.error(), "");
  EXPECT_EQ(reader.digest(), journal.digest());
  EXPECT_EQ(reader.checkpoints(), journal.checkpoints());
  EXPECT_EQ(rows(JournalReader::open(file.path())), expected);
}

TEST_P(JournalStorages, ForksShareThePastAndNotTheFuture) {
  Rng rng = Stream(2, "test.journal").rng(0);
  std::vector<Row> past;
  Journal journal(GetParam());
  append_random(journal, rng, 3000, past);
  for (int round = 0; round < 5; ++round) {
    Journal left = journal;
    Journal right = left;
    EXPECT_EQ(left.digest(), journal.digest());
    std::vector<Row> left_rows = past, right_rows = past;
    Rng left_rng = Stream(3, "test.left").rng(static_cast<uint64_t>(round));
    Rng right_rng = Stream(3, "test.right").rng(static_cast<uint64_t>(round));
    for (int turn = 0; turn < 3; ++turn) {
      append_random(left, left_rng, 700, left_rows);
      append_random(right, right_rng, 700, right_rows);
      append_random(journal, rng, 300, past);
    }
    EXPECT_EQ(rows(JournalReader(left)), left_rows);
    EXPECT_EQ(rows(JournalReader(right)), right_rows);
    EXPECT_EQ(rows(JournalReader(journal)), past);
    EXPECT_NE(left.digest(), right.digest());
  }
}

TEST(Journal, DigestIsTheSameHoweverRecordsAreKept) {
  std::vector<std::string> digests;
  for (const JournalStorage storage :
       {JournalStorage::kMemory, JournalStorage::kCompressed, JournalStorage::kDigestOnly}) {
    Journal journal(storage);
    Rng rng = Stream(4, "test.journal").rng(0);
    std::vector<Row> expected;
    append_random(journal, rng, 9'000, expected);
    Journal fork = journal;
    append_random(journal, rng, 100, expected);
    Rng again = Stream(4, "test.other").rng(0);
    std::vector<Row> other = expected;
    append_random(fork, again, 100, other);  // must not disturb the original
    EXPECT_EQ(journal.digest_hex().size(), 32u);
    digests.push_back(journal.digest_hex());
    digests.push_back(fork.digest_hex());
  }
  EXPECT_EQ(digests[0], digests[2]);
  EXPECT_EQ(digests[0], digests[4]);
  EXPECT_EQ(digests[1], digests[3]);
  EXPECT_EQ(digests[1], digests[5]);
  EXPECT_NE(digests[0], digests[1]);
}

TEST(Journal, EveryFieldMovesTheDigest) {
  const auto digest = [](int64_t at, uint64_t sequence, uint64_t cause, const char* type,
                         const char* key, const char* payload) {
    Journal journal;
    journal.append(SimTime::from_ns(at), sequence, cause, type, key, payload);
    return journal.digest_hex();
  };
  const std::string base = digest(1, 5, 2, "t", "k", "p");
  EXPECT_EQ(base, digest(1, 5, 2, "t", "k", "p"));
  EXPECT_NE(base, digest(2, 5, 2, "t", "k", "p"));
  EXPECT_NE(base, digest(1, 6, 2, "t", "k", "p"));
  EXPECT_NE(base, digest(1, 5, 3, "t", "k", "p"));
  EXPECT_NE(base, digest(1, 5, 2, "u", "k", "p"));
  EXPECT_NE(base, digest(1, 5, 2, "t", "l", "p"));
  EXPECT_NE(base, digest(1, 5, 2, "t", "k", "q"));
}

TEST(Journal, HeaderIsNotPartOfTheDigest) {
  Journal a, b;
  a.set_header({"1", 1, "", "", {}});
  b.set_header({"2", 2, "", "", {}});
  EXPECT_EQ(a.digest(), b.digest());
}

TEST(Journal, TimeMayNotGoBack) {
  Journal journal;
  journal.append(SimTime::from_ns(5), 2, 1, "t", "k", "");
  EXPECT_THROW(journal.append(SimTime::from_ns(4), 3, 1, "t", "k", ""), InvariantBroken);
}

TEST(Journal, DigestOnlyKeepsNoRecordsToSave) {
  Journal journal(JournalStorage::kDigestOnly);
  journal.append(SimTime::from_ns(5), 2, 1, "t", "k", "");
  const TempFile file;
  EXPECT_NE(journal.save(file.path()), "");
}

// The generated class reads what the engine wrote by hand, and the digest is what the schema says.
TEST(Journal, GeneratedProtobufClassReadsEveryEntry) {
  Journal journal;
  journal.set_header({"0.1.0", 42, "demo", "abc", {{"name", "value"}}});
  Rng rng = Stream(5, "test.journal").rng(0);
  std::vector<Row> expected;
  append_random(journal, rng, 5000, expected);
  const TempFile file;
  ASSERT_EQ(journal.save(file.path()), "");

  const std::string raw_path = file.path() + ".raw";
  ASSERT_EQ(std::system(("zstd -q -d -f -c " + file.path() + " > " + raw_path).c_str()), 0)
      << "needs the zstd program";
  std::ifstream in(raw_path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  std::remove(raw_path.c_str());
  const std::string raw = all.str();

  namespace io = google::protobuf::io;
  std::string hashed;
  std::vector<Row> seen;
  std::vector<std::string> texts{""};
  int64_t at = 0;
  uint64_t sequence = 0;
  int headers = 0, checkpoints = 0;
  size_t position = 0;
  while (position < raw.size()) {
    io::ArrayInputStream bytes(raw.data() + position, static_cast<int>(raw.size() - position));
    io::CodedInputStream coded(&bytes);
    uint32_t size = 0;
    ASSERT_TRUE(coded.ReadVarint32(&size));
    const size_t prefix = static_cast<size_t>(coded.CurrentPosition());
    journal::v1::Entry entry;
    ASSERT_TRUE(entry.ParseFromArray(raw.data() + position + prefix, static_cast<int>(size)));
    const std::string whole = raw.substr(position, prefix + size);
    position += prefix + size;
    switch (entry.kind_case()) {
      case journal::v1::Entry::kHeader:
        ++headers;
        EXPECT_EQ(entry.header().format(), 1u);
        EXPECT_EQ(entry.header().version(), "0.1.0");
        EXPECT_EQ(entry.header().seed(), 42u);
        EXPECT_EQ(entry.header().attributes().at("name"), "value");
        break;
      case journal::v1::Entry::kText:
        hashed += whole;
        ASSERT_EQ(entry.text().id(), texts.size());
        texts.push_back(entry.text().text());
        break;
      case journal::v1::Entry::kRecord: {
        hashed += whole;
        const auto& r = entry.record();
        at += static_cast<int64_t>(r.time_delta_ns());
        sequence += static_cast<uint64_t>(r.sequence_delta());
        seen.emplace_back(at, sequence, r.cause_back() == 0 ? 0 : sequence - r.cause_back(),
                          texts.at(r.type()), texts.at(r.key()), r.payload());
        break;
      }
      case journal::v1::Entry::kCheckpoint:
        ++checkpoints;
        EXPECT_EQ(entry.checkpoint().records(), seen.size());
        EXPECT_EQ(entry.checkpoint().end(), position == raw.size());
        break;
      default:
        FAIL() << "unknown entry";
    }
  }
  EXPECT_EQ(headers, 1);
  EXPECT_EQ(checkpoints, 2);  // at 4096 records and at the end
  EXPECT_EQ(seen, expected);
  const XXH128_hash_t hash = XXH3_128bits(hashed.data(), hashed.size());
  EXPECT_EQ(journal.digest(), (Digest128{hash.high64, hash.low64}));
}

TEST(JournalReader, EveryTruncationAndEveryFlippedByteIsAnErrorNotACrash) {
  Journal journal;
  journal.set_header({"0.1.0", 42, "demo", "abc", {}});
  for (uint64_t i = 0; i < 30; ++i) {
    journal.append(SimTime::from_ns(static_cast<int64_t>(i)), i + 1, i, "t", "k", "payload");
  }
  const TempFile file;
  ASSERT_EQ(journal.save(file.path()), "");
  const std::string good = file.contents();
  const auto read = [&](const std::string& bytes) {
    file.write(bytes);
    JournalReader reader = JournalReader::open(file.path());
    JournalRecord record;
    while (reader.next(record)) {
    }
    return reader.error();
  };
  EXPECT_EQ(read(good), "");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_NE(read(good.substr(0, size)), "") << size;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    read(bad);  // the header is not covered by the digest, so that not all of these are errors
  }
  EXPECT_NE(read("not a journal at all"), "");
  EXPECT_NE(JournalReader::open("/nonexistent/journal").error(), "");
}

TEST(Journal, AForkedWorldKeepsItsOwnJournal) {
  World world(1);
  world.record("setup", "", "");
  World fork = world;
  fork.record("only.here", "Pod/a", "x");
  EXPECT_EQ(world.journal().records(), 1u);
  EXPECT_EQ(fork.journal().records(), 2u);
  EXPECT_NE(world.journal().digest(), fork.journal().digest());
  world.record("only.here", "Pod/a", "x");
  EXPECT_EQ(world.journal().digest(), fork.journal().digest());
}

}  // namespace
}  // namespace mainspring::sim
