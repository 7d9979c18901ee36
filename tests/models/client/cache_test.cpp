#include "models/client/cache.h"

#include <gtest/gtest.h>

#include "models/api/types/core.h"

namespace mainspring::client {
namespace {

api::ObjectRef pod(std::string_view name, std::string_view node = "", uint64_t version = 1) {
  api::Ref<api::Pod> p = api::make<api::Pod>();
  p->metadata.name = name;
  p->metadata.namespace_ = "default";
  p->metadata.resource_version = std::to_string(version);
  p->spec.node_name = node;
  return p;
}

std::string names(std::span<const api::ObjectRef> objects) {
  std::string out;
  for (const api::ObjectRef& o : objects) out += o->metadata.name.str() + " ";
  return out;
}

TEST(Cache, TellsTheTypeAndTheOldStateRelativeToItself) {
  Cache cache(api::Kind::Pod);
  EXPECT_EQ(cache.apply(WatchType::kModified, pod("a")).type, WatchType::kAdded);
  const WatchEvent second = cache.apply(WatchType::kAdded, pod("a", "n1", 2));
  EXPECT_EQ(second.type, WatchType::kModified);
  EXPECT_EQ(api::as<api::Pod>(*second.old).spec.node_name, "");
  const WatchEvent gone = cache.apply(WatchType::kDeleted, pod("a", "n1", 3));
  EXPECT_EQ(api::as<api::Pod>(*gone.old).spec.node_name, "n1");
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.resource_version(), 3u);
  EXPECT_FALSE(cache.apply(WatchType::kDeleted, pod("a")).old);
}

TEST(Cache, IndexesFollowAnObjectThatMovesAndKeepTheOrderOfArrival) {
  Cache cache(api::Kind::Pod);
  cache.add_index(IndexBy::kNodeName);
  for (const char* name : {"d", "c", "b", "a"}) cache.apply(WatchType::kAdded, pod(name));
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "")), "d c b a ");
  cache.apply(WatchType::kModified, pod("c", "n1"));
  cache.apply(WatchType::kModified, pod("a", "n1"));
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "")), "d b ");
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "n1")), "c a ");
  cache.apply(WatchType::kModified, pod("c", "n1", 9));
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "n1")), "c a ") << "a change keeps the place";
  cache.apply(WatchType::kDeleted, pod("c", "n1"));
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "n1")), "a ");
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "unknown")), "");
}

TEST(Cache, ListIsInOrderOfArrivalAlsoAfterASlotIsReused) {
  Cache cache(api::Kind::Pod);
  cache.apply(WatchType::kAdded, pod("x"));
  cache.apply(WatchType::kAdded, pod("y"));
  cache.apply(WatchType::kDeleted, pod("x"));
  cache.apply(WatchType::kAdded, pod("a"));
  const std::vector<api::ObjectRef> all = cache.list();
  EXPECT_EQ(names(all), "y a ");
}

TEST(Cache, AnIndexAddedLateHoldsWhatIsThere) {
  Cache cache(api::Kind::Pod);
  cache.apply(WatchType::kAdded, pod("x", "n2"));
  cache.apply(WatchType::kAdded, pod("y", "n2"));
  cache.add_index(IndexBy::kNodeName);
  EXPECT_EQ(names(cache.by(IndexBy::kNodeName, "n2")), "x y ");
}

TEST(Cache, ACopyIsIndependent) {
  Cache a(api::Kind::Pod);
  a.add_index(IndexBy::kNodeName);
  a.apply(WatchType::kAdded, pod("x", "n1"));
  Cache b = a;
  b.apply(WatchType::kDeleted, pod("x", "n1"));
  EXPECT_EQ(names(a.by(IndexBy::kNodeName, "n1")), "x ");
  EXPECT_EQ(names(b.by(IndexBy::kNodeName, "n1")), "");
}

}  // namespace
}  // namespace mainspring::client
