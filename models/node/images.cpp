// Images on a node: pull policy, the serial pull queue, credentials, and the list in node status.
// Sources: pkg/kubelet/images/image_manager.go EnsureImageExists, puller.go (serial),
// image_gc_manager.go (the cached list); pkg/kubelet/nodestatus/setters.go Images.
#include <fmt/format.h>

#include <algorithm>

#include "models/node/docker_auth.h"
#include "models/node/internal.h"
#include "models/node/node_fleet.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

namespace {

bool on_disk(const Machine& m, uint32_t image) {
  return std::find(m.images.begin(), m.images.end(), image) != m.images.end();
}

// Bytes over a rate in bytes a second, slowed by a factor in thousandths.
Duration transfer(int64_t bytes, int64_t rate, int64_t per_mille) {
  __extension__ using Wide = __int128;
  return Duration::nanos(
      static_cast<int64_t>(Wide{bytes} * 1'000'000 * per_mille / std::max<int64_t>(rate, 1)));
}

}  // namespace

void NodeFleet::ensure_image(sim::World& world, uint32_t p, uint32_t slot) {
  PodRuntime& pod = pods_[p];
  ContainerRuntime& c = containers_[slot];
  const api::Container& spec = spec_of(c);
  const std::string_view image = spec.image;
  const KubeletConfig& config = options_.config;
  std::string_view policy = spec.image_pull_policy;
  if (policy.empty()) policy = parse_image(image).latest ? "Always" : "IfNotPresent";
  const bool present = on_disk(machines_[pod.node], options_.images.number(image));

  if (present && policy != "Always") {
    pod_event(world, pod, "Normal", "Pulled",
              fmt::format("Container image \"{}\" already present on machine", image));
    begin(world, p, Op::kImage, config.image_check.at(0));
    return;
  }
  if (policy == "Never") {
    const std::string message =
        fmt::format("Container image \"{}\" is not present with pull policy of Never", image);
    pod_event(world, pod, "Warning", "ErrImageNeverPull", message);
    pod_event(world, pod, "Warning", "Failed", "Error: ErrImageNeverPull");
    start_failed(world, p, slot, "ErrImageNeverPull", message);
    next_step(world, p);
    return;
  }
  const BackoffLimits limits{config.image_backoff_initial, config.image_backoff_max,
                             config.image_backoff_max * 2};
  if (c.setbacks && c.setbacks->image_backoff.refuses_since_update(limits, world.now())) {
    const std::string message = fmt::format("Back-off pulling image \"{}\"", image);
    pod_event(world, pod, "Normal", "BackOff", message);
    pod_event(world, pod, "Warning", "Failed", "Error: ImagePullBackOff");
    start_failed(world, p, slot, "ImagePullBackOff", message);
    next_step(world, p);
    return;
  }
  pod_event(world, pod, "Normal", "Pulling", fmt::format("Pulling image \"{}\"", image));
  pod.op = Op::kImage;  // pull_done() ends it
  const NodeIndex n = pod.node;
  machines_[n].pulls.push_back(
      PullRequest{p, pod.generation, slot, image, world.now(), world.now()});
  if (machines_[n].pulls.size() == 1) start_pull(world, n);
}

std::string NodeFleet::pull_error(const sim::World& world, const api::Pod& pod,
                                  std::string_view image) const {
  const ImageName name = parse_image(image);
  const std::string path = fmt::format("{}/{}", name.registry, name.repository);
  const ImageCatalog::Registry* registry = options_.images.registry(name.registry);
  if (registry && registry->down) {
    return fmt::format(
        "failed to pull and unpack image \"{}\": failed to resolve reference \"{}\": failed to do "
        "request: Head \"https://{}/v2/{}/manifests/{}\": dial tcp: i/o timeout",
        image, image, name.registry, name.repository, name.tag);
  }
  if (registry && registry->is_private && !authorized(world, pod, name, *registry)) {
    return fmt::format(
        "failed to pull and unpack image \"{}\": failed to resolve reference \"{}\": pull access "
        "denied, repository does not exist or may require authorization: authorization failed: no "
        "basic auth credentials",
        image, image);
  }
  if (options_.images.missing(image)) {
    return fmt::format(
        "failed to pull and unpack image \"{}\": failed to resolve reference \"{}\": {}:{}: not "
        "found",
        image, image, path, name.tag);
  }
  return {};
}

// Whether one of the pod's pull secrets opens the registry: a docker config with an entry for the
// host whose path is a prefix of the repository.
bool NodeFleet::authorized(const sim::World& world, const api::Pod& pod, const ImageName& image,
                           const ImageCatalog::Registry& registry) const {
  const apiserver::ApiServer& api = server(world);
  for (const api::LocalObjectReference& ref : pod.spec.image_pull_secrets) {
    const auto* secret = api.get<api::Secret>(pod.metadata.namespace_, ref.name);
    if (!secret) continue;
    const auto entries = docker_auths(*secret);
    for (const DockerAuth& auth : entries) {
      if (!auth.matches(image)) continue;
      if (registry.username.empty() || auth.username == registry.username.view()) return true;
    }
  }
  return false;
}

