#include "models/scheduler/device_allocator.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/node_affinity.h"

namespace mainspring::scheduler {

namespace {

constexpr size_t kMaxResults = 32;  // resource.k8s.io/v1 AllocationResultsMaxSize
// Kubernetes gives up after 10 s (DynamicResourcesArgs.filterTimeout). A run cannot depend on the
// speed of a machine; to look at this many devices takes about a second.
constexpr int64_t kMaxSteps = 5'000'000;
constexpr size_t kMaxSelectors = 10'000;

// A request, or an alternative of one.
struct Request {
  api::Str name;
  api::Str parent;  // the request whose alternative it is
  api::Str device_class;
  bool all = false;
  int64_t count = 0;
  bool admin = false;
  const api::List<api::DeviceSelector>* selectors = nullptr;

  explicit Request(const api::DeviceRequest& r) : name(r.name) { take(*r.exactly); }
  Request(const api::DeviceRequest& r, const api::DeviceSubRequest& s)
      : name(s.name), parent(r.name) {
    take(s);
  }
  bool alternative() const { return !parent.empty(); }
  const api::Str& base() const { return alternative() ? parent : name; }
  std::string full_name() const {
    return alternative() ? parent.str() + '/' + name.str() : name.str();
  }

 private:
  template <class T>
  void take(const T& r) {
    device_class = r.device_class_name;
    all = r.allocation_mode == api::device_allocation_mode::kAll;
    count = r.count;
    selectors = &r.selectors;
    if constexpr (requires { r.admin_access; }) admin = r.admin_access.value_or(false);
  }
};

// A device of a pool that can be used.
struct Candidate {
  const DeviceSlice* slice = nullptr;
  uint32_t index = 0;  // in the slice
  DeviceId id;
  bool allocated = false;         // by a claim that is none of the search's
  std::vector<size_t> taken_for;  // claims of the search
  const api::Device& device() const { return slice->spec().devices[index]; }
};

// Claim, request and alternative, by number.
struct RequestIndex {
  size_t claim = 0;
  size_t request = 0;
  size_t alternative = 0;
  friend auto operator<=>(const RequestIndex&, const RequestIndex&) = default;
};
struct DeviceIndex : RequestIndex {
  size_t device = 0;
  // The first candidate to look at: another order of the same devices gives no other answer.
  // Kubernetes tries the other orders too, and so may end in its time limit.
  size_t from = 0;
};

struct RequestData {
  Request request;
  const api::DeviceClass* device_class = nullptr;
  size_t devices = 0;          // how many are wanted
  size_t chosen = 0;           // alternative; on the entry of the first one
  std::vector<size_t> all_of;  // of a request for all: candidates
};

struct Taken {
  size_t candidate = 0;
  std::string request;
  bool admin = false;
};

// matchAttribute: the devices of some requests agree on a value.
class MatchAttribute {
 public:
  explicit MatchAttribute(const api::DeviceConstraint& c) : constraint_(&c) {}

  bool add(const Request& request, const Candidate& candidate) {
    if (!concerns(request)) return true;
    const api::Json* value = look_up(candidate);
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
             return name == request.base() || name == request.full_name();
           });
  }
  const api::Json* look_up(const Candidate& candidate) const {
    const auto& attributes = candidate.device().attributes;
    const std::string_view name = constraint_->match_attribute.view();
    if (const api::Json* found = attributes.find(name)) return found;
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) return nullptr;
    if (name.substr(0, slash) != candidate.slice->spec().driver.view()) return nullptr;
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

class Search {
 public:
  Search(const DeviceState& state, const api::Node& node, const std::vector<ClaimRef>& claims,
         SelectorCache* selectors)
      : state_(state), claims_(claims), selectors_(*selectors), pools_(state.slices->pools(node)) {
    for (const DevicePool& pool : pools_) {
      if (pool.incomplete || pool.invalid) continue;
      for (const DeviceSlice* slice : pool.slices) {
        const api::ResourceSliceSpec& spec = slice->spec();
        for (uint32_t i = 0; i < spec.devices.size(); ++i) {
          DeviceId id{spec.driver, spec.pool.name, spec.devices[i].name};
          const bool allocated = state_.allocated.contains(id);
          candidates_.push_back({slice, i, std::move(id), allocated, {}});
        }
      }
    }
  }

  DeviceAllocation run() {
    for (size_t i = 0; i < claims_.size(); ++i) {
      if (!read_claim(i)) return failed();
    }
    selectable_.clear();
    results_.resize(claims_.size());
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
    const bool invalid =
        std::any_of(pools_.begin(), pools_.end(), [](const DevicePool& p) { return p.invalid; });
    if (invalid) out.kind = DeviceAllocation::Kind::kPools;
    return out;
  }

