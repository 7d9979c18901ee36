#include "models/scheduler/device_allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "models/api/node_affinity.h"

namespace mainspring::scheduler {

namespace {

constexpr size_t kMaxResults = 32;  // resource.k8s.io/v1 AllocationResultsMaxSize
// Kubernetes gives up after 10 s (DynamicResourcesArgs.filterTimeout). A run cannot depend on the
// speed of a machine; to look at this many devices takes about a second.
constexpr int64_t kMaxSteps = 5'000'000;

// A device, by slice and its place there.
struct DeviceRef {
  uint32_t slice = 0;
  uint32_t index = 0;
  friend bool operator==(const DeviceRef&, const DeviceRef&) = default;
};

// A request, or an alternative of one.
struct Request {
  api::Str name;
  api::Str parent;  // the request whose alternative it is
  std::string full_name;
  api::Str class_name;
  const api::DeviceClass* device_class = nullptr;  // null if there is none
  bool all = false;
  bool admin = false;
  size_t claim = 0;
  const api::List<api::DeviceSelector>* selectors = nullptr;
  std::shared_ptr<DeviceVerdicts> verdicts;  // of the class' selectors, then its own
  std::shared_ptr<DeviceVerdicts> verdicts_for_all;
  size_t devices = 0;             // how many are wanted
  std::vector<DeviceRef> all_of;  // of a request for all, on the node at hand

  explicit Request(const api::DeviceRequest& r) : name(r.name), full_name(r.name.str()) {
    take(*r.exactly);
  }
  Request(const api::DeviceRequest& r, const api::DeviceSubRequest& s)
      : name(s.name), parent(r.name), full_name(r.name.str() + '/' + s.name.str()) {
    if (parent.empty()) full_name = name.str();
    take(s);
  }
  bool alternative() const { return !parent.empty(); }
  const api::Str& base() const { return alternative() ? parent : name; }

 private:
  template <class T>
  void take(const T& r) {
    class_name = r.device_class_name;
    all = r.allocation_mode == api::device_allocation_mode::kAll;
    devices = static_cast<size_t>(std::max<int64_t>(r.count, 0));
    selectors = &r.selectors;
    if constexpr (requires { r.admin_access; }) admin = r.admin_access.value_or(false);
  }
};

// A request with its alternatives, or alone.
struct Choice {
  std::vector<Request> alternatives;
  uint32_t chosen = 0;
};

// matchAttribute: the devices of some requests agree on a value.
class MatchAttribute {
 public:
  explicit MatchAttribute(const api::DeviceConstraint& c) : constraint_(&c) {}

  void reset() { devices_ = 0; }
  bool add(const Request& request, const DeviceSlice& slice, const api::Device& device) {
    if (!concerns(request)) return true;
    const api::Json* value = look_up(slice, device);
    if (!value) return false;
    if (devices_ == 0) {
      value_ = value;
    } else if (!same(*value, *value_)) {
      return false;
    }
    ++devices_;
    return true;
  }
  void remove(const Request& request) {
    if (concerns(request)) --devices_;
  }

 private:
  bool concerns(const Request& request) const {
    const auto& names = constraint_->requests;
    return names.empty() || std::any_of(names.begin(), names.end(), [&](const api::Str& name) {
             return name == request.base() || name == request.full_name;
           });
  }
  const api::Json* look_up(const DeviceSlice& slice, const api::Device& device) const {
    const auto& attributes = device.attributes;
    const std::string_view name = constraint_->match_attribute.view();
    if (const api::Json* found = attributes.find(name)) return found;
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) return nullptr;
    if (name.substr(0, slash) != slice.spec().driver.view()) return nullptr;
    return attributes.find(name.substr(slash + 1));
  }
  static bool same(const api::Json& a, const api::Json& b) {
    for (std::string_view type : {"string", "int", "bool", "version"}) {
      const api::Json* value = a.find(type);
      if (!value) continue;
      const api::Json* other = b.find(type);
      return other && *value == *other;
    }
    return false;
  }

