#include "sim/world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mainspring::sim {
namespace {

// Two components that pass events to one another after random delays, with periodic timers on
// lanes and cancelled timeouts; the hash of everything seen stands for the digest of a run.
class Node : public Cloneable<Node> {
 public:
  enum class Kind : uint16_t { kMessage, kTick, kTimeout, kPoke };
  explicit Node(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  void set_peer(ComponentId peer) { peer_ = peer; }
  uint64_t seen() const { return seen_; }
  int started() const { return started_; }

  void start(World& world) override {
    started_ = static_cast<int>(world.component_count());
    tick_ = world.lane(Duration::millis(10));
    world.schedule_on_lane(tick_, id(), Kind::kTick);
    for (uint64_t i = 0; i < 20; ++i) {
      world.schedule(Duration::micros(static_cast<int64_t>(i) * 100), id(), Kind::kMessage, i);
    }
  }

  void handle(World& world, const Event& event) override {
    seen_ = hash_combine(seen_, static_cast<uint64_t>(event.at.ns()));
    seen_ = hash_combine(seen_, event.sequence * 8 + event.kind);
    seen_ = hash_combine(seen_, event.cause);
    world.record("test.event", name_, std::to_string(event.a));
    Rng rng = world.stream("test.delay").rng(event.a, draws_++);
    switch (static_cast<Kind>(event.kind)) {
      case Kind::kMessage:
      case Kind::kPoke:
        world.cancel(timeout_);
        timeout_ = world.schedule(Duration::millis(5), id(), Kind::kTimeout);
        world.schedule(Duration::nanos(rng.between(1, 5'000'000)), peer_, Kind::kMessage,
                       event.a + 1);
        break;
      case Kind::kTick:
        world.schedule_on_lane(tick_, id(), Kind::kTick);
        break;
      case Kind::kTimeout:
        seen_ = hash_combine(seen_, 99);
        break;
    }
  }

 private:
  std::string name_;
  ComponentId peer_;
  LaneId tick_;
  EventId timeout_;
  uint64_t draws_ = 0;
  uint64_t seen_ = 0;
  int started_ = 0;
};

struct Pair {
  World world;
  ComponentRef<Node> left, right;
};

Pair make_pair_of_nodes(uint64_t seed) {
  Pair pair{World(seed), {}, {}};
  pair.left = pair.world.add<Node>("left");
  pair.right = pair.world.add<Node>("right");
  pair.world.get(pair.left).set_peer(pair.right.id());
  pair.world.get(pair.right).set_peer(pair.left.id());
  pair.world.start();
  return pair;
}

// What a run did: its journal, what the components saw, and what the engine executed.
std::string digest(const Pair& pair, const World& world) {
  const uint64_t seen = hash_combine(world.get(pair.left).seen(), world.get(pair.right).seen());
  return world.journal().digest_hex() + " " + std::to_string(seen) + " " +
         std::to_string(world.execution_hash()) + " " + std::to_string(world.events_executed());
}

const SimTime kEnd = SimTime::from_ns(1'000'000'000);

TEST(World, SameSeedSameRunAndOtherSeedAnother) {
  Pair a = make_pair_of_nodes(1);
  Pair b = make_pair_of_nodes(1);
  Pair c = make_pair_of_nodes(2);
  for (Pair* pair : {&a, &b, &c}) pair->world.run_until(kEnd);
  EXPECT_GT(a.world.events_executed(), 1000u);
  EXPECT_EQ(digest(a, a.world), digest(b, b.world));
  EXPECT_NE(digest(a, a.world), digest(c, c.world));
}

TEST(World, ForksRunOnIdenticallyFromAnyMoment) {
  Rng rng = Stream(5, "test.fork").rng(0);
  for (int round = 0; round < 10; ++round) {
    Pair pair = make_pair_of_nodes(static_cast<uint64_t>(round));
    pair.world.run_until(SimTime::from_ns(rng.between(0, kEnd.ns())));
    World fork = pair.world;
    World fork_of_fork = fork;
    pair.world.run_until(kEnd);
    fork.run_until(kEnd);
    fork_of_fork.run_until(kEnd);
    EXPECT_EQ(digest(pair, pair.world), digest(pair, fork));
    EXPECT_EQ(digest(pair, pair.world), digest(pair, fork_of_fork));
  }
}

TEST(World, PerturbingOneForkDoesNotMoveTheOther) {
  Pair undisturbed = make_pair_of_nodes(3);
  undisturbed.world.run_until(kEnd);
  Pair pair = make_pair_of_nodes(3);
  pair.world.run_until(SimTime::from_ns(400'000'000));
  World fork = pair.world;
  fork.schedule(Duration::nanos(1), pair.left.id(), Node::Kind::kPoke, 1234);
  // In turns, so that shared state would show.
  for (int64_t ms = 450; ms <= 1000; ms += 50) {
    fork.run_until(SimTime::from_ns(ms * 1'000'000));
    pair.world.run_until(SimTime::from_ns(ms * 1'000'000));
  }
  EXPECT_EQ(digest(pair, pair.world), digest(undisturbed, undisturbed.world));
  EXPECT_NE(digest(pair, fork), digest(undisturbed, undisturbed.world));
}

TEST(World, AssignmentForksToo) {
  Pair pair = make_pair_of_nodes(3);
  pair.world.run_until(SimTime::from_ns(400'000'000));
  World other(99);
  other = pair.world;
  other.run_until(kEnd);
  pair.world.run_until(kEnd);
  EXPECT_EQ(digest(pair, pair.world), digest(pair, other));
  EXPECT_EQ(other.seed(), 3u);
}

TEST(World, RunningInPiecesIsRunningAtOnce) {
  Pair whole = make_pair_of_nodes(8);
  Pair pieces = make_pair_of_nodes(8);
  whole.world.run_until(kEnd);
  for (int64_t ms = 1; ms <= 1000; ms += 3)
    pieces.world.run_until(SimTime::from_ns(ms * 1'000'000));
  EXPECT_EQ(digest(whole, whole.world), digest(pieces, pieces.world));
  EXPECT_EQ(pieces.world.now(), kEnd);
}

TEST(World, SchedulingAddsTheHandledEventAsCause) {
  class Chain : public Cloneable<Chain> {
   public:
    std::string_view name() const override { return "chain"; }
    void handle(World& world, const Event& event) override {
      causes.push_back(event.cause);
      if (event.a > 0) world.schedule(Duration::nanos(1), id(), 0, event.a - 1);
    }
    std::vector<uint64_t> causes;
  };
  World world(1);
  const auto chain = world.add<Chain>();
  world.start();
  world.schedule(Duration::nanos(1), chain.id(), 0, 2);
  world.run();
  EXPECT_EQ(world.get(chain).causes, (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(world.now().ns(), 3);
}

class Scripted : public Cloneable<Scripted> {
 public:
  std::string_view name() const override { return "scripted"; }
  void handle(World& world, const Event& event) override {
    ++handled;
    if (event.kind == 1) world.request_stop();
    if (event.kind == 2) MAINSPRING_CHECK(event.a == 0, "a is {}", event.a);
    if (event.kind == 3) world.schedule(SimTime::from_ns(0), id(), 0);
  }
  int handled = 0;
};

TEST(World, AStopRequestEndsTheRunAtThatEvent) {
  World world(1);
  const auto c = world.add<Scripted>();
  world.start();
  world.schedule(Duration::nanos(5), c.id(), 1);
  world.schedule(Duration::nanos(5), c.id(), 0);
  world.run_until(SimTime::from_ns(100));
  EXPECT_EQ(world.now().ns(), 5);
  EXPECT_EQ(world.get(c).handled, 1);
  world.clear_stop();
  world.run_until(SimTime::from_ns(100));
  EXPECT_EQ(world.get(c).handled, 2);
  EXPECT_EQ(world.now().ns(), 100);
}

TEST(World, ABrokenInvariantNamesEventTimeAndSeed) {
  World world(4711);
  const auto c = world.add<Scripted>();
  world.start();
  world.schedule(Duration::nanos(5), c.id(), 2, 17);
  try {
    world.run_until(SimTime::from_ns(100));
    FAIL() << "did not throw";
  } catch (const InvariantBroken& broken) {
    const std::string text = broken.what();
    EXPECT_NE(text.find("a is 17"), std::string::npos) << text;
    EXPECT_NE(text.find("virtual time 5 ns, event 1 (component scripted, kind 2, a 17"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("seed 4711"), std::string::npos) << text;
  }
}

TEST(World, ThePastCannotBeScheduled) {
  World world(1);
  const auto c = world.add<Scripted>();
  world.start();
  world.schedule(Duration::nanos(5), c.id(), 3);
  EXPECT_THROW(world.run_until(SimTime::from_ns(100)), InvariantBroken);
}

}  // namespace
}  // namespace mainspring::sim
