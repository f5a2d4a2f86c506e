// SPDX-License-Identifier: MIT
/// A law that is checked on this many random cases.
#pragma once

#include <rapidcheck.h>
#include <catch2/catch.hpp>

/// A random number of [low, high), all alike from the first case on (RapidCheck's own ranges begin small).
inline int draw(int low, int high) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high)); }

template <class Law>
void require_law(int cases, const Law& law) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = cases;
  const auto result = rc::detail::checkTestable(law, rc::detail::TestMetadata(), params);
  INFO(result);
  REQUIRE(result.template is<rc::detail::SuccessResult>());
}
