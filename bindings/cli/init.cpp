#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "bindings/cli/commands.h"
#include "models/api/defaulting.h"
#include "models/api/labels.h"
#include "models/api/pod_helpers.h"
#include "models/api/text.h"
#include "models/api/types/all.h"
#include "models/apiserver/registry.h"
#include "scenarios/loader.h"
#include "scenarios/report/text.h"

namespace mainspring::cli {

namespace {

namespace fs = std::filesystem;

// A kind of machine in everybody's catalogue: 4 CPU and 16 GiB, doubled until the largest pod fits.
constexpr int64_t kCpuMilli = 4000;
constexpr int64_t kMemoryMib = 16 * 1024;
constexpr double kPricePerHour = 0.19;  // US dollars for the smallest, about what clouds ask

struct Workload {
  std::string kind;
  std::string name;
  int64_t replicas = 1;
  int64_t cpu_milli = 0;  // of one pod
  int64_t memory_mib = 0;
  bool every_node = false;
  api::StrMap labels;
  std::vector<std::string> env;  // values
};

struct Service {
  std::string name;
  std::string ns;
  std::string type;
  std::string workload;            // behind it; empty if none was found
  std::vector<std::string> calls;  // names of services
  std::string reference() const { return ns == "default" ? name : ns + "/" + name; }
};

struct Application {
  std::vector<Workload> workloads;
  std::vector<Service> services;
  std::map<std::string, int> kinds;
  std::set<std::string> namespaces;  // that are named and not among the objects
  bool autoscaled = false;
};

Workload workload_of(const api::Object& object, const api::PodTemplateSpec& pod, int64_t replicas) {
  Workload w;
  w.kind = std::string(api::kind_name_of(object));
  w.name = object.metadata.name.str();
  w.replicas = replicas;
  const api::ResourceList requests = api::pod_requests(pod.spec);
  if (const api::Quantity* q = requests.find("cpu")) w.cpu_milli = q->milli_value();
  if (const api::Quantity* q = requests.find("memory")) w.memory_mib = (q->value() >> 20) + 1;
  w.labels = pod.metadata.labels;
  for (const api::Container& c : pod.spec.containers) {
    for (const api::EnvVar& e : c.env) {
      if (!e.value.empty()) w.env.push_back(e.value.str());
    }
  }
  return w;
}

void add_workload(const api::Object& o, Application& app) {
  if (const auto* d = api::try_as<api::Deployment>(o)) {
    app.workloads.push_back(workload_of(o, d->spec.template_, d->spec.replicas.value_or(1)));
  } else if (const auto* s = api::try_as<api::StatefulSet>(o)) {
    app.workloads.push_back(workload_of(o, s->spec.template_, s->spec.replicas.value_or(1)));
  } else if (const auto* r = api::try_as<api::ReplicaSet>(o)) {
    app.workloads.push_back(workload_of(o, r->spec.template_, r->spec.replicas.value_or(1)));
  } else if (const auto* n = api::try_as<api::DaemonSet>(o)) {
    app.workloads.push_back(workload_of(o, n->spec.template_, 0));
    app.workloads.back().every_node = true;
  } else if (const auto* j = api::try_as<api::Job>(o)) {
    app.workloads.push_back(workload_of(o, j->spec.template_, j->spec.parallelism.value_or(1)));
  } else if (const auto* p = api::try_as<api::Pod>(o)) {
    api::PodTemplateSpec pod;
    pod.metadata.labels = p->metadata.labels;
    pod.spec = p->spec;
    app.workloads.push_back(workload_of(o, pod, 1));
  }
}

bool selects(const api::StrMap& selector, const api::StrMap& labels) {
  if (selector.empty()) return false;
  return std::all_of(selector.begin(), selector.end(), [&](const auto& entry) {
    const api::Str* value = labels.find(entry.first);
    return value && *value == entry.second;
  });
}

// Whether an environment value is the service's address: "cart", "cart:7070",
// "http://cart.shop.svc:80/x". A bare name must be the whole value.
bool names_service(std::string_view value, std::string_view service) {
  if (const size_t scheme = value.find("://"); scheme != std::string_view::npos) {
    value.remove_prefix(scheme + 3);
  }
  if (!value.starts_with(service)) return false;
  value.remove_prefix(service.size());
  return value.empty() || value.front() == ':' || value.front() == '.' || value.front() == '/';
}

// Depth first from `at`: calls that lead back to a service on the way are left out, since a request
// would never end.
void drop_cycles(std::vector<Service>& services, size_t at, std::vector<int>& state) {
  state[at] = 1;
  std::vector<std::string> kept;
  for (const std::string& called : services[at].calls) {
    const auto found = std::find_if(services.begin(), services.end(),
                                    [&](const Service& s) { return s.name == called; });
    const auto next = static_cast<size_t>(found - services.begin());
    if (state[next] == 1) continue;
    kept.push_back(called);
    if (state[next] == 0) drop_cycles(services, next, state);
  }
  services[at].calls = kept;
  state[at] = 2;
}

void find_namespaces(const std::vector<api::ObjectRef>& objects, Application& app) {
  for (const api::ObjectRef& o : objects) {
    if (!o->metadata.namespace_.empty()) app.namespaces.insert(o->metadata.namespace_.str());
  }
  for (const api::ObjectRef& o : objects) {
    if (o->kind == api::Kind::Namespace) app.namespaces.erase(o->metadata.name.str());
  }
  for (const std::string_view own : apiserver::kOwnNamespaces) {
    app.namespaces.erase(std::string(own));
  }
}

void find_services(const std::vector<api::ObjectRef>& objects, Application& app) {
  for (const api::ObjectRef& o : objects) {
    const auto* service = api::try_as<api::Service>(*o);
    if (!service || service->spec.selector.empty()) continue;
    Service s;
    s.name = o->metadata.name.str();
    s.ns = o->metadata.namespace_.empty() ? "default" : o->metadata.namespace_.str();
    s.type = service->spec.type.str();
    for (const Workload& w : app.workloads) {
      if (selects(service->spec.selector, w.labels) && s.workload.empty()) s.workload = w.name;
    }
    const bool known = std::any_of(app.services.begin(), app.services.end(),
                                   [&](const Service& other) { return other.name == s.name; });
    if (!s.workload.empty() && !known) app.services.push_back(std::move(s));
  }
  for (Service& s : app.services) {
    for (const Workload& w : app.workloads) {
      if (w.name != s.workload) continue;
      for (const Service& other : app.services) {
        if (other.workload == s.workload) continue;
        if (std::any_of(w.env.begin(), w.env.end(), [&](const std::string& value) {
              return names_service(value, other.name);
            })) {
          s.calls.push_back(other.name);
        }
      }
    }
    std::sort(s.calls.begin(), s.calls.end());
    s.calls.erase(std::unique(s.calls.begin(), s.calls.end()), s.calls.end());
  }
  std::vector<int> state(app.services.size(), 0);
  for (size_t i = 0; i < app.services.size(); ++i) {
    if (state[i] == 0) drop_cycles(app.services, i, state);
  }
}

Application read_application(const std::vector<api::ObjectRef>& objects) {
  Application app;
  for (const api::ObjectRef& o : objects) {
    api::Ref<api::Object> copy = api::clone(*o);
    api::set_defaults(*copy);
    ++app.kinds[std::string(api::kind_name_of(*o))];
    app.autoscaled = app.autoscaled || o->kind == api::Kind::HorizontalPodAutoscaler;
    add_workload(*copy, app);
  }
  find_services(objects, app);
  find_namespaces(objects, app);
  return app;
}

// The service that users come in by: one open to the outside, else one with a front's name, else
// one that nobody calls.
const Service* entry_service(const Application& app) {
  std::set<std::string> called;
  for (const Service& s : app.services) called.insert(s.calls.begin(), s.calls.end());
  const Service* best = nullptr;
  int best_score = -1;
  for (const Service& s : app.services) {
    int score = 0;
    if (s.type == "LoadBalancer") score += 8;
    if (s.type == "NodePort") score += 6;
    for (const char* word : {"front", "gateway", "ingress", "productpage", "web", "ui", "proxy"}) {
      if (s.name.find(word) != std::string::npos) score += 4;
    }
    if (!called.contains(s.name)) score += 2;
    if (!s.calls.empty()) score += 1;
    if (score > best_score) {
      best = &s;
      best_score = score;
    }
  }
  return best;
}

struct Pool {
  int64_t cpu_milli = kCpuMilli;
  int64_t memory_mib = kMemoryMib;
  int64_t count = 3;
  double price = kPricePerHour;
  int64_t asked_cpu_milli = 0;
  int64_t asked_memory_mib = 0;
  int64_t pods = 0;
};

// Machines that hold all requests at three quarters of their size: the kubelet and the system take
// a part, and pods do not fill machines exactly.
Pool size_pool(const Application& app) {
  Pool pool;
  int64_t node_cpu = 0, node_memory = 0, largest_cpu = 0, largest_memory = 0;
  for (const Workload& w : app.workloads) {
    largest_cpu = std::max(largest_cpu, w.cpu_milli);
    largest_memory = std::max(largest_memory, w.memory_mib);
    if (w.every_node) {
      node_cpu += w.cpu_milli;
      node_memory += w.memory_mib;
    } else {
      pool.asked_cpu_milli += w.replicas * w.cpu_milli;
      pool.asked_memory_mib += w.replicas * w.memory_mib;
      pool.pods += w.replicas;
    }
  }
  const auto room = [](int64_t size, int64_t taken) { return size * 3 / 4 - taken; };
  while (pool.cpu_milli < 512'000 && (room(pool.cpu_milli, node_cpu) < largest_cpu ||
                                      room(pool.memory_mib, node_memory) < largest_memory)) {
    pool.cpu_milli *= 2;
    pool.memory_mib *= 2;
    pool.price *= 2;
  }
  const auto needed = [](int64_t asked, int64_t each) {
    return each <= 0 ? 0 : (asked + each - 1) / each;
  };
  pool.count = std::max({int64_t{3}, needed(pool.asked_cpu_milli, room(pool.cpu_milli, node_cpu)),
                         needed(pool.asked_memory_mib, room(pool.memory_mib, node_memory)),
                         needed(pool.pods, 80)});
  pool.count = std::min<int64_t>(pool.count, 15000);
  return pool;
}

// A YAML string in double quotes.
std::string in_quotes(std::string_view text) {
  std::string out;
  api::write_json_string(text, &out);
  return out;
}

std::string counted(const std::map<std::string, int>& kinds) {
  std::string out;
  for (const auto& [kind, n] : kinds) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", n, kind);
  }
  return out;
}