 private:
  enum class Verdict : uint8_t { kUnknown, kYes, kNo };
  enum class Step : uint8_t {
    kFound,
    kNone,
    kTooMany,  // more devices than a claim can hold, wherever they come from
    kError,
  };

  DeviceAllocation failed() {
    DeviceAllocation out;
    const bool timeout = steps_ > kMaxSteps;
    out.kind = timeout ? DeviceAllocation::Kind::kTimeout : DeviceAllocation::Kind::kError;
    out.error = std::move(error_);
    return out;
  }
  bool fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  // --- what is asked for

  bool read_claim(size_t index) {
    const api::ResourceClaim& claim = *claims_[index];
    const api::DeviceClaim& wants = claim.spec.devices;
    size_t least = 0;
    for (size_t r = 0; r < wants.requests.size(); ++r) {
      const api::DeviceRequest& request = wants.requests[r];
      RequestIndex key{index, r, 0};
      if (request.first_available.empty()) {
        if (!read_request(key, key, Request(request))) return false;
        least += data_.at(key).devices;
        continue;
      }
      size_t fewest = SIZE_MAX;
      RequestIndex selectors_key = key;
      for (size_t s = 0; s < request.first_available.size(); ++s) {
        key.alternative = s;
        if (!read_request(key, selectors_key, Request(request, request.first_available[s]))) {
          return false;
        }
        fewest = std::min(fewest, data_.at(key).devices);
        // Kubernetes remembers what can be selected under the alternative before this one.
        selectors_key = key;
      }
      least += fewest;
    }
    if (least > kMaxResults) {
      return fail(
          fmt::format("claim {}: number of requested devices {} exceeds the claim limit of "
                      "{}",
                      api::namespaced_name(claim), least, kMaxResults));
    }
    constraints_.emplace_back();
    for (const api::DeviceConstraint& c : wants.constraints) {
      if (c.match_attribute.empty()) {
        return fail(
            fmt::format("claim {}, constraint #{}: empty constraint (unsupported constraint "
                        "type?)",
                        api::namespaced_name(claim), constraints_.back().size()));
      }
      constraints_.back().emplace_back(c);
    }
    return true;
  }

  bool read_request(RequestIndex key, RequestIndex selectors_key, Request request) {
    const std::string claim = api::namespaced_name(*claims_[key.claim]);
    RequestData data{std::move(request)};
    const auto it = state_.classes.find(data.request.device_class);
    if (it == state_.classes.end()) {
      return fail(
          fmt::format("claim {}, request {}: could not retrieve device class {}: "
                      "deviceclass.resource.k8s.io \"{}\" not found",
                      claim, data.request.name.view(), data.request.device_class.view(),
                      data.request.device_class.view()));
    }
    data.device_class = it->second.get();
    data.devices = static_cast<size_t>(std::max<int64_t>(data.request.count, 0));
    if (data.request.all && !read_all(selectors_key, claim, &data)) return false;
    data_.insert_or_assign(key, std::move(data));
    return true;
  }

  static size_t devices_of(const DevicePool& pool) {
    size_t n = 0;
    for (const DeviceSlice* slice : pool.slices) n += slice->spec().devices.size();
    return n;
  }

  // The devices that a request for all stands for.
  bool read_all(RequestIndex key, const std::string& claim, RequestData* data) {
    size_t c = 0;
    for (const DevicePool& pool : pools_) {
      if (pool.incomplete || pool.invalid) {
        return fail(fmt::format(
            "claim {}, request {}: asks for all devices, but resource pool {}/{} is currently {}",
            claim, data->request.name.view(), pool.id.first.view(), pool.id.second.view(),
            pool.incomplete ? "being updated" : "invalid"));
      }
      for (const size_t end = c + devices_of(pool); c < end; ++c) {
        bool yes = false;
        if (!selectable(key, *data, c, &yes)) return false;
        if (yes) data->all_of.push_back(c);
      }
    }
    data->devices = data->all_of.size();
    return true;
  }

  // --- which devices will do

  // False on an error.
  bool selectable(RequestIndex key, const RequestData& data, size_t candidate, bool* yes) {
    std::vector<Verdict>& verdicts = selectable_[key];
    verdicts.resize(candidates_.size());
    if (verdicts[candidate] == Verdict::kUnknown) {
      const Candidate& c = candidates_[candidate];
      const std::string in_class = "class " + data.device_class->metadata.name.str();
      if (!selected(in_class, data.device_class->spec.selectors, c, yes)) return false;
      if (*yes) {
        const std::string in_claim = "claim " + api::namespaced_name(*claims_[key.claim]);
        if (!selected(in_claim, *data.request.selectors, c, yes)) return false;
      }
      verdicts[candidate] = *yes ? Verdict::kYes : Verdict::kNo;
    }
    *yes = verdicts[candidate] == Verdict::kYes;
    return true;
  }

