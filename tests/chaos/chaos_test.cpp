// The build that shuffles addresses does so: without that its digests would prove nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mainspring {
namespace {

// What a program that orders by address would do: the order of allocation, as addresses have it.
std::vector<size_t> order_of_addresses() {
  std::vector<std::unique_ptr<uint64_t>> blocks;
  for (uint64_t i = 0; i < 100; ++i) blocks.push_back(std::make_unique<uint64_t>(i));
  std::sort(blocks.begin(), blocks.end(),
            [](const auto& a, const auto& b) { return a.get() < b.get(); });
  std::vector<size_t> order;
  for (const auto& block : blocks) order.push_back(*block);
  return order;
}

TEST(OrderChaos, AddressesFollowNoOrderAndAreOthersEachTime) {
  const std::vector<size_t> a = order_of_addresses();
  const std::vector<size_t> b = order_of_addresses();
  size_t ascents = 0;
  for (size_t i = 1; i < a.size(); ++i) ascents += a[i] > a[i - 1] ? 1u : 0u;
  EXPECT_GT(ascents, 20u);
  EXPECT_LT(ascents, 80u);
  EXPECT_NE(a, b);
  std::string shown;
  for (size_t i = 0; i < 10; ++i) shown += std::to_string(a[i]) + ' ';
  RecordProperty("first_ten", shown);  // differs from run to run
}

}  // namespace
}  // namespace mainspring
