// A scheduler plugin that keeps GPUs usable: it scores nodes by how little a pod adds to the GPUs
// that no usual pod could use any more. After "Beware of Fragmentation" (Weng et al., ATC 2023),
// with whole GPUs.
#include <algorithm>

#include "models/api/validate_context.h"
#include "models/scheduler/plugin_library.h"

namespace mainspring::scheduler {
namespace {

class GpuFragmentation final : public PluginBase<GpuFragmentation> {
 public:
  static constexpr std::string_view kName = "GpuFragmentation";
  static constexpr Points kPoints = kScore;

  // A kind of pod that is expected: `share` of all pods want so much.
  struct Shape {
    int64_t gpus = 1;
    int64_t milli_cpu = 0;
    int64_t share = 1;
  };
  struct Args {
    std::string resource = "nvidia.com/gpu";
    std::vector<Shape> shapes;
  };

  explicit GpuFragmentation(const api::Json& args) {
    if (args.contains("resource")) args_.resource = args["resource"].as_str().str();
    for (const api::Json& s : args["shapes"].items()) {
      args_.shapes.push_back({s["gpus"].as_int(), s["milliCPU"].as_int(), s["share"].as_int(1)});
    }
  }

  // What is wrong with the arguments, each at its place; said before a run.
  static void check_args(const api::Json& args, api::ValidateContext& c) {
    check_fields(args, {"resource", "shapes"}, c);
    check_string(args, "resource", c);
    check_list(args, "shapes", c);
    for (size_t i = 0; i < args["shapes"].size(); ++i) {
      const api::ValidateContext::Scope place(c, "shapes", i);
      const api::Json& shape = args["shapes"][i];
      check_fields(shape, {"gpus", "milliCPU", "share"}, c);
      for (const char* field : {"gpus", "milliCPU", "share"}) check_integer(shape, field, 0, c);
    }
  }

  int64_t score(const Cycle& cycle, const NodeInfo& node) const {
    const Resources& pod = cycle.info().node_request();
    const int64_t gpus =
        node.allocatable.scalar(args_.resource) - node.requested.scalar(args_.resource);
    const int64_t cpu = node.allocatable.milli_cpu - node.requested.milli_cpu;
    const int64_t before = fragments(gpus, cpu);
    const int64_t after = fragments(gpus - pod.scalar(args_.resource), cpu - pod.milli_cpu);
    return before - after;
  }

  // The best node gets 100, the worst 0.
  Status normalize(Cycle&, const NodeList&, std::span<int64_t> scores) const {
    const auto [min, max] = std::minmax_element(scores.begin(), scores.end());
    const int64_t low = *min;
    const int64_t range = *max - low;
    for (int64_t& s : scores) s = range == 0 ? 0 : kMaxNodeScore * (s - low) / range;
    return {};
  }

 private:
  // Free GPUs that the expected pods could not use, weighed by their shares.
  int64_t fragments(int64_t gpus, int64_t milli_cpu) const {
    int64_t sum = 0;
    for (const Shape& s : args_.shapes) {
      const int64_t by_gpu = s.gpus > 0 ? gpus / s.gpus : 0;
      const int64_t pods = s.milli_cpu > 0 ? std::min(by_gpu, milli_cpu / s.milli_cpu) : by_gpu;
      sum += s.share * (gpus - pods * s.gpus);
    }
    return sum;
  }

  Args args_;
};

void register_plugins(Registry& registry) {
  registry.add(
      GpuFragmentation::kName, GpuFragmentation::kPoints,
      [](const PluginConfig& config, ClusterCache&) -> std::unique_ptr<Plugin> {
        const auto args = config.custom.find(std::string(GpuFragmentation::kName));
        return std::make_unique<GpuFragmentation>(args == config.custom.end() ? api::Json()
                                                                              : args->second);
      },
      GpuFragmentation::check_args);
}

}  // namespace
}  // namespace mainspring::scheduler

MAINSPRING_SCHEDULER_PLUGINS(mainspring::scheduler::register_plugins)