void NodeFleet::start_pull(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  while (!m.pulls.empty()) {
    PullRequest& pull = m.pulls.front();
    if (pods_[pull.pod].generation == pull.pod_generation && pods_[pull.pod].in_use &&
        !pods_[pull.pod].terminating) {
      break;
    }
    m.pulls.pop_front();  // its pod is gone or going: nobody waits for it
  }
  if (m.pulls.empty()) return;
  PullRequest& pull = m.pulls.front();
  pull.begun = world.now();
  const PodRuntime& pod = pods_[pull.pod];
  ContainerRuntime& c = containers_[pull.container];
  const KubeletConfig& config = options_.config;
  const int64_t slow = options_.images.slowdown();
  Duration takes =
      config.image_resolve.at(pod_draw(world, pod, uint64_t{20} << 16 | c.spec_index, c.pulls++));
  takes = takes * slow / 1000;
  const uint32_t image = options_.images.number(pull.image);
  if (pull_error(world, *pod.object, pull.image).empty() && !on_disk(m, image)) {
    const int64_t bytes = options_.images.shown(image).size_bytes;
    takes += transfer(bytes, config.download_bytes_per_second, slow);
    takes += transfer(bytes, config.unpack_bytes_per_second, 1000);
  }
  m.pull_event = world.schedule(takes, id(), kPullDone, n, m.boots);
}

void NodeFleet::pull_done(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  const PullRequest pull = m.pulls.front();
  m.pulls.pop_front();
  m.pull_event = {};
  const uint32_t p = pull.pod;
  PodRuntime& pod = pods_[p];
  const bool wanted = pod.in_use && pod.generation == pull.pod_generation && !pod.terminating &&
                      pod.op == Op::kImage && pod.op_container == pull.container;
  std::string error;
  if (pod.in_use && pod.generation == pull.pod_generation) {
    error = pull_error(world, *pod.object, pull.image);
  }
  const uint32_t image = options_.images.number(pull.image);
  if (error.empty() && !on_disk(m, image)) {
    m.images.push_back(image);
    image_stored(world, n);
  }
  start_pull(world, n);
  if (!wanted) return;

  if (error.empty()) {
    pod_event(world, pod, "Normal", "Pulled",
              fmt::format("Successfully pulled image \"{}\" in {} ({} including waiting). Image "
                          "size: {} bytes.",
                          pull.image.view(), go_duration(world.now() - pull.begun),
                          go_duration(world.now() - pull.asked),
                          options_.images.shown(image).size_bytes));
    ContainerRuntime& c = containers_[pull.container];
    if (c.setbacks) c.setbacks.edit().image_backoff.reset();
    op_done(world, p);
    return;
  }
  const KubeletConfig& config = options_.config;
  const BackoffLimits limits{config.image_backoff_initial, config.image_backoff_max,
                             config.image_backoff_max * 2};
  containers_[pull.container].setbacks.edit().image_backoff.next(limits, world.now(), world.now());
  pod_event(world, pod, "Warning", "Failed",
            fmt::format("Failed to pull image \"{}\": {}", pull.image.view(), error));
  pod_event(world, pod, "Warning", "Failed", "Error: ErrImagePull");
  pod.op = Op::kNone;
  start_failed(world, p, pull.container, "ErrImagePull", error);
  next_step(world, p);
}

// --- the node's status ---

bool NodeFleet::found_running(const Machine& m) const {
  return options_.instant_registration && m.up_since == SimTime();
}

// Both loops begin with the kubelet, with a turn at once. A kubelet that runs when the simulation
// begins has been up for long, and is anywhere in its loops.
SimTime NodeFleet::next_image_list(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  const Duration period = options_.config.image_list_period;
  SimTime phase = m.up_since;
  if (found_running(m)) phase += Delay{{}, period}.at(draw("node", world, m.entity, 6, m.boots));
  return tick_at_or_after(phase, period, world.now());
}

SimTime NodeFleet::next_status_loop(const sim::World& world, NodeIndex n) const {
  const Machine& m = machines_[n];
  const KubeletConfig& config = options_.config;
  // In Kubernetes each turn draws its own jitter; here, as for leases, a kubelet keeps its first.
  const Duration period = Delay{config.node_status_period, config.node_status_jitter}.at(
      draw("node", world, m.entity, 7, m.boots));
  const Delay wait = found_running(m) ? Delay{{}, period} : config.register_node;
  const uint64_t purpose = found_running(m) ? 8 : 1;
  const SimTime phase = m.up_since + wait.at(draw("node", world, m.entity, purpose, m.boots));
  return tick_at_or_after(phase, period, world.now());
}

// Whether the list is another one than before.
bool NodeFleet::list_images(NodeIndex n) {
  Machine& m = machines_[n];
  std::vector<api::ContainerImage> all;
  all.reserve(m.images.size());
  for (const uint32_t image : m.images) all.push_back(options_.images.shown(image));
  // Of equal size: in Kubernetes by image id, the greater first; here by name.
  std::sort(all.begin(), all.end(), [](const api::ContainerImage& a, const api::ContainerImage& b) {
    if (a.size_bytes != b.size_bytes) return a.size_bytes > b.size_bytes;
    return b.names[0] < a.names[0];
  });
  if (all.size() > options_.config.node_status_max_images) {
    all.resize(options_.config.node_status_max_images);
  }
  api::List<api::ContainerImage> list(std::move(all));
  if (list == m.image_list) return false;
  m.image_list = std::move(list);
  return true;
}

void NodeFleet::image_stored(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  if (m.image_list_due) return;
  m.image_list_due = true;
  world.schedule(next_image_list(world, n), id(), kImageList, n, m.boots);
}

void NodeFleet::image_list_tick(sim::World& world, NodeIndex n) {
  Machine& m = machines_[n];
  m.image_list_due = false;
  if (!list_images(n) || m.images_unreported) return;
  m.images_unreported = true;
  world.schedule(next_status_loop(world, n), id(), kStatusLoop, n, m.boots);
}

}  // namespace mainspring::node
