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
                                                              .costs = remat::operation_costs{},
                                                              .activation_bytes = 4,
                                                              .other_bytes = 5,
                                                              .frozen = {"0"},
                                                              .running_statistics = {"1"},
                                                              .compute = remat::element::bfloat16,
                                                              .microbatches = 2,
                                                              .max_plans = 3,
                                                              .packing = remat::packing::kept,
                                                              .offload_directory = "/scratch"}) {
  return o.seed == 1 && o.threads == 1 && o.checkpoints.replace_tags() && o.costs && o.activation_bytes == 4 &&
         o.other_bytes == 5 && o.frozen.size() == 1 && o.running_statistics.size() == 1 &&
         o.compute == remat::element::bfloat16 && o.microbatches == 2 && o.max_plans == 3 &&
         o.packing == remat::packing::kept && o.offload_directory == "/scratch";
}

TEST_CASE("the options that all models have come in one order") {
  CHECK(takes_what_all_models_take<remat::model_options>());
  CHECK(takes_what_all_models_take<remat::distributed_options>());
}

}  // namespace options_tests
