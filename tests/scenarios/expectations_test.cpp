#include "scenarios/expectations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/analysis.h"
#include "tests/scenarios/journal_builder.h"

namespace mainspring::scenarios {
namespace {

using ::testing::HasSubstr;

spec::ScenarioFile scenario_with(spec::Expectation e) {
  spec::ScenarioFile s;
  s.namespace_ = "default";
  s.expectations.push_back(std::move(e));
  return s;
}

ExpectationResult evaluate(const JournalBuilder& b, spec::Expectation e, double end = 100) {
  const Facts facts = collect_facts(sim::JournalReader(b.journal()), {}, end);
  return evaluate_expectations(scenario_with(std::move(e)), facts, make_series(facts)).at(0);
}

// 90 requests in [0, 10), 10 failed; 100 in [10, 20), none failed; nothing later.
JournalBuilder requests() {
  JournalBuilder b;
  b.traffic(0, 10, "service/default/web", 80, 20, 10);
  b.traffic(10, 10, "service/default/web", 100, 100);
  return b;
}

spec::Expectation availability(std::string_view at_least, std::string_view from = "",
                               std::string_view until = "", std::string_view service = "web") {
  spec::AvailabilityExpectation a;
  a.service = service;
  a.at_least = at_least;
  a.from = from;
  a.until = until;
  spec::Expectation e;
  e.availability = a;
  return e;
}

TEST(AvailabilityTest, IsTheShareOfRequestsAnsweredInTheWindow) {
  struct Case {
    const char *at_least, *from, *until;
    double measured;
    Outcome outcome;
  };
  const Case cases[] = {
      {"94%", "", "", 94.73684210526316, Outcome::kPassed},        // 180 / 190
      {"95%", "", "", 94.73684210526316, Outcome::kFailed},        //
      {"95%", "0s", "10s", 88.888888888888886, Outcome::kFailed},  // 80 / 90
      {"100%", "10s", "", 100, Outcome::kPassed},                  // 100 / 100
      {"100%", "10s", "20s", 100, Outcome::kPassed},
      {"8/10", "", "10s", 88.888888888888886, Outcome::kPassed},
  };
  for (const Case& c : cases) {
    const ExpectationResult r = evaluate(requests(), availability(c.at_least, c.from, c.until));
    SCOPED_TRACE(std::string(c.at_least) + " " + c.from + " " + c.until);
    ASSERT_TRUE(r.measured.has_value()) << r.explanation;
    EXPECT_NEAR(*r.measured, c.measured, 1e-9);
    EXPECT_EQ(r.outcome, c.outcome);
    EXPECT_EQ(r.unit, "%");
    // The interval at 0 s has 88.9 %, below every bound that is failed here.
    EXPECT_EQ(r.t_seconds.has_value(), c.outcome == Outcome::kFailed);
    EXPECT_EQ(r.t_seconds.value_or(0), 0);
  }
}

TEST(AvailabilityTest, WithoutRequestsThereIsNothingToMeasure) {
  const ExpectationResult none = evaluate(requests(), availability("1%", "", "", "shop"));
  EXPECT_EQ(none.outcome, Outcome::kNotEvaluated);
  EXPECT_FALSE(none.measured.has_value());
  EXPECT_THAT(none.explanation, HasSubstr("no requests to service shop"));
  const ExpectationResult quiet = evaluate(requests(), availability("1%", "30s", "40s"));
  EXPECT_EQ(quiet.outcome, Outcome::kNotEvaluated);
  const ExpectationResult late = evaluate(requests(), availability("1%", "200s"));
  EXPECT_THAT(late.explanation, HasSubstr("the run ended at 1m40s"));
}

TEST(LatencyTest, PercentilesAreOfAllAnswersOfTheWindow) {
  const auto latency = [](std::string_view percentile, std::string_view at_most,
                          std::string_view until = "") {
    spec::LatencyExpectation l;
    l.service = "web";
    l.percentile = percentile;
    l.at_most = at_most;
    l.until = until;
    spec::Expectation e;
    e.latency = l;
    return evaluate(requests(), e);
  };
  // 80 answers of 20 ms and 100 of 100 ms: ranks 1 to 80 are 20 ms. The histogram's buckets are
  // 1.6 % wide; the largest and the smallest are exact.
  const ExpectationResult p40 = latency("p40", "25ms");  // rank 72
  EXPECT_NEAR(*p40.measured, 20, 20 * 0.016);
  EXPECT_EQ(p40.outcome, Outcome::kPassed);
  const ExpectationResult p50 = latency("p50", "25ms");  // rank 90
  EXPECT_NEAR(*p50.measured, 100, 100 * 0.016);
  EXPECT_EQ(p50.outcome, Outcome::kFailed);
  EXPECT_EQ(p50.t_seconds, 10);
  EXPECT_EQ(latency("p99.9", "25ms", "10s").outcome, Outcome::kPassed);
  EXPECT_EQ(*latency("p100", "1s").measured, 100);
  EXPECT_EQ(latency("median", "1s").outcome, Outcome::kNotEvaluated);
}

TEST(PendingTest, CountsPodsThatWaitedLonger) {
  JournalBuilder b;
  api::Pod quick = make_pod("web-1");
  api::Pod slow = make_pod("web-2");
  b.put(0, quick);
  b.put(10, slow);
  set_ready(quick, true, b.wall(5));
  b.put(5, quick);               // Pending for 5 s
  b.put(12, make_pod("web-3"));  // until the end, for 88 s
  set_ready(slow, true, b.wall(45));
  b.put(45, slow);  // Pending for 35 s
  const auto pending = [&](std::string_view longer_than, int at_most) {
    spec::PendingExpectation p;
    p.longer_than = longer_than;
    p.at_most_pods = at_most;
    spec::Expectation e;
    e.pods_pending = p;
    return evaluate(b, e);
  };
  EXPECT_EQ(pending("30s", 0).measured, 2);
  EXPECT_EQ(pending("30s", 0).t_seconds, 40);  // web-2, made at 10 s
  EXPECT_EQ(pending("30s", 1).t_seconds, 42);  // web-3 is the second
  EXPECT_EQ(pending("30s", 2).outcome, Outcome::kPassed);
  EXPECT_EQ(pending("90s", 0).outcome, Outcome::kPassed);
  EXPECT_THAT(pending("90s", 0).explanation, HasSubstr("web-3 for 1m28s"));
}

JournalBuilder outage() {
  JournalBuilder b;
  b.put(0, make_deployment("web", 3, 0));
  b.put(8, make_deployment("web", 3, 3));
  b.record(20, "fault.inject", "Fault/dark", "Zone a went down with 1 nodes.");
  b.put(30, make_deployment("web", 4, 3));  // the autoscaler, of no account
  b.put(33, make_deployment("web", 4, 4));
  b.put(60, make_deployment("web", 4, 2));  // the loss
  b.put(72, make_deployment("web", 4, 3));
  b.put(75, make_deployment("web", 4, 4));
  return b;
}

spec::Expectation recovery(std::string_view within, std::string_view after = "",
                           std::string_view workload = "") {
  spec::RecoveryExpectation r;
  r.within = within;
  r.after = after;
  r.workload = workload;
  spec::Expectation e;
  e.recovery = r;
  return e;
}

TEST(RecoveryTest, RunsFromTheFaultUntilLostReplicasAreReadyAgain) {
  const ExpectationResult good = evaluate(outage(), recovery("1m"));
  EXPECT_EQ(good.measured, 55);  // 75 - 20
  EXPECT_EQ(good.outcome, Outcome::kPassed);
  EXPECT_EQ(good.name, "recovery after dark");
  const ExpectationResult late = evaluate(outage(), recovery("54s", "dark", "web"));
  EXPECT_EQ(late.outcome, Outcome::kFailed);
  EXPECT_EQ(late.t_seconds, 74);  // 20 + 54
}

TEST(RecoveryTest, SaysWhatIsMissingWhenItNeverHealed) {
  JournalBuilder b = outage();
  b.record(80, "fault.inject", "Fault/again", "The power of n1 failed.");
  b.put(85, make_deployment("web", 4, 1));
  const ExpectationResult r = evaluate(b, recovery("1m"));
  EXPECT_EQ(r.outcome, Outcome::kFailed);
  EXPECT_FALSE(r.measured.has_value());
  EXPECT_THAT(r.explanation, HasSubstr("web 1/4"));
  EXPECT_EQ(evaluate(b, recovery("1m", "dark")).measured, 55);
}

TEST(RecoveryTest, NothingLostIsNothingToRecoverFrom) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 1, 1));
  b.record(20, "fault.inject", "Fault/spare", "The power of n9 failed.");
  EXPECT_EQ(evaluate(b, recovery("1s")).measured, 0);
  EXPECT_EQ(evaluate(b, recovery("1s", "other")).outcome, Outcome::kNotEvaluated);
  EXPECT_EQ(evaluate(JournalBuilder(), recovery("1s")).outcome, Outcome::kNotEvaluated);
  EXPECT_EQ(evaluate(b, recovery("1s", "", "shop")).outcome, Outcome::kNotEvaluated);
}