std::string wrapped_comment(const std::string& text, std::string_view indent) {
  std::string out, line;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && indent.size() + 3 + line.size() + word.size() > 98) {
      out += fmt::format("{}# {}\n", indent, line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return line.empty() ? out : out + fmt::format("{}# {}\n", indent, line);
}

std::string cluster_section(const Application& app) {
  const Pool pool = size_pool(app);
  std::string out = "cluster:\n";
  if (!app.namespaces.empty()) {
    out += "  namespaces:  # the manifests name them and do not make them\n";
    for (const std::string& n : app.namespaces) out += fmt::format("    - {}\n", in_quotes(n));
  }
  out += "  nodePools:\n";
  out += wrapped_comment(
      fmt::format(
          "{} pods ask for {:.1f} CPU and {:.1f} GiB at the start; these machines hold that "
          "with a quarter to spare, one lost machine aside.",
          pool.pods, static_cast<double>(pool.asked_cpu_milli) / 1000,
          static_cast<double>(pool.asked_memory_mib) / 1024),
      "    ");
  out += fmt::format(R"(    - name: default
      count: {}
      zones: [zone-a, zone-b, zone-c]
      cpu: {}
      memory: {}Gi
      pricePerHour: "{:.2f}"
)",
                     pool.count, pool.cpu_milli / 1000, pool.memory_mib / 1024, pool.price);
  return out;
}

