#include "sim/world.h"

#ifdef __FAST_MATH__
#error "value-changing floating-point optimisation breaks determinism: build without -ffast-math"
#endif

namespace mainspring::sim {

namespace {

// Rounding to nearest and gradual underflow, as IEEE 754 has them by default. Another library in
// the process may have changed either for the whole process.
void check_floating_point_environment() {
  const volatile double one = 1.0;
  const volatile double half_step = 0x1.0p-53;
  const volatile double three_quarter_step = 0x1.8p-53;
  const volatile double least_normal = 0x1.0p-1022;
  MAINSPRING_CHECK(
      one + half_step == 1.0 && one + three_quarter_step > 1.0 && -one - three_quarter_step < -1.0,
      "floating-point rounding is not to nearest");
  MAINSPRING_CHECK(least_normal * 0.5 > 0.0, "denormal numbers are flushed to zero");
}

}  // namespace

World::World(uint64_t seed) : seed_(seed) { check_floating_point_environment(); }

World::World(const World& other)
    : seed_(other.seed_),
      now_(other.now_),
      current_(other.current_),
      events_executed_(other.events_executed_),
      execution_hash_(other.execution_hash_),
      started_(other.started_),
      stop_requested_(other.stop_requested_),
      queue_(other.queue_),
      journal_(other.journal_) {
  components_.reserve(other.components_.size());
  for (const auto& component : other.components_) components_.push_back(component->clone());
}

World& World::operator=(const World& other) {
  if (this != &other) *this = World(other);
  return *this;
}

ComponentId World::take(std::unique_ptr<Component> component) {
  MAINSPRING_CHECK(!started_, "component {} added after the start", component->name());
  MAINSPRING_CHECK(components_.size() < 0xffff, "too many components");
  component->id_ = ComponentId{static_cast<uint16_t>(components_.size())};
  components_.push_back(std::move(component));
  return components_.back()->id_;
}

void World::start() {
  MAINSPRING_CHECK(!started_, "World::start called twice");
  started_ = true;
  for (size_t i = 0; i < components_.size(); ++i) components_[i]->start(*this);
}

bool World::step_until(SimTime end) {
  const Event& event = current_;
  if (!queue_.pop_until(end, current_)) return false;
  MAINSPRING_CHECK(event.at >= now_, "time went back from {} ns", now_.ns());
  now_ = event.at;
  ++events_executed_;
  const uint64_t what = (uint64_t{event.component.value} << 48) | (uint64_t{event.kind} << 32);
  execution_hash_ = (execution_hash_ ^ static_cast<uint64_t>(event.at.ns())) * 0x9e3779b97f4a7c15u;
  execution_hash_ ^= (execution_hash_ >> 29) + mix64(event.sequence ^ what) + event.a;
  component(event.component).handle(*this, event);
  return true;
}

void World::rethrow_with_context(InvariantBroken& broken) const {
  broken.add_context(fmt::format(
      "; virtual time {} ns, event {} (component {}, kind {}, a {}, b {}, c {}, cause "
      "{}), seed {}",
      now_.ns(), current_.sequence,
      current_.component.value < components_.size() ? components_[current_.component.value]->name()
                                                    : "none",
      current_.kind, current_.a, current_.b, current_.c, current_.cause, seed_));
  throw broken;
}

bool World::step() {
  MAINSPRING_CHECK(started_, "World::start was not called");
  bool stepped = false;
  try {
    stepped = step_until(SimTime::max());
  } catch (InvariantBroken& broken) {
    rethrow_with_context(broken);
  }
  current_ = Event();
  return stepped;
}

void World::run_until(SimTime end) {
  MAINSPRING_CHECK(started_, "World::start was not called");
  MAINSPRING_CHECK(end >= now_, "run to {} ns, but it is {} ns", end.ns(), now_.ns());
  try {
    while (!stop_requested_ && step_until(end)) {
    }
  } catch (InvariantBroken& broken) {
    rethrow_with_context(broken);
  }
  if (!stop_requested_ && end != SimTime::max()) now_ = end;
  current_ = Event();
}

void World::run() { run_until(SimTime::max()); }

}  // namespace mainspring::sim
