#include "models/node/cpu_host.h"

#include <gtest/gtest.h>

namespace mainspring::node {
namespace {

using Changes = std::vector<CpuHost::Change>;

uint32_t add(CpuHost& host, uint32_t container, uint32_t pod, QosClass qos, int64_t request,
             int64_t limit = 0) {
  CpuHost::Entry e;
  e.container = container;
  e.pod = pod;
  e.qos = qos;
  e.shares = cpu_shares(request);
  if (limit > 0) e.limit = MicroCores::from_milli(limit);
  return host.add(e);
}

TEST(CpuShares, AreIntegerThousandthsOf1024BetweenTwoAndTheKernelsMaximum) {
  EXPECT_EQ(cpu_shares(0), 2);
  EXPECT_EQ(cpu_shares(1), 2);
  EXPECT_EQ(cpu_shares(100), 102);  // 100 * 1024 / 1000 = 102.4
  EXPECT_EQ(cpu_shares(1000), 1024);
  EXPECT_EQ(cpu_shares(1'000'000), 262144);
}

TEST(CpuHost, GivesEverybodyWhatTheyWantWhileThereIsEnough) {
  CpuHost host(MicroCores::from_milli(4000));
  Changes changes;
  const uint32_t a = add(host, 10, 1, QosClass::kBurstable, 100);
  const uint32_t b = add(host, 11, 2, QosClass::kBestEffort, 0, 500);
  host.set_demand(a, MicroCores::from_milli(3000), changes);
  host.set_demand(b, MicroCores::from_milli(2000), changes);  // limited to 0.5
  EXPECT_EQ(host.entry(a).rate, MicroCores::from_milli(3000));
  EXPECT_EQ(host.entry(b).rate, MicroCores::from_milli(500));
  EXPECT_EQ(host.wanted(), MicroCores::from_milli(3500));
  EXPECT_FALSE(host.contended());
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[1].container, 11u);
}

TEST(CpuHost, SharesByWeightWhenShort) {
  // 2 cores; requests 100m and 300m, both want everything: 102 and 307 shares of 409.
  CpuHost host(MicroCores::from_milli(2000));
  Changes changes;
  const uint32_t a = add(host, 1, 1, QosClass::kBurstable, 100);
  const uint32_t b = add(host, 2, 2, QosClass::kBurstable, 300);
  host.set_demand(a, MicroCores::from_milli(8000), changes);
  host.set_demand(b, MicroCores::from_milli(8000), changes);
  EXPECT_EQ(host.entry(a).rate.value, 2'000'000LL * 102 / 409);
  EXPECT_EQ(host.entry(b).rate.value, 2'000'000LL * 307 / 409);
  EXPECT_EQ(changes.size(), 3u);  // a alone, then both
}

TEST(CpuHost, LeavesNothingIdleThatIsWanted) {
  // 4 cores, equal weights; one wants 0.5, one is limited to 1, the third gets the 2.5 left.
  CpuHost host(MicroCores::from_milli(4000));
  Changes changes;
  const uint32_t a = add(host, 1, 1, QosClass::kBurstable, 1000);
  const uint32_t b = add(host, 2, 2, QosClass::kBurstable, 1000, 1000);
  const uint32_t c = add(host, 3, 3, QosClass::kBurstable, 1000);
  host.set_demand(a, MicroCores::from_milli(500), changes);
  host.set_demand(b, MicroCores::from_milli(4000), changes);
  host.set_demand(c, MicroCores::from_milli(4000), changes);
  EXPECT_EQ(host.entry(a).rate, MicroCores::from_milli(500));
  EXPECT_EQ(host.entry(b).rate, MicroCores::from_milli(1000));
  EXPECT_EQ(host.entry(c).rate, MicroCores::from_milli(2500));
}

TEST(CpuHost, StarvesBestEffortPodsFirst) {
  // Weights at the top: the guaranteed pod 1024, the burstable slice 1024, best effort 2; all want
  // the whole machine: 2 / 2050 of 4 cores is left for the last.
  CpuHost host(MicroCores::from_milli(4000));
  Changes changes;
  const uint32_t g = add(host, 1, 1, QosClass::kGuaranteed, 1000, 4000);
  const uint32_t b = add(host, 2, 2, QosClass::kBurstable, 1000);
  const uint32_t e = add(host, 3, 3, QosClass::kBestEffort, 0);
  for (const uint32_t i : {g, b, e}) host.set_demand(i, MicroCores::from_milli(4000), changes);
  EXPECT_EQ(host.entry(g).rate.value, 4'000'000LL * 1024 / 2050);
  EXPECT_EQ(host.entry(b).rate.value, 4'000'000LL * 1024 / 2050);
  EXPECT_EQ(host.entry(e).rate.value, 4'000'000LL * 2 / 2050);
}

TEST(CpuHost, ReturnsToFullRatesWhenThePressureEnds) {
  CpuHost host(MicroCores::from_milli(1000));
  Changes changes;
  const uint32_t a = add(host, 1, 1, QosClass::kBurstable, 500);
  const uint32_t b = add(host, 2, 2, QosClass::kBurstable, 500);
  host.set_demand(a, MicroCores::from_milli(800), changes);
  host.set_demand(b, MicroCores::from_milli(800), changes);
  EXPECT_EQ(host.entry(a).rate, MicroCores::from_milli(500));
  changes.clear();
  EXPECT_EQ(host.remove(a, changes), 2u);  // container 2 moved into the hole
  EXPECT_EQ(host.entry(0).rate, MicroCores::from_milli(800));
  EXPECT_EQ(host.used(), MicroCores::from_milli(800));
}

}  // namespace
}  // namespace mainspring::node