  bool selected(const std::string& where, const api::List<api::DeviceSelector>& list,
                const Candidate& c, bool* yes) {
    *yes = true;
    for (size_t i = 0; i < list.size() && *yes; ++i) {
      if (!list[i].cel) return fail("CEL expression empty (unsupported selector type?)");
      const SelectorCache::Entry& e = selectors_.get(list[i].cel->expression);
      if (!e.selector) {
        return fail(fmt::format("{}: selector #{}: CEL compile error: {}", where, i, e.error));
      }
      std::string why;
      *yes = e.selector->matches(c.slice->devices[c.index], &why);
      if (!why.empty()) {
        return fail(fmt::format("{}: selector #{}: CEL runtime error: {}", where, i, why));
      }
    }
    return true;
  }

  static bool usable(const Request& request, const Candidate& c, size_t claim) {
    if (!request.admin) return !c.allocated && c.taken_for.empty();
    return std::find(c.taken_for.begin(), c.taken_for.end(), claim) == c.taken_for.end();
  }

  // --- the search

  // A device of the request at `at`, and everything after it.
  Step search(DeviceIndex at, bool in_alternative = false) {
    if (at.claim >= claims_.size()) return Step::kFound;
    const api::DeviceClaim& wants = claims_[at.claim]->spec.devices;
    if (at.request >= wants.requests.size()) {
      const Step s = search({{at.claim + 1}});
      // Another choice for this claim may leave more for the next.
      return s == Step::kTooMany ? Step::kNone : s;
    }
    const RequestIndex key = at;
    RequestData& data = data_.at(key);
    if (!in_alternative && data.request.alternative()) return try_alternatives(at);
    if (data.request.all && data.all_of.empty()) return Step::kNone;
    if (at.device >= data.devices) return search({{at.claim, at.request + 1}});
    if (results_[at.claim].size() + data.devices - at.device > kMaxResults) return Step::kTooMany;
    return data.request.all ? take_next(at, data, in_alternative)
                            : try_devices(at, data, in_alternative);
  }

  Step try_alternatives(DeviceIndex at) {
    bool all_too_many = true;
    RequestData& first = data_.at(at);
    for (at.alternative = 0; data_.contains(at); ++at.alternative) {
      const Step s = search(at, true);
      if (s == Step::kTooMany) continue;
      if (s == Step::kError) return s;
      all_too_many = false;
      if (s == Step::kFound) {
        first.chosen = at.alternative;
        return s;
      }
    }
    return all_too_many ? Step::kTooMany : Step::kNone;
  }

  // Of a request for all: which one is known, and so is that there is no other.
  Step take_next(DeviceIndex at, const RequestData& data, bool in_alternative) {
    const size_t c = data.all_of[at.device];
    if (++steps_ > kMaxSteps) return Step::kError;
    if (!usable(data.request, candidates_[c], at.claim)) return Step::kNone;
    if (!take(at, data, c)) {
      fail(
          fmt::format("claim {}, request {}: cannot add device {} because a claim constraint would "
                      "not be satisfied",
                      api::namespaced_name(*claims_[at.claim]), data.request.name.view(),
                      candidates_[c].id.text()));
      return Step::kError;
    }
    // Kubernetes goes on with the first alternative, whichever it is at.
    DeviceIndex next{{at.claim, at.request}};
    next.device = at.device + 1;
    const Step s = search(next, in_alternative);
    if (s != Step::kFound) give_back(at, data, c);
    return s;
  }

  Step try_devices(DeviceIndex at, const RequestData& data, bool in_alternative) {
    DeviceIndex next = at;
    ++next.device;
    for (size_t c = at.from; c < candidates_.size(); ++c) {
      if (++steps_ > kMaxSteps) return Step::kError;
      if (!usable(data.request, candidates_[c], at.claim)) continue;
      bool yes = false;
      if (!selectable(at, data, c, &yes)) return Step::kError;
      if (!yes || !take(at, data, c)) continue;
      next.from = c + 1;
      const Step s = search(next, in_alternative);
      if (s == Step::kFound) return s;
      give_back(at, data, c);
      if (s != Step::kNone) return s;
    }
    return Step::kNone;
  }

  // False if a constraint is against it.
  bool take(const DeviceIndex& at, const RequestData& data, size_t candidate) {
    Candidate& c = candidates_[candidate];
    std::vector<MatchAttribute>& constraints = constraints_[at.claim];
    for (size_t i = 0; i < constraints.size(); ++i) {
      if (constraints[i].add(data.request, c)) continue;
      while (i-- > 0) constraints[i].remove(data.request);
      return false;
    }
    c.taken_for.push_back(at.claim);
    results_[at.claim].push_back({candidate, data.request.full_name(), data.request.admin});
    return true;
  }
  void give_back(const DeviceIndex& at, const RequestData& data, size_t candidate) {
    for (MatchAttribute& m : constraints_[at.claim]) m.remove(data.request);
    candidates_[candidate].taken_for.pop_back();
    results_[at.claim].pop_back();
  }

