// SPDX-License-Identifier: MIT
// Where batches come from: every rank's own copy, or the ranks of the first stage alone, which send on what others
// need.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace inputs_tests {

TEST_CASE("a batch that the first stage alone is given trains the same") {
  for (const char* name : {"example_01", "two_inputs", "tied", "unet", "padded"})
    for (const int replicas : {1, 2}) {
      if (session().size() % replicas != 0) continue;
      const networks::network& n = networks::named(name);
      INFO(name << ", " << replicas << " replicas");
      remat::distributed_options how{.seed = 3,
                                     .threads = 1,
                                     .frozen = n.frozen,
                                     .partitions = session().size() / replicas,
                                     .microbatches = 4,
                                     .logs_partition = false};
      remat::distributed_network everywhere(session(), n.lower(), how);
      how.inputs = remat::inputs_from::first_stage;
      remat::distributed_network first(session(), n.lower(), how);
      remat::sgd a{{.learning_rate = 0.02f}}, b{{.learning_rate = 0.02f}};
      for (std::uint64_t step = 0; step < 2; ++step) {
        const auto data = networks::random_batch(n, everywhere.lowered(), n.microbatch * 8, step);
        const float expected = everywhere.train_on(sources_of(data));
        const float found = first.partition() == 0 ? first.train_on(sources_of(data)) : first.train_on({});
        CHECK(same_bits(found, expected));
        a.step(everywhere);
        b.step(first);
      }
      for (const remat::parameter_view& p : everywhere.parameters())
        CHECK(same_bits(p.values, first.parameter(p.name).values));
      const auto kept = networks::random_batch(n, everywhere.lowered(), 6, 9);
      auto inputs = sources_of(kept);
      inputs.resize(static_cast<std::size_t>(everywhere.lowered().inputs - everywhere.lowered().targets));
      const auto expected = everywhere.predict_on(inputs);
      CHECK(same_bits(first.partition() == 0 ? first.predict_on(inputs) : first.predict_on({}), expected));
    }
}

TEST_CASE("a rank that has nothing to give is refused where everyone must") {
  const networks::network& n = networks::named("nested");
  remat::distributed_network model(session(), n.lower(), {.microbatches = 2, .logs_partition = false});
  const auto data = networks::random_batch(n, model.lowered(), 4, 1);
  std::string told;
  try {
    if (session().rank() + 1 == session().size())
      model.train_on({});
    else
      model.train_on(sources_of(data));
  } catch (const remat::collective_error& e) {
    told = e.what();
  }
  CHECK(told.find("this call takes 2 tensors, and was given 0") != std::string::npos);
  CHECK(model.train_on(sources_of(data)) > 0);  // and goes on
}

}  // namespace inputs_tests
