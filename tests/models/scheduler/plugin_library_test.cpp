#include "models/scheduler/plugin_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/scheduler/configuration.h"
#include "tests/models/scheduler/cluster.h"

namespace mainspring::scheduler {
namespace {

using test::make_node;
using test::make_pod;
using ::testing::HasSubstr;

api::Ref<api::Node> gpu_node(std::string_view name) {
  auto n = make_node(name, "96", "768Gi");
  n->status.allocatable.set("nvidia.com/gpu", api::Quantity::from_value(8));
  return n;
}
api::Ref<api::Pod> gpu_pod(std::string_view name, int64_t gpus) {
  auto p = make_pod(name, "4", "16Gi");
  p->spec.containers.edit()[0].resources.requests.set("nvidia.com/gpu",
                                                      api::Quantity::from_value(gpus));
  return p;
}

SchedulerOptions with_plugin(RegisterPlugins plugins) {
  SchedulerOptions o;
  o.cycle_time = api::Duration();
  if (!plugins) return o;
  o.libraries = {plugins};
  ProfileOptions& p = o.profiles[0];
  p.plugins.at(kScore).enabled = {{"GpuFragmentation", 10}};
  api::Json shapes = api::Json::array();
  for (const auto& [gpus, share] : {std::pair{1, 50}, std::pair{8, 50}}) {
    shapes.push_back(api::Json::object({{"gpus", gpus}, {"share", share}}));
  }
  p.config.custom["GpuFragmentation"] = api::Json::object({{"shapes", shapes}});
  return o;
}

// Four pods of one GPU on two machines of eight: spread evenly by default. With the plugin they
// share one: the first costs 50 * (7 - 0) wherever it goes (no pod of eight fits any more); each
// further one gains 50 on that machine and costs 350 on the other.
TEST(PluginLibrary, BringsAPluginThatScores) {
  std::string error;
  const RegisterPlugins plugins = load_plugins(GPU_FRAGMENTATION_LIBRARY, &error);
  ASSERT_TRUE(plugins) << error;
  const auto on_first = [&](const SchedulerOptions& options) {
    test::Cluster c(options);
    c.put(gpu_node("n-0"));
    c.put(gpu_node("n-1"));
    int n = 0;
    for (const char* name : {"a", "b", "c", "d"}) {
      c.put(gpu_pod(name, 1));
      if (c.node_of(name) == "n-0") ++n;
    }
    return n;
  };
  EXPECT_EQ(on_first(with_plugin(nullptr)), 2);
  EXPECT_EQ(on_first(with_plugin(plugins)), 4);
}

TEST(PluginLibrary, ItsArgumentsAreCheckedWithTheConfiguration) {
  std::string error;
  const RegisterPlugins plugins = load_plugins(GPU_FRAGMENTATION_LIBRARY, &error);
  ASSERT_TRUE(plugins) << error;
  Registry registry;
  register_scheduler_plugins(registry);
  plugins(registry);
  api::Diagnostics diagnostics;
  const uint16_t file = diagnostics.add_file("g.yaml");
  (void)read_configuration(
      "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n"
      "- pluginConfig:\n  - name: GpuFragmentation\n    args: {resorce: a, resource: 7, shapes:\n"
      "      [{gpu: 1, milliCPU: abc, share: -5}, 4]}\n",
      file, registry, diagnostics);
  std::vector<std::string> errors;
  for (const api::Diagnostic& d : diagnostics.sorted()) errors.push_back(diagnostics.render(d));
  const std::string args = "profiles[0].pluginConfig[0].args.";
  EXPECT_THAT(errors,
              ::testing::UnorderedElementsAre(
                  HasSubstr(args + "resorce: unknown field; did you mean \"resource\"?"),
                  HasSubstr(args + "resource: Invalid value: 7: must be a string"),
                  HasSubstr(args + "shapes[0].gpu: unknown field; did you mean \"gpus\"?"),
                  HasSubstr(args + "shapes[0].milliCPU: Invalid value: \"abc\": must be an integer "
                                   "of at least 0"),
                  HasSubstr(args + "shapes[0].share: Invalid value: -5: must be an integer of at "
                                   "least 0"),
                  HasSubstr(args + "shapes[1]: Invalid value: 4: must be an object")));
}

TEST(PluginLibrary, SaysWhyALibraryIsNoUse) {
  std::string error;
  EXPECT_FALSE(load_plugins("/does/not/exist.so", &error));
  EXPECT_THAT(error, HasSubstr("cannot be loaded: "));
  EXPECT_FALSE(load_plugins("libc.so.6", &error));  // not in this folder: no search in the system's
  EXPECT_THAT(error, HasSubstr("cannot be loaded: "));
}

}  // namespace
}  // namespace mainspring::scheduler
