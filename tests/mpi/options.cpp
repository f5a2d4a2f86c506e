// SPDX-License-Identifier: MIT
// One list of designated initialisers serves a model of one process and a distributed one.
#include <remat/distributed.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

namespace options_tests {

template <class Options>
constexpr bool takes_what_all_models_take(const Options& o = {.seed = 1,
                                                              .threads = 1,
                                                              .checkpoints = {remat::checkpoint_at("0")},
                                                              .frozen = {"0"},
                                                              .microbatches = 2,
                                                              .max_plans = 3}) {
  return o.seed == 1 && o.threads == 1 && o.checkpoints.replace_tags() && o.frozen.size() == 1 && o.microbatches == 2 &&
         o.max_plans == 3;
}

TEST_CASE("the options that all models have come in one order") {
  CHECK(takes_what_all_models_take<remat::model_options>());
  CHECK(takes_what_all_models_take<remat::distributed_options>());
}

}  // namespace options_tests
