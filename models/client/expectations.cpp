#include "models/client/expectations.h"

namespace mainspring::client {

void Expectations::set(const Key& key, int64_t add, std::vector<api::Str> del, api::Time now) {
  Record& r = records_[key];
  r.add = add;
  r.del.clear();
  r.del.insert(del.begin(), del.end());
  r.at = now;
}

void Expectations::creation_observed(const Key& key, int64_t n) {
  const auto found = records_.find(key);
  if (found != records_.end()) found->second.add -= n;
}

void Expectations::deletion_observed(const Key& key, const api::Str& pod) {
  const auto found = records_.find(key);
  if (found != records_.end()) found->second.del.erase(pod);
}

bool Expectations::satisfied(const Key& key, api::Time now) const {
  const auto found = records_.find(key);
  if (found == records_.end()) return true;
  const Record& r = found->second;
  return (r.add <= 0 && r.del.empty()) || now - r.at > kTimeout;
}

}  // namespace mainspring::client