TEST(CostTest, IsTheLastSamples) {
  JournalBuilder b;
  b.sample(10, {.cost_micro_usd = 400'000});
  b.sample(20, {.cost_micro_usd = 900'000});
  const auto cost = [&](std::string_view at_most, const JournalBuilder& of) {
    spec::CostExpectation c;
    c.at_most = at_most;
    spec::Expectation e;
    e.cost = c;
    return evaluate(of, e);
  };
  EXPECT_EQ(cost("0.9", b).outcome, Outcome::kPassed);
  EXPECT_EQ(cost("0.5", b).outcome, Outcome::kFailed);
  EXPECT_EQ(cost("0.5", b).t_seconds, 20);
  EXPECT_EQ(cost("0.5", JournalBuilder()).outcome, Outcome::kNotEvaluated);
}

TEST(FlappingTest, CountsChangesOfDirection) {
  JournalBuilder b;
  // 3 up 5 up 6 down 4 up 7 down 0: down at 30, up at 40; the end is no change.
  for (const auto& [t, n] : {std::pair{0, 3}, {10, 5}, {20, 6}, {30, 4}, {40, 7}}) {
    b.put(t, make_deployment("web", n, n));
  }
  b.remove(50, make_deployment("web", 0, 0));
  const auto flapping = [&](int at_most, std::string_view workload) {
    spec::FlappingExpectation f;
    f.at_most_changes = at_most;
    f.workload = workload;
    spec::Expectation e;
    e.flapping = f;
    return evaluate(b, e);
  };
  EXPECT_EQ(flapping(2, "web").outcome, Outcome::kPassed);
  EXPECT_EQ(flapping(2, "web").measured, 2);
  EXPECT_EQ(flapping(1, "web").t_seconds, 40);
  EXPECT_EQ(flapping(1, "").outcome, Outcome::kNotEvaluated);  // nothing is autoscaled
  EXPECT_EQ(flapping(1, "shop").outcome, Outcome::kNotEvaluated);
}

TEST(SeriesTest, EveryValueHoldsUntilTheNext) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 2, 0));
  b.put(10, make_deployment("web", 2, 2));
  b.put(40, make_deployment("web", 2, 1));
  struct Case {
    const char *aggregate, *is, *value, *from, *until;
    double measured;
    bool good;
  };
  const Case cases[] = {
      {"Last", "Equals", "1", "", "", 1, true},
      {"Min", "AtLeast", "1", "", "", 0, false},
      {"Min", "AtLeast", "1", "10s", "", 1, true},
      {"Max", "Below", "2", "", "", 2, false},
      {"Mean", "Above", "1.1", "", "", 1.2, true},            // (30 x 2 + 60 x 1) / 100
      {"Mean", "AtMost", "1.7", "20s", "50s", 5. / 3, true},  // (20 x 2 + 10 x 1) / 30
      {"Sum", "Equals", "120", "", "", 120, true},            // replica-seconds
  };
  for (const Case& c : cases) {
    spec::SeriesExpectation s;
    s.metric = "replicas_ready";
    s.labels.set("workload", "web");
    s.aggregate = c.aggregate;
    s.is = c.is;
    s.value = c.value;
    s.from = c.from;
    s.until = c.until;
    spec::Expectation e;
    e.series = s;
    const ExpectationResult r = evaluate(b, e);
    SCOPED_TRACE(std::string(c.aggregate) + " " + c.from + " " + r.explanation);
    ASSERT_TRUE(r.measured.has_value());
    EXPECT_NEAR(*r.measured, c.measured, 1e-9);
    EXPECT_EQ(r.outcome, c.good ? Outcome::kPassed : Outcome::kFailed);
  }
}

TEST(SeriesTest, UnknownAndAmbiguousSeriesAreNotEvaluated) {
  JournalBuilder b;
  b.put(0, make_deployment("web", 2, 0));
  b.put(0, make_deployment("db", 2, 0));
  spec::SeriesExpectation s;
  s.is = "Equals";
  s.value = "1";
  spec::Expectation e;
  s.metric = "replica_ready";
  e.series = s;
  EXPECT_THAT(evaluate(b, e).explanation, HasSubstr("replicas_desired, replicas_ready"));
  s.metric = "replicas_ready";
  e.series = s;
  EXPECT_THAT(evaluate(b, e).explanation, HasSubstr("2 series match"));
}

}  // namespace
}  // namespace mainspring::scenarios