  const api::DeviceConstraint* constraint_;
  const api::Json* value_ = nullptr;
  size_t devices_ = 0;
};

// A claim to be allocated.
struct Wanting {
  ClaimRef claim;
  std::string name;
  std::vector<Choice> requests;
  std::vector<MatchAttribute> constraints;
  bool unknown_constraint = false;  // after those
  size_t first_taken = 0;           // place of its first device among those taken

  const api::DeviceClaim& spec() const { return claim->spec.devices; }
};

struct Taken {
  DeviceRef device;
  const Request* request = nullptr;
};

}  // namespace

class DeviceAllocator::Search {
 public:
  Search(std::vector<ClaimRef> claims, const DeviceClasses& classes, DeviceMemory* memory,
         SelectorCache* selectors)
      : memory_(*memory) {
    claims_.reserve(claims.size());
    for (ClaimRef& claim : claims) {
      Wanting& w = claims_.emplace_back();
      w.claim = std::move(claim);
      w.name = api::namespaced_name(*w.claim);
      for (const api::DeviceRequest& request : w.spec().requests) {
        std::vector<Request>& alternatives = w.requests.emplace_back().alternatives;
        if (request.first_available.empty()) alternatives.emplace_back(request);
        for (const auto& s : request.first_available) alternatives.emplace_back(request, s);
        for (Request& r : alternatives) complete(&r, classes, selectors);
        // Kubernetes matches the second alternative with what it remembers of the first one's
        // selectors, if both ask for all devices.
        if (alternatives.size() > 1 && alternatives[0].all) {
          alternatives[1].verdicts_for_all = alternatives[0].verdicts;
        }
      }
      for (const api::DeviceConstraint& c : w.spec().constraints) {
        w.unknown_constraint = c.match_attribute.empty();
        if (w.unknown_constraint) break;
        w.constraints.emplace_back(c);
      }
    }
  }

  DeviceAllocation run(const NodeInfo& node) {
    node_ = &memory_.on(node);
    steps_ = 0;
    for (Wanting& w : claims_) {
      if (!read_claim(w)) return failed();
    }
    switch (search({})) {
      case Step::kFound:
        return found();
      case Step::kNone:
        break;
      case Step::kTooMany:
        error_ = "allocation max size exceeded";
        return failed();
      case Step::kError:
        return failed();
    }
    DeviceAllocation out;
    if (node_->invalid) out.kind = DeviceAllocation::Kind::kPools;
    return out;
  }

  std::vector<api::AllocationResult> results(size_t solution) const {
    std::vector<api::AllocationResult> out;
    for (size_t i = 0; i < claims_.size(); ++i) {
      api::AllocationResult& result = out.emplace_back();
      const std::span<const Taken> taken = taken_by(solution, i);
      for (const Taken& t : taken) {
        const api::ResourceSliceSpec& spec = memory_.slices().slice(t.device.slice).spec();
        api::DeviceRequestAllocationResult r;
        r.request = t.request->full_name;
        r.driver = spec.driver;
        r.pool = spec.pool.name;
        r.device = spec.devices[t.device.index].name;
        if (t.request->admin) r.admin_access = true;
        result.devices.results.push_back(std::move(r));
      }
      add_class_configs(solution, i, &result.devices.config);
      add_claim_configs(solution, i, &result.devices.config);
      result.node_selector = node_selector(taken);
    }
    return out;
  }

  // The devices that a claim gets in a solution.
  std::span<const Taken> taken_by(size_t solution, size_t claim) const {
    const Solution& s = solutions_[solution];
    const auto first = found_.begin() + static_cast<ptrdiff_t>(s.first);
    const auto of_claim = [](const Taken& t, size_t c) { return t.request->claim < c; };
    const auto last = first + static_cast<ptrdiff_t>(s.count);
    const auto begin = std::lower_bound(first, last, claim, of_claim);
    return {begin, std::lower_bound(begin, last, claim + 1, of_claim)};
  }

