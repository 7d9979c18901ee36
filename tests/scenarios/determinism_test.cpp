// The shipped scenarios give the same journal, whatever else happens in the process: twice in a
// row, run in pieces, forked at any time, and as the table of golden digests says.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/loader.h"
#include "scenarios/simulation.h"

namespace mainspring::scenarios {
namespace {

const std::string kLibrary = std::string(MAINSPRING_SOURCE_DIR) + "/scenarios/library/";

LoadedScenario load(const std::string& name) {
  api::Diagnostics diagnostics;
  LoadedScenario scenario = load_scenario(kLibrary + name + ".yaml", {}, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.to_text();
  return scenario;
}

std::string run(const LoadedScenario& scenario, sim::Duration step) {
  Simulation simulation(scenario, {});
  for (sim::SimTime t; !simulation.run_until(t); t += step) {
  }
  return simulation.world().journal().digest_hex();
}

class ShippedScenario : public ::testing::TestWithParam<const char*> {};

TEST_P(ShippedScenario, GivesTheSameDigestTwiceAndInPieces) {
  const LoadedScenario scenario = load(GetParam());
  const std::string whole = run(scenario, sim::Duration::hours(24));
  EXPECT_EQ(run(scenario, sim::Duration::millis(7777)), whole);
}

TEST_P(ShippedScenario, AForkRunsOnAlikeUntilSomethingIsDoneToOneOfThem) {
  const LoadedScenario scenario = load(GetParam());
  Simulation original(scenario, {});
  const sim::SimTime middle = sim::SimTime() + scenario.horizon / 3;
  original.run_until(middle);
  Simulation fork = original;
  Simulation other = original;
  original.run_until(original.end());
  fork.run_until(fork.end());
  EXPECT_EQ(fork.world().journal().digest_hex(), original.world().journal().digest_hex());
  EXPECT_EQ(fork.world().execution_hash(), original.world().execution_hash());

  const std::string before = original.world().journal().digest_hex();
  other.world().record("test", "perturbed", "");
  other.run_until(other.end());
  EXPECT_NE(other.world().journal().digest_hex(), before);
  EXPECT_EQ(original.world().journal().digest_hex(), before);
}

// Worlds made from one scenario, and forks of one world, share immutable objects and nothing else.
// Under the thread sanitizer (preset tsan) this shows what is shared by mistake.
TEST(Threads, WorldsAndForksRunSideBySide) {
  const LoadedScenario scenario = load("hello");
  Simulation original(scenario, {});
  original.run_until(sim::SimTime() + scenario.horizon / 3);
  std::vector<std::string> digests(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < digests.size(); ++i) {
    threads.emplace_back([&, i, fork = original]() mutable {
      if (i % 2 == 0) {
        digests[i] = run(scenario, sim::Duration::minutes(1));
      } else {
        fork.run_until(fork.end());
        digests[i] = fork.world().journal().digest_hex();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string alone = run(scenario, sim::Duration::minutes(1));
  for (const std::string& digest : digests) EXPECT_EQ(digest, alone);
}

TEST_P(ShippedScenario, AnotherSeedGivesAnotherRun) {
  const LoadedScenario scenario = load(GetParam());
  Simulation a(scenario, {.seed = 1, .keep_journal = false});
  Simulation b(scenario, {.seed = 2, .keep_journal = false});
  const sim::SimTime end = sim::SimTime() + sim::Duration::minutes(3);
  a.run_until(end);
  b.run_until(end);
  EXPECT_NE(a.world().journal().digest_hex(), b.world().journal().digest_hex());
}

TEST_P(ShippedScenario, HasTheGoldenDigest) {
  std::ifstream table(std::string(MAINSPRING_SOURCE_DIR) + "/tests/golden/digests.txt");
  std::map<std::string, std::pair<uint64_t, std::string>> golden;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, digest;
    uint64_t seed = 0;
    words >> name >> seed >> digest;
    golden[name] = {seed, digest};
  }
  const std::string name = GetParam();
  ASSERT_TRUE(golden.contains(name)) << "./dev golden --update adds it";
  Simulation simulation(load(GetParam()), {.seed = golden[name].first, .keep_journal = false});
  simulation.run_until(simulation.end());
  EXPECT_EQ(simulation.world().journal().digest_hex(), golden[name].second);
}

INSTANTIATE_TEST_SUITE_P(Library, ShippedScenario,
                         ::testing::Values("hello", "boutique-black-friday", "crash-loop",
                                           "gpu-claims", "gpu-fragmentation", "node-crash",
                                           "rolling-update-under-load"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mainspring::scenarios
