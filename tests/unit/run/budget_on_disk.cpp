// SPDX-License-Identifier: MIT
// Budgets that may use a disk, executed: the bits of a step that keeps everything, in the planned bytes.
#include "offloaded.hpp"

#include <remat/check/plan_checker.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace budget_on_disk_tests {

using namespace offloaded;
using Catch::Matchers::Contains;
using remat::budget, remat::checkpoint_at, remat::offload;

remat::model_options within(std::size_t bytes, remat::transfer_rate rate, std::size_t microbatches = 1) {
  return {.seed = 2,
          .threads = 2,
          .checkpoints = {checkpoint_at("", budget{bytes},
                                        offload{remat::temporary_directory(), {.least_bytes = 1}, rate})},
          .microbatches = microbatches};
}

TEST_CASE("a budget that may use the disk changes no bit, in exactly the planned bytes") {
  const data d;
  for (const std::size_t microbatches : {std::size_t{1}, std::size_t{4}}) {
    model kept{{.seed = 2, .threads = 2, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches}};
    remat::adamw with_kept;
    for (int i = 0; i < 2; ++i) kept.train_step(d.x, d.y, with_kept);
    const std::size_t most = kept.plan(batch / microbatches).activation_bytes;
    int on_disk = 0;
    for (const std::size_t percent : {80u, 55u, 40u, 30u, 24u}) {
      INFO(percent << " % in " << microbatches << " micro-batches");
      std::optional<model> m;
      m.emplace(within(most * percent / 100, {20e9, 20e9}, microbatches));
      remat::adamw optimizer;
      for (int i = 0; i < 2; ++i) m->train_step(d.x, d.y, optimizer);
      CHECK((bits_of(*m) == bits_of(kept)));
      const remat::plan_report planned = m->plan(batch / microbatches);
      CHECK(planned.activation_bytes <= most * percent / 100);
      CHECK(m->reserved().activations == planned.activation_bytes);
      CHECK((planned.outside_bytes > 0) == (planned.writes > 0));
      CHECK(planned.writes == planned.reads);
      if (planned.writes > 0) ++on_disk;
    }
    CHECK(on_disk > 2);
  }
}

TEST_CASE("its plan is audited, and prints what the disk does and a bound of its own") {
  const data d;
  const std::size_t most = model{{.checkpoints = remat::checkpoints::none()}}.plan(batch).activation_bytes;
  model m{within(most / 3, {20e9, 20e9})};
  CHECK(audit(m, d.x, d.y).holds());
  const remat::plan_report planned = m.plan(batch);
  REQUIRE(planned.certificate);
  const remat::certificate& c = *planned.certificate;
  CHECK(c.may_use_disk);
  CHECK(c.transferring > 0);
  CHECK(c.least_on_disk <= c.time.sum());
  CHECK(c.least_on_disk >= c.time.forward + c.time.backward);
  std::ostringstream text;
  text << planned;
  for (const char* part : {"waiting for transfers", "on disk, too", "the gap is", "writes and"})
    CHECK_THAT(text.str(), Contains(part));
}

TEST_CASE("a rate is measured where none is stated; a disk that is too slow is not used") {
  const data d;
  const std::size_t most = model{{.checkpoints = remat::checkpoints::none()}}.plan(batch).activation_bytes;
  model measured{within(most / 2, {})};
  CHECK(measured.plan(batch).certificate->rate.is_known());
  CHECK(model{within(most / 2, {1e3, 1e3})}.plan(batch).writes == 0);
  CHECK_THROWS_WITH(model{within(most / 2, {1e9, 0})}, Contains("both above 0"));
  CHECK_THROWS_WITH(model{within(most / 2, {1e9, std::numeric_limits<double>::infinity()})}, Contains("finite"));
  CHECK_THROWS_WITH(remat::plan_training(measured.lowered(), {.batch = batch}),
                    Contains("how fast that is, is not known"));
}

}  // namespace budget_on_disk_tests