 private:
  enum class Step : uint8_t {
    kFound,
    kNone,
    kTooMany,  // more devices than a claim can hold, wherever they come from
    kError,
  };
  // Claim, request and alternative, by number, and how many devices of it there are.
  struct Place {
    size_t claim = 0;
    size_t request = 0;
    size_t alternative = 0;
    size_t device = 0;
    // The first of the node's devices to look at: another order of the same devices gives no other
    // answer. Kubernetes tries the other orders too, and so may end in its time limit.
    size_t run = 0;
    uint32_t index = 0;
  };
  struct Solution {
    size_t first = 0;  // in found_
    size_t count = 0;
    size_t chosen = 0;  // in chosen_: the alternatives, by claim and request
  };

  DeviceAllocation failed() {
    DeviceAllocation out;
    const bool timeout = steps_ > kMaxSteps;
    out.kind = timeout ? DeviceAllocation::Kind::kTimeout : DeviceAllocation::Kind::kError;
    out.error = std::move(error_);
    error_.clear();
    return out;
  }
  bool fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  // --- what is asked for

  void complete(Request* r, const DeviceClasses& classes, SelectorCache* selectors) {
    r->claim = claims_.size() - 1;
    const auto found = classes.find(r->class_name);
    if (found == classes.end()) return;
    r->device_class = found->second.get();
    std::vector<api::Str> texts;
    for (const auto* list : {&r->device_class->spec.selectors, r->selectors}) {
      for (const api::DeviceSelector& s : *list) {
        texts.push_back(s.cel ? s.cel->expression : api::Str());
      }
    }
    r->verdicts = memory_.verdicts(texts, selectors);
    r->verdicts_for_all = r->verdicts;
  }

  // What it wants of the node. False on an error.
  bool read_claim(Wanting& w) {
    size_t least = 0;
    for (Choice& choice : w.requests) {
      size_t fewest = SIZE_MAX;
      for (Request& r : choice.alternatives) {
        if (!r.device_class) {
          return fail(
              fmt::format("claim {}, request {}: could not retrieve device class {}: "
                          "deviceclass.resource.k8s.io \"{}\" not found",
                          w.name, r.name.view(), r.class_name.view(), r.class_name.view()));
        }
        if (r.all && !read_all(w, &r)) return false;
        fewest = std::min(fewest, r.devices);
      }
      choice.chosen = 0;
      least += fewest;
    }
    if (least > kMaxResults) {
      return fail(
          fmt::format("claim {}: number of requested devices {} exceeds the claim limit of "
                      "{}",
                      w.name, least, kMaxResults));
    }
    for (MatchAttribute& m : w.constraints) m.reset();
    if (w.unknown_constraint) {
      return fail(
          fmt::format("claim {}, constraint #{}: empty constraint (unsupported constraint "
                      "type?)",
                      w.name, w.constraints.size()));
    }
    return true;
  }

  // The devices that a request for all stands for.
  bool read_all(const Wanting& w, Request* r) {
    r->all_of.clear();
    const size_t runs = node_->unusable ? node_->unusable->before : node_->runs.size();
    for (size_t k = 0; k < runs; ++k) {
      const DeviceRun& run = node_->runs[k];
      for (uint32_t i = 0; i < run.count; ++i) {
        bool yes = false;
        if (!selectable(*r, r->verdicts_for_all.get(), run, i, &yes)) return false;
        if (yes) r->all_of.push_back({run.slice, i});
      }
    }
    if (node_->unusable) {
      const PoolId& pool = node_->unusable->pool;
      return fail(fmt::format(
          "claim {}, request {}: asks for all devices, but resource pool {}/{} is currently {}",
          w.name, r->name.view(), pool.first.view(), pool.second.view(),
          node_->unusable->incomplete ? "being updated" : "invalid"));
    }
    r->devices = r->all_of.size();
    return true;
  }

  // --- which devices will do

