#include "models/node/machine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "models/node/crash_backoff.h"
#include "models/node/image_catalog.h"
#include "models/node/kubelet_config.h"

namespace mainspring::node {
namespace {

using sim::Duration;
using sim::SimTime;

constexpr int64_t kMi = 1 << 20;

TEST(Allocatable, KeepsBackTheEvictionThresholdByDefault) {
  MachineSpec spec;
  spec.cpu_milli = 4000;
  spec.memory_bytes = 16LL << 30;
  spec.disk_bytes = 100;
  const Allocatable a = allocatable(spec, {});
  EXPECT_EQ(a.cpu_milli, 4000);
  EXPECT_EQ(a.memory_bytes, (16LL << 30) - 100 * kMi);
  EXPECT_EQ(a.disk_bytes, 90);
}

TEST(Allocatable, FollowsTheFormulasOfManagedServices) {
  MachineSpec spec;
  spec.cpu_milli = 4000;
  spec.memory_bytes = 16LL << 30;
  spec.reservation = Reservation::kGke;
  // 25 % of 4 Gi + 20 % of 4 Gi + 10 % of 8 Gi = 1024 + 819.2 + 819.2 Mi; CPU 60 + 10 + 10 m.
  Allocatable a = allocatable(spec, {});
  EXPECT_EQ(a.cpu_milli, 3920);
  EXPECT_EQ(a.memory_bytes / kMi, 16384 - 2663 - 100);
  spec.reservation = Reservation::kEks;
  spec.max_pods = 58;
  a = allocatable(spec, {});
  EXPECT_EQ(a.memory_bytes / kMi, 16384 - 255 - 11 * 58 - 100);
  spec.reservation = Reservation::kAks;
  spec.max_pods = 30;
  a = allocatable(spec, {});
  EXPECT_EQ(a.memory_bytes / kMi, 16384 - 650 - 100);
}

TEST(CrashBackoff, DoublesFromTenSecondsToFiveMinutes) {
  // A program that ends at once: the first restart is immediate, later ones wait 10, 20, 40, 80,
  // 160, 300, 300 s from its end.
  const BackoffLimits limits;
  Backoff backoff;
  SimTime now = SimTime() + Duration::seconds(1000);
  std::vector<int64_t> waits;
  for (int i = 0; i < 8; ++i) {
    const SimTime ended = now;
    while (backoff.refuses(limits, ended, now)) now += Duration::seconds(1);
    waits.push_back((now - ended) / Duration::seconds(1));
    backoff.next(limits, ended, now);
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{0, 10, 20, 40, 80, 160, 300, 300}));
}

TEST(CrashBackoff, IsForgottenAfterTenMinutesOfRunning) {
  const BackoffLimits limits;
  Backoff backoff;
  SimTime now = SimTime() + Duration::seconds(1000);
  for (int i = 0; i < 5; ++i) backoff.next(limits, now, now);
  EXPECT_EQ(backoff.current(), Duration::seconds(160));
  now += Duration::seconds(600);  // not more than ten minutes
  EXPECT_TRUE(backoff.refuses(limits, now, now));
  now += Duration::seconds(1);
  EXPECT_FALSE(backoff.refuses(limits, now, now));
  backoff.next(limits, now, now);
  EXPECT_EQ(backoff.current(), Duration::seconds(10));
}

TEST(ImageName, SplitsAsDockerDoes) {
  const auto check = [](std::string_view image, std::string_view registry,
                        std::string_view repository, std::string_view tag, bool latest) {
    const ImageName n = parse_image(image);
    EXPECT_EQ(n.registry, registry) << image;
    EXPECT_EQ(n.repository, repository) << image;
    EXPECT_EQ(n.tag, tag) << image;
    EXPECT_EQ(n.latest, latest) << image;
  };
  check("nginx", "docker.io", "library/nginx", "latest", true);
  check("nginx:1.27", "docker.io", "library/nginx", "1.27", false);
  check("grafana/grafana:latest", "docker.io", "grafana/grafana", "latest", true);
  check("registry.example.com:5000/team/app:2", "registry.example.com:5000", "team/app", "2",
        false);
  check("localhost/app", "localhost", "app", "latest", true);
  check("gcr.io/x/y@sha256:abc", "gcr.io", "x/y", "@sha256:abc", false);
}

TEST(ImageName, IsWrittenAsContainerdNamesIt) {
  const auto reference = [](std::string_view image) { return parse_image(image).reference(); };
  EXPECT_EQ(reference("nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(reference("grafana/grafana:12"), "docker.io/grafana/grafana:12");
  EXPECT_EQ(reference("index.docker.io/library/nginx:1"), "docker.io/library/nginx:1");
  EXPECT_EQ(reference("localhost:5000/app"), "localhost:5000/app:latest");
  EXPECT_EQ(reference("busybox:1.38.0@sha256:abc"), "docker.io/library/busybox@sha256:abc");
}

TEST(ImageCatalog, ComputesSizesFromNamesUnlessTold) {
  ImageCatalog catalog;
  const auto bytes = [&](std::string_view image) {
    return catalog.shown(catalog.number(image)).size_bytes;
  };
  EXPECT_EQ(bytes("nginx:1"), bytes("nginx:1"));
  std::vector<int64_t> sizes;
  for (int i = 0; i < 200; ++i) sizes.push_back(bytes("app:" + std::to_string(i)));
  std::sort(sizes.begin(), sizes.end());
  EXPECT_GE(sizes.front(), 20'000'000);
  EXPECT_LE(sizes.back(), 420'000'000);
  EXPECT_LT(sizes[100], 180'000'000);
  catalog.set_image({"nginx:1", 12345, false});
  EXPECT_EQ(bytes("nginx:1"), 12345);
  EXPECT_FALSE(catalog.missing("nginx:1"));
  catalog.set_image({"gone:1", 0, true});
  EXPECT_TRUE(catalog.missing("gone:1"));
  EXPECT_TRUE(catalog.missing("docker.io/library/gone:1"));
}

TEST(ImageCatalog, KnowsAnImageByAllWaysToWriteItsName) {
  ImageCatalog catalog;
  catalog.set_image({"nginx", 12345, false});
  const uint32_t nginx = catalog.number("docker.io/library/nginx:latest");
  EXPECT_EQ(catalog.number("nginx"), nginx);
  EXPECT_EQ(catalog.number("library/nginx:latest"), nginx);
  EXPECT_NE(catalog.number("nginx:1"), nginx);
  EXPECT_EQ(catalog.shown(nginx).size_bytes, 12345);
  EXPECT_EQ(catalog.shown(nginx).names, api::List<api::Str>{"docker.io/library/nginx:latest"});
}

}  // namespace
}  // namespace mainspring::node