std::string services_section(const Application& app) {
  if (app.services.empty()) return "";
  std::string out = "\n";
  out += wrapped_comment(
      "How the pods behind each Service answer: processor time and other time of one request, as "
      "distributions. The calls were read from environment variables that hold the address of "
      "another Service. The figures are guesses: put in what you measure.",
      "");
  out += "services:\n";
  for (const Service& s : app.services) {
    out +=
        fmt::format("  - service: {}\n    cpu: exponential mean 1ms\n", in_quotes(s.reference()));
    out += "    latency: uniform 1ms 4ms\n";
    if (s.calls.empty()) continue;
    out += "    calls:\n";
    for (const std::string& called : s.calls) {
      const auto found = std::find_if(app.services.begin(), app.services.end(),
                                      [&](const Service& o) { return o.name == called; });
      out +=
          fmt::format("      - service: {}\n        timeout: 2s\n", in_quotes(found->reference()));
    }
  }
  return out;
}

std::string traffic_section(const Service* entry) {
  if (!entry) {
    return "\n# No Service with pods behind it was found, so nobody sends requests.\ntraffic: []\n";
  }
  std::string out = "\n";
  out += wrapped_comment(
      fmt::format("Users at {}{}: 10 requests a second, and three times as many for three minutes.",
                  entry->name,
                  entry->type.empty() || entry->type == "ClusterIP"
                      ? ""
                      : ", the Service of type " + entry->type),
      "");
  return out + fmt::format(R"(traffic:
  - name: users
    service: {}
    shape: Spike
    from: 1m
    rate: "10"
    peak: "30"
    peakAt: 4m
    peakFor: 3m
    rampUp: 20s
)",
                           in_quotes(entry->reference()));
}

std::string expectations_section(const Application& app, const Service* entry) {
  if (app.workloads.empty()) return "\n# Nothing runs, so nothing is expected.\nexpectations: []\n";
  std::string out = "\n# These decide the exit code: 0 if all hold, 1 if not.\nexpectations:\n";
  if (entry) {
    out += fmt::format(R"(  - name: users are served
    availability:
      service: {0}
      atLeast: 95%
  - name: answers are quick
    latency:
      service: {0}
      percentile: p95
      atMost: 2s
)",
                       in_quotes(entry->reference()));
  }
  out += R"(  - name: pods find a place
    podsPending:
      longerThan: 3m
      atMostPods: 0
)";
  const bool deployments = std::any_of(app.workloads.begin(), app.workloads.end(),
                                       [](const Workload& w) { return w.kind == "Deployment"; });
  if (deployments) {
    out += R"(  - name: the cluster heals
    # A lost machine is noticed after 50 s, and its pods are replaced 300 s later.
    recovery:
      after: machine-lost
      within: 8m
)";
  }
  return out;
}

