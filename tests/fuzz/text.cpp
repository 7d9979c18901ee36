// The small texts of manifests and scenarios: durations, instants, cron schedules, image names,
// amounts with units, field paths. Each reader takes any text; what was read prints to text that
// reads as the same.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/api/codec.h"
#include "models/api/compare.h"
#include "models/api/defaulting.h"
#include "models/api/diagnostics.h"
#include "models/api/time_format.h"
#include "models/api/time_text.h"
#include "models/api/types/core.h"
#include "models/api/validation.h"
#include "models/api/yaml.h"
#include "models/controllers/cron_schedule.h"
#include "models/node/image_catalog.h"
#include "scenarios/units.h"
#include "sim/check.h"

using namespace mainspring;

namespace {

void times(std::string_view text) {
  if (const std::optional<api::Duration> d = api::parse_duration(text)) {
    MAINSPRING_CHECK(api::parse_duration(api::format_duration(*d)) == d, "{}", text);
    api::human_duration(*d);
  }
  if (const std::optional<sim::Duration> d = scenarios::parse_duration(text)) {
    scenarios::format_duration(*d);
  }
  if (const std::optional<api::Time> t = api::parse_time(text)) {
    const std::optional<api::Time> again = api::parse_time(api::format_time(*t));
    MAINSPRING_CHECK(again && *again == t->truncated_to_second(), "{}", text);
    api::format_micro_time(*t);
  }
  if (const auto schedule = controllers::CronSchedule::parse(text)) {
    const api::Time start = api::Time::from_unix_seconds(1'767'225'600);  // 2026
    const api::Time next = schedule->next(start);
    MAINSPRING_CHECK(!next || next > start, "{}", text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  times(text);
  node::parse_image(text);
  const auto probability = scenarios::parse_probability(text);
  MAINSPRING_CHECK(!probability || (*probability >= 0 && *probability <= 1'000'000'000), "{}",
                   text);
  const auto number = scenarios::parse_number(text);
  MAINSPRING_CHECK(!number || *number >= 0, "{}", text);
  const auto bandwidth = scenarios::parse_bandwidth(text);
  MAINSPRING_CHECK(!bandwidth || *bandwidth >= 0, "{}", text);
  api::check_dns_label(text);
  api::check_dns_subdomain(text);
  api::check_label_value(text);
  api::check_qualified_name(text);
  api::resolve_scalar(text);

  static const api::ObjectRef kPod = [] {
    api::Diagnostics diagnostics;
    const api::Json tree = api::parse_json(
        R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"b/c":"d"}},)"
        R"("spec":{"containers":[{"name":"c","image":"i"}]},)"
        R"("status":{"conditions":[{"type":"Ready","status":"True"}]}})");
    return api::decode(tree, diagnostics);
  }();
  api::get_field(*kPod, text);
  return 0;
}