  // --- what was found

  DeviceAllocation found() {
    DeviceAllocation out;
    out.kind = DeviceAllocation::Kind::kFound;
    for (size_t i = 0; i < claims_.size(); ++i) {
      api::AllocationResult& result = out.results.emplace_back();
      for (const Taken& t : results_[i]) {
        const DeviceId& id = candidates_[t.candidate].id;
        api::DeviceRequestAllocationResult r;
        r.request = t.request;
        r.driver = id.driver;
        r.pool = id.pool;
        r.device = id.device;
        if (t.admin) r.admin_access = true;
        result.devices.results.push_back(std::move(r));
      }
      add_class_configs(i, &result.devices.config);
      add_claim_configs(i, &result.devices.config);
      result.node_selector = node_selector(results_[i]);
    }
    return out;
  }

  // The alternative that was chosen, or the request itself.
  const RequestData& chosen(size_t claim, size_t request) const {
    RequestIndex key{claim, request, 0};
    key.alternative = data_.at(key).chosen;
    return data_.at(key);
  }

  // Those of a class stand there once, for all requests of the class.
  void add_class_configs(size_t claim, api::List<api::DeviceAllocationConfiguration>* out) const {
    std::map<std::string_view, std::pair<size_t, size_t>> seen;
    for (size_t r = 0; r < claims_[claim]->spec.devices.requests.size(); ++r) {
      const RequestData& data = chosen(claim, r);
      const auto [it, fresh] = seen.try_emplace(data.device_class->metadata.name, out->size(), 0);
      if (!fresh) {
        for (size_t i = it->second.first; i < it->second.second; ++i) {
          out->edit()[i].requests.push_back(data.request.full_name());
        }
        continue;
      }
      for (const api::DeviceClassConfiguration& config : data.device_class->spec.config) {
        api::DeviceAllocationConfiguration c;
        c.source = api::allocation_config_source::kFromClass;
        c.requests.push_back(data.request.full_name());
        c.opaque = config.opaque;
        out->push_back(std::move(c));
      }
      it->second.second = out->size();
    }
  }

  void add_claim_configs(size_t claim, api::List<api::DeviceAllocationConfiguration>* out) const {
    const api::DeviceClaim& wants = claims_[claim]->spec.devices;
    for (const api::DeviceClaimConfiguration& config : wants.config) {
      const auto names = [&](std::string_view name) {
        return std::find(config.requests.begin(), config.requests.end(), name) !=
               config.requests.end();
      };
      size_t times = config.requests.empty() ? 1 : 0;
      for (size_t r = 0; !config.requests.empty() && r < wants.requests.size(); ++r) {
        const RequestData& data = chosen(claim, r);
        times += names(wants.requests[r].name) ||
                 (data.request.alternative() && names(data.request.full_name()));
      }
      api::DeviceAllocationConfiguration c;
      c.source = api::allocation_config_source::kFromClaim;
      c.requests = config.requests;
      c.opaque = config.opaque;
      while (times-- > 0) out->push_back(c);
    }
  }

  // Where the devices can be reached from; nothing if everywhere.
  api::Opt<api::NodeSelector> node_selector(const std::vector<Taken>& devices) const {
    api::NodeSelectorTerm all;
    for (const Taken& t : devices) {
      const api::ResourceSliceSpec& spec = candidates_[t.candidate].slice->spec();
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

  const DeviceState& state_;
  const std::vector<ClaimRef>& claims_;
  SelectorCache& selectors_;
  const std::vector<DevicePool> pools_;
  std::map<RequestIndex, RequestData> data_;
  std::vector<std::vector<MatchAttribute>> constraints_;     // by claim
  std::map<RequestIndex, std::vector<Verdict>> selectable_;  // by candidate
  std::vector<Candidate> candidates_;                        // in the order of the search
  std::vector<std::vector<Taken>> results_;                  // by claim
  int64_t steps_ = 0;
  std::string error_;
};

}  // namespace

const SelectorCache::Entry& SelectorCache::get(const api::Str& expression) {
  const auto it = entries_.find(expression);
  if (it != entries_.end()) return it->second;
  if (entries_.size() >= kMaxSelectors) entries_.clear();
  Entry e;
  e.selector = api::CelSelector::compile(expression, &e.error);
  return entries_.emplace(expression, std::move(e)).first->second;
}

DeviceAllocation allocate_devices(const DeviceState& state, const api::Node& node,
                                  const std::vector<ClaimRef>& claims, SelectorCache* selectors) {
  return Search(state, node, claims, selectors).run();
}

}  // namespace mainspring::scheduler