constexpr std::string_view kFaults = R"(
# What goes wrong, and when. Others: containerCrash, zoneOutage, trafficSpike.
faults:
  - at: 8m
    name: machine-lost
    nodeCrash:
      count: 1
      duration: 4m
  # - at: 5m
  #   name: zone-lost
  #   zoneOutage:
  #     zone: zone-b
  #     duration: 3m

# kubectl commands at points of time.
# timeline:
#   - at: 2m
#     kubectl: scale deployment NAME --replicas=5
)";

std::string scenario_text(const InitArguments& arguments, const Application& app,
                          const std::string& name, const std::vector<std::string>& manifests) {
  const std::string file = arguments.out.empty() ? "scenario.yaml" : arguments.out;
  const Service* entry = entry_service(app);
  std::string out =
      wrapped_comment(fmt::format("Made by `mainspring init` from {}.", counted(app.kinds)), "");
  out += fmt::format(R"(#   mainspring run {0} --out out   runs it and writes out/report.html
#   mainspring explain scenario    says what else can be written here
apiVersion: mainspring.dev/v1
kind: Scenario
metadata:
  name: {1}
  description: Does {2} stay up through a rush and the loss of a machine?
seed: 1
horizon: 20m

)",
                     file, in_quotes(name), name);
  out += cluster_section(app);
  out += "\n# Unmodified files or globs, relative to this file.\nmanifests:\n";
  for (const std::string& m : manifests) out += fmt::format("  - {}\n", in_quotes(m));
  out += services_section(app) + traffic_section(entry);
  out += std::string(kFaults) + expectations_section(app, entry);
  return out;
}

// A scenario's name from what the manifests, or their folder, are called.
std::string name_for(const std::vector<std::string>& files, const std::string& argument) {
  static constexpr std::string_view kCommon[] = {
      "kubernetes-manifests", "manifests", "release", "deploy", "k8s", "kubernetes", "all", "."};
  fs::path path = fs::absolute(files.front()).lexically_normal();
  if (files.size() > 1) path = path.parent_path();
  std::error_code error;
  if (fs::is_directory(argument, error)) {
    path = fs::absolute(argument).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();  // a slash at the end
  }
  std::string name = path.stem().string();
  while (std::find(std::begin(kCommon), std::end(kCommon), name) != std::end(kCommon) &&
         path.has_parent_path() && path != path.root_path()) {
    path = path.parent_path();
    name = path.stem().string();
  }
  std::string out;
  for (const char c : api::to_lower(name)) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (good) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "scenario" : out;
}

}  // namespace

int init_command(const InitArguments& arguments, const Terminal& terminal) {
  std::vector<std::string> files;
  for (const std::string& path : arguments.paths) {
    const std::vector<std::string> found = scenarios::expand_glob(path);
    if (found.empty()) {
      print_error(terminal, fmt::format("no file matches {}", path));
      return kInvalidInput;
    }
    files.insert(files.end(), found.begin(), found.end());
  }
  std::error_code error;
  if (!arguments.out.empty() && !arguments.force && fs::exists(arguments.out, error)) {
    print_error(terminal, fmt::format("{} exists; --force overwrites it", arguments.out));
    return kUsage;
  }
  api::Diagnostics diagnostics;
  std::vector<api::ObjectRef> objects;
  for (const std::string& f : files) scenarios::load_manifest(f, diagnostics, objects);
  print_diagnostics(terminal, diagnostics);
  if (!diagnostics.ok()) return kInvalidInput;

  const fs::path folder =
      arguments.out.empty() ? fs::current_path() : fs::absolute(arguments.out).parent_path();
  std::vector<std::string> relative;
  for (const std::string& f : files) {
    const fs::path path = fs::relative(f, folder, error);
    relative.push_back(error || path.empty() ? f : path.string());
  }
  const Application app = read_application(objects);
  const std::string text =
      scenario_text(arguments, app, name_for(files, arguments.paths.front()), relative);
  if (arguments.out.empty()) {
    print_out(text);
    return kOk;
  }
  if (!scenarios::write_file(arguments.out, text)) {
    print_error(terminal, fmt::format("{} cannot be written", arguments.out));
    return kInvalidInput;
  }
  print_err(
      fmt::format("{} written; next: mainspring run {} --out out\n", arguments.out, arguments.out));
  return kOk;
}

}  // namespace mainspring::cli
