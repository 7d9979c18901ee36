#include "tests/models/node/cluster.h"

namespace mainspring::node {
namespace {

using ::testing::Test;

TEST(Kubelet, RunsABoundPodAndReportsIt) {
  Cluster k;
  k.add_node("n-1");
  k.start();
  k.apply(pod_yaml("web"));
  const double running = k.until([&] { return k.shown("web") == "Running"; });
  EXPECT_GT(running, 0.5);
  EXPECT_LT(running, 12);
  k.run_for(Duration::seconds(5));
  const api::Pod* p = k.pod("web");
  EXPECT_EQ(p->status.phase, "Running");
  EXPECT_EQ(k.condition("web", "Ready"), "True");
  EXPECT_EQ(k.condition("web", "ContainersReady"), "True");
  EXPECT_EQ(k.condition("web", "Initialized"), "True");
  EXPECT_EQ(k.condition("web", "PodReadyToStartContainers"), "True");
  EXPECT_EQ(p->status.pod_ip, "10.128.0.2");
  EXPECT_EQ(p->status.host_ip, "172.16.0.1");
  ASSERT_EQ(p->status.container_statuses.size(), 1u);
  EXPECT_TRUE(p->status.container_statuses[0].ready);
  EXPECT_EQ(p->status.container_statuses[0].restart_count, 0);
  const std::vector<std::string> e = k.events("web");
  ASSERT_EQ(e.size(), 4u) << ::testing::PrintToString(e);
  EXPECT_EQ(e[0], "Pulling: Pulling image \"app:1\"");
  EXPECT_TRUE(e[1].starts_with("Pulled: Successfully pulled image \"app:1\" in ")) << e[1];
  EXPECT_EQ(e[2], "Created: Created container: c");
  EXPECT_EQ(e[3], "Started: Started container c");
}

}  // namespace
}  // namespace mainspring::node