  // False on an error.
  bool selectable(const Request& r, DeviceVerdicts* verdicts, const DeviceRun& run, uint32_t index,
                  bool* yes) {
    DeviceVerdicts::Verdict& verdict = verdicts->of_device[run.first + index];
    if (verdict == DeviceVerdicts::kUnknown) {
      const api::CelDevice& device = memory_.slices().slice(run.slice).devices[index];
      const std::span<const SelectorCache::Entry> compiled = r.verdicts->selectors;
      const auto& of_class = r.device_class->spec.selectors;
      const std::string in_class = "class " + r.device_class->metadata.name.str();
      if (!selected(in_class, of_class, compiled, device, yes)) return false;
      if (*yes) {
        const std::string in_claim = "claim " + claims_[r.claim].name;
        const auto own = compiled.subspan(of_class.size());
        if (!selected(in_claim, *r.selectors, own, device, yes)) return false;
      }
      verdict = *yes ? DeviceVerdicts::kYes : DeviceVerdicts::kNo;
    }
    *yes = verdict == DeviceVerdicts::kYes;
    return true;
  }

  bool selected(const std::string& where, const api::List<api::DeviceSelector>& list,
                std::span<const SelectorCache::Entry> compiled, const api::CelDevice& device,
                bool* yes) {
    *yes = true;
    for (size_t i = 0; i < list.size() && *yes; ++i) {
      if (!list[i].cel) return fail("CEL expression empty (unsupported selector type?)");
      const SelectorCache::Entry& e = compiled[i];
      if (!e.selector) {
        return fail(fmt::format("{}: selector #{}: CEL compile error: {}", where, i, e.error));
      }
      std::string why;
      *yes = e.selector->matches(device, &why);
      if (!why.empty()) {
        return fail(fmt::format("{}: selector #{}: CEL runtime error: {}", where, i, why));
      }
    }
    return true;
  }

  // Admin access shares devices with everybody but its own claim.
  bool usable(const Request& r, DeviceRef device, uint32_t number) const {
    if (!r.admin) return memory_.holders()[number] == 0;
    const auto own = taken_.begin() + static_cast<ptrdiff_t>(claims_[r.claim].first_taken);
    return std::none_of(own, taken_.end(), [&](const Taken& t) { return t.device == device; });
  }

  // --- the search

  // A device of the request at `at`, and everything after it.
  Step search(const Place& at, bool in_alternative = false) {
    if (at.claim >= claims_.size()) return Step::kFound;
    Wanting& w = claims_[at.claim];
    if (at.request == 0 && at.device == 0) w.first_taken = taken_.size();
    if (at.request >= w.requests.size()) {
      const Step s = search({.claim = at.claim + 1});
      // Another choice for this claim may leave more for the next.
      return s == Step::kTooMany ? Step::kNone : s;
    }
    Choice& choice = w.requests[at.request];
    const Request& r = choice.alternatives[at.alternative];
    if (!in_alternative && r.alternative()) return try_alternatives(at, &choice);
    if (r.all && r.all_of.empty()) return Step::kNone;
    if (at.device >= r.devices) return search({.claim = at.claim, .request = at.request + 1});
    if (taken_.size() - w.first_taken + r.devices - at.device > kMaxResults) return Step::kTooMany;
    return r.all ? take_next(at, r, in_alternative) : try_devices(at, r, in_alternative);
  }

  Step try_alternatives(Place at, Choice* choice) {
    bool all_too_many = true;
    for (at.alternative = 0; at.alternative < choice->alternatives.size(); ++at.alternative) {
      const Step s = search(at, true);
      if (s == Step::kTooMany) continue;
      if (s == Step::kError) return s;
      all_too_many = false;
      if (s == Step::kFound) {
        choice->chosen = static_cast<uint32_t>(at.alternative);
        return s;
      }
    }
    return all_too_many ? Step::kTooMany : Step::kNone;
  }

