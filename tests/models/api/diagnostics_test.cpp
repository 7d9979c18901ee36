#include "models/api/diagnostics.h"

#include <gtest/gtest.h>

namespace mainspring::api {
namespace {

TEST(Diagnostics, AreSortedByPlaceAndRenderedOnALine) {
  Diagnostics all;
  const uint16_t first = all.add_file("cluster.yaml");
  const uint16_t second = all.add_file("b.yaml");
  EXPECT_TRUE(all.empty());
  all.warning(Position(second, 1, 1), "", "kind Foo is kept, not simulated");
  all.mismatch(Position(first, 41, 9), "Deployment/web spec.replicas", "integer", "\"three\"");
  all.add({.at = Position(first, 7, 3),
           .path = "Pod/x spec",
           .suggestion = "containers",
           .message = "unknown field \"contaners\""});
  all.error({}, "", "no nodes");
  EXPECT_EQ(all.to_text(),
            "no nodes\n"
            "cluster.yaml:7:3: Pod/x spec: unknown field \"contaners\"; did you mean "
            "\"containers\"?\n"
            "cluster.yaml:41:9: Deployment/web spec.replicas: expected integer, got \"three\"\n"
            "b.yaml:1:1: warning: kind Foo is kept, not simulated\n");
  EXPECT_EQ(all.to_text(1), "no nodes\nand 3 more\n");
  EXPECT_EQ(all.errors(), 3u);
  EXPECT_EQ(all.warnings(), 1u);
  EXPECT_FALSE(all.ok());
  EXPECT_EQ(to_json(all.to_json_value()[2]),
            R"({"severity":"error","file":"cluster.yaml","line":41,"column":9,)"
            R"("path":"Deployment/web spec.replicas","message":"expected integer, got \"three\"",)"
            R"("expected":"integer","found":"\"three\""})");
}

TEST(Diagnostics, KeepABoundedNumberAndErrorsFirst) {
  Diagnostics all;
  for (int i = 0; i < 2000; ++i) all.warning(Position(0, 5, 1), "", "w");
  all.error(Position(0, 9, 1), "", "e");
  EXPECT_EQ(all.sorted().size(), Diagnostics::kMaxKept);
  EXPECT_EQ(all.sorted().back().message, "e");
  EXPECT_EQ(all.warnings(), 2000u);
}

TEST(Diagnostics, NearestNameIsWhatAPersonMeant) {
  const std::string_view fields[] = {"replicas", "selector", "template", "strategy",
                                     "paused",   "ports",    "port",     "minReadySeconds"};
  EXPECT_EQ(nearest("replica", fields), "replicas");
  EXPECT_EQ(nearest("Replicas", fields), "replicas");
  EXPECT_EQ(nearest("repilcas", fields), "replicas");  // one swap
  EXPECT_EQ(nearest("minreadyseconds", fields), "minReadySeconds");
  EXPECT_EQ(nearest("prt", fields), "port");
  EXPECT_EQ(nearest("image", fields), "");
  EXPECT_EQ(nearest("x", fields), "");
  EXPECT_EQ(nearest("", fields), "");
  EXPECT_EQ(nearest(std::string(100000, 'a'), fields), "");
}

TEST(Diagnostics, ValuesAreDescribedShortly) {
  EXPECT_EQ(describe("three"), "\"three\"");
  EXPECT_EQ(describe(3), "3");
  EXPECT_EQ(describe(nullptr), "null");
  EXPECT_EQ(describe(Json::array({1})), "a list");
  EXPECT_EQ(describe(Json::object()), "an empty map");
  EXPECT_EQ(describe(std::string(100, 'x')), "\"" + std::string(60, 'x') + "\"...");
}

}  // namespace
}  // namespace mainspring::api
