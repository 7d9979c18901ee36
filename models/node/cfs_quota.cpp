#include "models/node/cfs_quota.h"

#include <algorithm>

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

namespace {
constexpr int64_t kMillion = 1'000'000;
__extension__ using Wide = __int128;
}  // namespace

void CfsQuota::start(MicroCores limit, SimTime now) {
  limit_ = limit < kNoLimit ? std::max(limit, kMinLimit) : kNoLimit;
  quota_ = limited() ? limit_.value * kPeriod.ns() : INT64_MAX;
  period_end_ = limited() ? now + kPeriod : SimTime::max();
  used_ = 0;
  stopped_ = false;
  held_ = 0;
}

void CfsQuota::account(SimTime since, SimTime now, MicroCores rate) {
  const SimTime first = std::max(period_end_, counted_ + kPeriod);
  if (now < period_end_) {
    used_ += rate.value * (now - since).ns();
  } else {
    const SimTime begin = period_end_ + kPeriod * ((now - period_end_) / kPeriod);
    const int64_t beyond = used_ + rate.value * (period_end_ - since).ns() - quota_;
    used_ = begin == period_end_ ? std::max<int64_t>(beyond, 0) : 0;
    used_ += rate.value * (now - begin).ns();
    period_end_ = begin + kPeriod;
  }
  const bool held = held_ > 0 && rate >= limit_;
  if (!stopped_ && !held) return;
  const int64_t share = stopped_ ? kMillion : held_;
  throttled_ += Duration::nanos(static_cast<int64_t>(Wide{(now - since).ns()} * share / kMillion));
  // A period that begins now is not one of them yet.
  const SimTime last = period_end_ - kPeriod == now ? now : period_end_;
  if (last < first) return;
  throttled_periods_ += (last - first) / kPeriod + 1;
  counted_ = last;
}

MicroCores CfsQuota::bound_now(MicroCores own, MicroCores requests) {
  const bool spreads = requests.value <= 0;
  stopped_ = used_ >= quota_ && own + requests > MicroCores{};
  held_ = spreads && own > limit_ ? (own - limit_).value * kMillion / own.value : 0;
  if (stopped_) return {};
  return spreads ? limit_ : kNoLimit;
}

bool CfsQuota::has_left_for(MicroCores own, MicroCores requests, Duration burst) const {
  if (stopped_ || requests.value <= 0) return false;
  // The program burns own / requests of it meanwhile.
  return Wide{burst.ns()} * kMillion * (own + requests).value <=
         Wide{quota_ - used_} * requests.value;
}

SimTime CfsQuota::next_change(SimTime now, MicroCores rate) const {
  if (!limited()) return SimTime::max();
  if (stopped_) return period_end_;
  if (rate.value <= 0) return SimTime::max();
  const auto burn = [&](int64_t work) {
    return Duration::nanos((work + rate.value - 1) / rate.value);
  };
  const int64_t left = std::max<int64_t>(quota_ - used_, 0);
  const SimTime at = now + burn(left);
  if (at < period_end_) return at;
  if (rate <= limit_) return SimTime::max();
  const int64_t beyond = rate.value * (period_end_ - now).ns() - left;
  return period_end_ + burn(quota_ - std::max<int64_t>(beyond, 0));
}

}  // namespace mainspring::node