  // Of a request for all: which one is known, and so is that there is no other.
  Step take_next(const Place& at, const Request& r, bool in_alternative) {
    const DeviceRef device = r.all_of[at.device];
    const uint32_t number = memory_.slices().first_device(device.slice) + device.index;
    if (++steps_ > kMaxSteps) return Step::kError;
    if (!usable(r, device, number)) return Step::kNone;
    if (!take(r, device, number)) {
      const api::ResourceSliceSpec& spec = memory_.slices().slice(device.slice).spec();
      fail(
          fmt::format("claim {}, request {}: cannot add device {}/{}/{} because a claim constraint "
                      "would not be satisfied",
                      claims_[at.claim].name, r.name.view(), spec.driver.view(),
                      spec.pool.name.view(), spec.devices[device.index].name.view()));
      return Step::kError;
    }
    // Kubernetes goes on with the first alternative, whichever it is at.
    const Place next{.claim = at.claim, .request = at.request, .device = at.device + 1};
    const Step s = search(next, in_alternative);
    if (s != Step::kFound) give_back(r, number);
    return s;
  }

  Step try_devices(const Place& at, const Request& r, bool in_alternative) {
    Place next = at;
    ++next.device;
    uint32_t index = at.index;
    for (size_t k = at.run; k < node_->runs.size(); ++k, index = 0) {
      const DeviceRun& run = node_->runs[k];
      for (; index < run.count; ++index) {
        const DeviceRef device{run.slice, index};
        const uint32_t number = run.first + index;
        if (++steps_ > kMaxSteps) return Step::kError;
        if (!usable(r, device, number)) continue;
        bool yes = false;
        if (!selectable(r, r.verdicts.get(), run, index, &yes)) return Step::kError;
        if (!yes || !take(r, device, number)) continue;
        next.run = k;
        next.index = index + 1;
        const Step s = search(next, in_alternative);
        if (s == Step::kFound) return s;
        give_back(r, number);
        if (s != Step::kNone) return s;
      }
    }
    return Step::kNone;
  }

  // False if a constraint is against it.
  bool take(const Request& r, DeviceRef device, uint32_t number) {
    std::vector<MatchAttribute>& constraints = claims_[r.claim].constraints;
    if (!constraints.empty()) {
      const DeviceSlice& slice = memory_.slices().slice(device.slice);
      for (size_t i = 0; i < constraints.size(); ++i) {
        if (constraints[i].add(r, slice, slice.spec().devices[device.index])) continue;
        while (i-- > 0) constraints[i].remove(r);
        return false;
      }
    }
    ++memory_.holders()[number];
    taken_.push_back({device, &r});
    return true;
  }
  void give_back(const Request& r, uint32_t number) {
    for (MatchAttribute& m : claims_[r.claim].constraints) m.remove(r);
    --memory_.holders()[number];
    taken_.pop_back();
  }

  // --- what was found

  DeviceAllocation found() {
    DeviceAllocation out;
    out.kind = DeviceAllocation::Kind::kFound;
    out.solution = solutions_.size();
    solutions_.push_back({found_.size(), taken_.size(), chosen_.size()});
    for (const Taken& t : taken_) {
      --memory_.holders()[memory_.slices().first_device(t.device.slice) + t.device.index];
    }
    found_.insert(found_.end(), taken_.begin(), taken_.end());
    taken_.clear();
    for (const Wanting& w : claims_) {
      for (const Choice& choice : w.requests) chosen_.push_back(choice.chosen);
    }
    return out;
  }

  // The alternative that was chosen, or the request itself.
  const Request& chosen(size_t solution, size_t claim, size_t request) const {
    size_t at = solutions_[solution].chosen + request;
    for (size_t c = 0; c < claim; ++c) at += claims_[c].requests.size();
    return claims_[claim].requests[request].alternatives[chosen_[at]];
  }

  // Those of a class stand there once, for all requests of the class.
  void add_class_configs(size_t solution, size_t claim,
                         api::List<api::DeviceAllocationConfiguration>* out) const {
    std::map<std::string_view, std::pair<size_t, size_t>> seen;
    for (size_t i = 0; i < claims_[claim].requests.size(); ++i) {
      const Request& r = chosen(solution, claim, i);
      const auto [it, fresh] = seen.try_emplace(r.device_class->metadata.name, out->size(), 0);
      if (!fresh) {
        for (size_t k = it->second.first; k < it->second.second; ++k) {
          out->edit()[k].requests.push_back(r.full_name);
        }
        continue;
      }
      for (const api::DeviceClassConfiguration& config : r.device_class->spec.config) {
        api::DeviceAllocationConfiguration c;
        c.source = api::allocation_config_source::kFromClass;
        c.requests.push_back(r.full_name);
        c.opaque = config.opaque;
        out->push_back(std::move(c));
      }
      it->second.second = out->size();
    }
  }

