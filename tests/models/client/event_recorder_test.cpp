#include "models/client/event_recorder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "models/api/types/core.h"

namespace mainspring::client {
namespace {

class Context final : public ControlContext {
 public:
  api::Time now() const override { return at; }
  const Cache& cache(api::Kind) const override { return cache_; }
  void submit(Request request, Cookie) override { sent.push_back(std::move(request)); }
  TimerId set_timer(api::Time, Cookie) override { return {}; }
  void cancel_timer(TimerId) override {}
  std::vector<PodMetrics> pod_metrics(std::string_view) override { return {}; }
  uint64_t random(std::string_view, uint64_t) const override { return 0; }

  api::Time at = api::Time::from_unix_seconds(1'000'000);
  std::vector<Request> sent;

 private:
  Cache cache_{api::Kind::Pod};
};

class EventRecorderTest : public ::testing::Test {
 protected:
  // Records an event about a pod and answers the write at once.
  const Request& record(int pod, std::string message) {
    api::Ref<api::Pod> p = api::make<api::Pod>();
    p->metadata.name = fmt::format("p{}", pod);
    p->metadata.namespace_ = "default";
    recorder_.event(ctx_, *p, "Normal", "Started", std::move(message));
    Outcome ok;
    ok.code = 200;
    recorder_.on_outcome(ctx_, ok);
    return ctx_.sent.back();
  }
  Context ctx_;
  EventRecorder recorder_{"test", 1};
};

TEST_F(EventRecorderTest, ARepeatRaisesTheCountOfTheFirst) {
  const api::Str first = record(1, "m").name;
  ctx_.at = ctx_.at + api::Duration::seconds(1);
  const Request& again = record(1, "m");
  EXPECT_EQ(again.verb, Verb::kPatch);
  EXPECT_EQ(again.name, first);
}

TEST_F(EventRecorderTest, WhatWasNotUsedForMoreThan4096OthersIsForgotten) {
  for (int i = 0; i < 10'000; ++i) record(i, "m");
  EXPECT_EQ(ctx_.sent.size(), 10'000u);
  EXPECT_EQ(record(10'000 - 4'000, "m").verb, Verb::kPatch);
  EXPECT_EQ(record(0, "m").verb, Verb::kCreate);
}

TEST_F(EventRecorderTest, ASeriesIsOfOneVersionOfItsObjectWhateverTheNotesSay) {
  api::Ref<api::Pod> pod = api::make<api::Pod>();
  pod->metadata.name = "p";
  pod->metadata.namespace_ = "default";
  const auto verb = [&](std::string_view version, std::string note) {
    pod->metadata.resource_version = version;
    recorder_.event_v1(ctx_, *pod, "Warning", "FailedScheduling", "Scheduling", std::move(note));
    Outcome ok;
    ok.code = 200;
    recorder_.on_outcome(ctx_, ok);
    return ctx_.sent.back().verb;
  };
  EXPECT_EQ(verb("1", "no room"), Verb::kCreate);
  EXPECT_EQ(verb("2", "no room"), Verb::kCreate);
  EXPECT_EQ(verb("2", "still no room"), Verb::kPatch);
}

}  // namespace
}  // namespace mainspring::client
