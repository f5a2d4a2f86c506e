// SPDX-License-Identifier: MIT
#include <remat/train/parameter_pattern.hpp>

#include <catch2/catch.hpp>

#include <functional>

namespace parameter_pattern_tests {

bool matches(const remat::parameter_pattern& pattern, const char* name, std::vector<std::size_t> shape = {2, 3}) {
  return pattern.matches({name, std::move(shape), {}, {}});
}

TEST_CASE("a path names a parameter, or for all of a module") {
  CHECK(matches("fc1.weight", "fc1.weight"));
  CHECK(matches("fc1", "fc1.weight"));
  CHECK(matches("blocks.1", "blocks.1.fc1.bias"));
  CHECK(matches("", "fc1.weight"));
  CHECK(!matches("fc1", "fc10.weight"));
  CHECK(!matches("fc1", "blocks.fc1.weight"));
  CHECK(!matches("weight", "fc1.weight"));
  CHECK(!matches("fc1.weight", "fc1"));
}

TEST_CASE("a star matches any characters") {
  CHECK(matches("*", "fc1.weight"));
  CHECK(matches("*.bias", "blocks.1.fc1.bias"));
  CHECK(matches("blocks.*.fc1", "blocks.11.fc1.weight"));
  CHECK(matches("*a*b*", "xxabab"));
  CHECK(matches("*ab", "aab"));
  CHECK(matches("**.bias", "x.bias"));
  CHECK(!matches("*.bias", "bias"));
  CHECK(!matches("*.bias", "fc1.biases"));
  CHECK(!matches("blocks.*.fc1", "blocks.11.fc2.weight"));
}

TEST_CASE("a predicate selects what it holds for") {
  CHECK(matches(remat::is_bias_or_norm, "x", {5}));
  CHECK(matches(remat::is_bias_or_norm, "x", {}));
  CHECK(!matches(remat::is_bias_or_norm, "x.bias", {5, 1}));
  const remat::parameter_pattern wide{[](const remat::parameter_view& p) { return p.shape[0] > 4; }};
  CHECK(matches(wide, "x", {5, 1}));
  CHECK(!matches(wide, "x", {4, 1}));
  CHECK(wide.text() == "a predicate");
  CHECK(remat::parameter_pattern("fc1").text() == "'fc1'");
  CHECK_THROWS_WITH(remat::parameter_pattern(std::function<bool(const remat::parameter_view&)>()),
                    Catch::Matchers::Contains("a predicate of parameters is empty"));
}

}  // namespace parameter_pattern_tests