  void add_claim_configs(size_t solution, size_t claim,
                         api::List<api::DeviceAllocationConfiguration>* out) const {
    const api::DeviceClaim& wants = claims_[claim].spec();
    for (const api::DeviceClaimConfiguration& config : wants.config) {
      const auto names = [&](std::string_view name) {
        return std::find(config.requests.begin(), config.requests.end(), name) !=
               config.requests.end();
      };
      size_t times = config.requests.empty() ? 1 : 0;
      for (size_t i = 0; !config.requests.empty() && i < wants.requests.size(); ++i) {
        const Request& r = chosen(solution, claim, i);
        times += names(wants.requests[i].name) || (r.alternative() && names(r.full_name));
      }
      api::DeviceAllocationConfiguration c;
      c.source = api::allocation_config_source::kFromClaim;
      c.requests = config.requests;
      c.opaque = config.opaque;
      while (times-- > 0) out->push_back(c);
    }
  }

  // Where the devices can be reached from; nothing if everywhere.
  api::Opt<api::NodeSelector> node_selector(std::span<const Taken> devices) const {
    api::NodeSelectorTerm all;
    for (const Taken& t : devices) {
      const api::ResourceSliceSpec& spec = memory_.slices().slice(t.device.slice).spec();
      if (spec.node_name) {
        all = {};
        all.match_fields = {api::requirement_in("metadata.name", {*spec.node_name})};
        break;
      }
      if (!spec.node_selector || spec.node_selector->node_selector_terms.empty()) continue;
      const api::NodeSelectorTerm& term = spec.node_selector->node_selector_terms[0];
      add_new(term.match_fields, &all.match_fields);
      add_new(term.match_expressions, &all.match_expressions);
    }
    if (all.match_fields.empty() && all.match_expressions.empty()) return {};
    return api::selector_of(std::move(all));
  }
  static void add_new(const api::List<api::NodeSelectorRequirement>& from,
                      api::List<api::NodeSelectorRequirement>* to) {
    const auto set = [](const api::List<api::Str>& values) {
      return std::set<api::Str>(values.begin(), values.end());
    };
    for (const api::NodeSelectorRequirement& r : from) {
      const bool there = std::any_of(to->begin(), to->end(), [&](const auto& e) {
        return e.key == r.key && e.operator_ == r.operator_ && set(e.values) == set(r.values);
      });
      if (!there) to->push_back(r);
    }
  }

  DeviceMemory& memory_;
  std::vector<Wanting> claims_;
  // Of the node at hand:
  const NodeDevices* node_ = nullptr;
  std::vector<Taken> taken_;
  int64_t steps_ = 0;
  std::string error_;
  // Of all nodes so far:
  std::vector<Solution> solutions_;
  std::vector<Taken> found_;
  std::vector<uint32_t> chosen_;
};

DeviceAllocator::DeviceAllocator(std::vector<ClaimRef> claims, const DeviceClasses& classes,
                                 DeviceMemory* memory, SelectorCache* selectors)
    : search_(std::make_unique<Search>(std::move(claims), classes, memory, selectors)) {}
DeviceAllocator::~DeviceAllocator() = default;

DeviceAllocation DeviceAllocator::allocate(const NodeInfo& node) { return search_->run(node); }

std::vector<api::AllocationResult> DeviceAllocator::results(size_t solution) const {
  return search_->results(solution);
}

std::vector<std::string_view> DeviceAllocator::requests(size_t solution, size_t claim) const {
  std::vector<std::string_view> out;
  for (const Taken& t : search_->taken_by(solution, claim)) out.push_back(t.request->full_name);
  return out;
}

}  // namespace mainspring::scheduler
