// What a node's status says of the images on its disk, and when.
#include <fmt/format.h>

#include "tests/models/node/cluster.h"

namespace mainspring::node {
namespace {

struct Images : Cluster {
  using Cluster::Cluster;

  api::List<api::ContainerImage> listed(std::string_view name = "n-1") {
    const api::Node* node = server().get<api::Node>({}, name);
    return node ? node->status.images : api::List<api::ContainerImage>();
  }
  std::string version(std::string_view node = "n-1") {
    return server().get<api::Node>({}, node)->metadata.resource_version.str();
  }
  void run_pod(std::string_view name, std::string_view image, std::string_view node = "n-1") {
    apply(
        fmt::format("apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec:\n  nodeName: {}\n"
                    "  containers: [{{name: c, image: \"{}\"}}]\n",
                    name, node, image));
  }
  double until_running(std::string_view name) {
    return until([&] { return nodes().running(container(name)); });
  }
  bool event(std::string_view pod, std::string_view part) {
    for (const std::string& e : events(pod)) {
      if (e.find(part) != std::string::npos) return true;
    }
    return false;
  }
  // A machine whose kubelet starts then, and a node that is ready.
  void boot_node(Duration boot) {
    MachineSpec spec;
    spec.name = "n-1";
    nodes().add_machine(world, spec, boot);
    start();
    run_for(boot + Duration::seconds(16));
  }
};

TEST(NodeImages, AreReportedByTheStatusLoopAfterTheNextListing) {
  NodeFleet::Options o;
  o.images.set_image({"registry.example.com/app:1", 100'000'000, false});
  Images k(std::move(o));
  k.boot_node(Duration::seconds(5));
  EXPECT_TRUE(k.listed().empty());
  k.run_pod("web", "registry.example.com/app:1");
  const double running = k.until_running("web");
  EXPECT_GT(running, 21);
  EXPECT_LT(running, 30);
  // Images are listed 0, 30, 60 s after the kubelet started, the status is looked at each 10 s to
  // 10.4 s from there on.
  const double reported = k.until([&] { return !k.listed().empty(); });
  EXPECT_GE(reported, 35);
  EXPECT_LT(reported, 35 + 3 * 0.4 + 0.1);
  ASSERT_EQ(k.listed().size(), 1u);
  EXPECT_EQ(k.listed()[0].names, api::List<api::Str>{"registry.example.com/app:1"});
  EXPECT_EQ(k.listed()[0].size_bytes, 100'000'000);
  EXPECT_TRUE(k.event("web", "Image size: 100000000 bytes"));
}

TEST(NodeImages, OfOneIntervalAreReportedTogether) {
  Images k;
  k.boot_node(Duration::seconds(5));
  const std::string before = k.version();
  k.run_pod("a", "a:1");
  k.run_pod("b", "b:1");
  k.until_running("a");
  EXPECT_LT(k.until_running("b"), 35);
  std::vector<size_t> counts;
  std::string seen = before;
  k.until([&] {
    if (k.version() != seen) counts.push_back(k.listed().size());
    seen = k.version();
    return k.now() > 100;
  });
  EXPECT_EQ(counts, std::vector<size_t>{2});
}

TEST(NodeImages, AreNotWrittenAgainWhenNothingCame) {
  Images k;
  k.add_node("n-1");
  k.start();
  k.run_pod("web", "app:1");
  k.until([&] { return !k.listed().empty(); });
  const std::string version = k.version();
  const api::List<api::ContainerImage> listed = k.listed();
  // Another pod with the image, and one that asks the registry each time.
  k.run_pod("second", "app:1");
  k.run_for(Duration::minutes(2));
  EXPECT_TRUE(k.event("second", "already present on machine"));
  EXPECT_EQ(k.version(), version);
  EXPECT_TRUE(k.listed().same(listed));
  k.run_for(Duration::minutes(90));  // Event objects live for an hour
  const uint64_t events = k.world.events_executed();
  k.run_for(Duration::minutes(600));
  EXPECT_EQ(k.version(), version);
  EXPECT_EQ(k.world.events_executed(), events);
}

TEST(NodeImages, AreTheFiftyLargestInOrderOfSize) {
  NodeFleet::Options o;
  for (int i = 0; i < 60; ++i) {
    o.images.set_image({fmt::format("app:{}", i), 1'000'000 * (1 + i * 7 % 60), false});
  }
  o.images.set_image({"tiny:1", 1000, false});
  Images k(std::move(o));
  k.add_node("n-1");
  k.start();
  for (int i = 0; i < 60; ++i) k.run_pod(fmt::format("p{}", i), fmt::format("app:{}", i));
  for (int i = 0; i < 60; ++i) k.until_running(fmt::format("p{}", i));
  k.run_for(Duration::seconds(45));
  ASSERT_EQ(k.listed().size(), 50u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(k.listed()[static_cast<size_t>(i)].size_bytes, 1'000'000 * (60 - i));
  }
  // One that does not make it into the list changes nothing.
  const std::string version = k.version();
  k.run_pod("tiny", "tiny:1");
  k.until_running("tiny");
  k.run_for(Duration::seconds(45));
  EXPECT_EQ(k.version(), version);
}

TEST(NodeImages, AreNamedAsContainerdNamesThem) {
  Images k;
  k.add_node("n-1");
  k.start();
  const std::string digest(64, 'a');
  k.run_pod("short", "nginx");
  k.until_running("short");
  k.run_pod("long", "docker.io/library/nginx:latest");
  k.run_pod("digest", "gcr.io/x/y@sha256:" + digest);
  k.run_pod("both", "busybox:1@sha256:" + digest);
  k.until_running("long");
  k.until_running("digest");
  k.until_running("both");
  k.run_for(Duration::seconds(45));
  std::vector<std::string> names;
  for (const api::ContainerImage& image : k.listed()) {
    ASSERT_EQ(image.names.size(), 1u);
    names.push_back(image.names[0].str());
  }
  std::sort(names.begin(), names.end());
  const std::vector<std::string> expected{"docker.io/library/busybox@sha256:" + digest,
                                          "docker.io/library/nginx:latest",
                                          "gcr.io/x/y@sha256:" + digest};
  EXPECT_EQ(names, expected);
}

TEST(NodeImages, OfOneImageByTwoNamesArePulledOnce) {
  Images k;
  k.add_node("n-1");
  k.start();
  k.run_pod("short", "nginx:1");
  k.until_running("short");
  k.run_pod("long", "docker.io/library/nginx:1");
  k.until_running("long");
  EXPECT_TRUE(k.event("long", "already present on machine"));
}

TEST(NodeImages, AreNotReportedIfThePullFailed) {
  NodeFleet::Options o;
  o.images.set_image({"gone:1", 0, true});
  Images k(std::move(o));
  k.add_node("n-1");
  k.start();
  k.run_pod("web", "gone:1");
  k.run_for(Duration::minutes(2));
  EXPECT_TRUE(k.listed().empty());
}

TEST(NodeImages, OnDiskAreReportedWhenTheMachineBootsAgain) {
  Images k;
  const NodeIndex n = k.add_node("n-1");
  k.start();
  k.run_pod("web", "app:1");
  k.until_running("web");
  ASSERT_TRUE(k.listed().empty());
  k.nodes().crash(k.world, n, "test");
  k.run_for(Duration::minutes(1));
  EXPECT_TRUE(k.listed().empty());
  const double again = k.now() + 20;
  k.nodes().recover(k.world, n, Duration::seconds(20));
  EXPECT_LT(k.until([&] { return !k.listed().empty(); }), again + 1);
}

TEST(NodeImages, AreReportedByEachNodeInItsOwnTime) {
  Images k;
  std::vector<double> reported;
  for (int i = 1; i <= 8; ++i) k.add_node(fmt::format("n-{}", i));
  k.start();
  for (int i = 1; i <= 8; ++i) k.run_pod(fmt::format("p{}", i), "app:1", fmt::format("n-{}", i));
  for (int i = 1; i <= 8; ++i) k.until_running(fmt::format("p{}", i));
  const double running = k.now();
  k.until([&] {
    size_t count = 0;
    for (int i = 1; i <= 8; ++i) count += k.listed(fmt::format("n-{}", i)).size();
    while (reported.size() < count) reported.push_back(k.now());
    return count == 8;
  });
  EXPECT_LE(reported.back(), running + 30 + 10.4 + 0.1);
  EXPECT_GT(reported.back() - reported.front(), 10);
}

}  // namespace
}  // namespace mainspring::node
