// SPDX-License-Identifier: MIT
// The list of what a distributed model and its optimizer remember: gathered on one rank it is that of one process, and
// a run that goes on from it, in one process or on any ranks, has the bits of one that was never stopped.
#include "training.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace tensors_tests {

using snapshot = std::map<std::string, std::vector<std::byte>>;

/// On rank `to`; empty on others.
snapshot read(const remat::tensor_list& all, int to) {
  snapshot kept;
  std::vector<std::byte> room(all.room_to_gather(to));
  for (const remat::named_tensor& t : all) {
    if (!t.is_there) continue;
    const auto whole = all.gather(t, to, room);
    if (all.ranks().rank() == to) kept[t.name].assign(whole.begin(), whole.end());
  }
  return kept;
}
void write(const snapshot& kept, remat::tensor_list all, int from) {
  for (remat::named_tensor& t : all) {
    const auto found = kept.find(t.name);
    std::byte is_kept{found != kept.end()};
    all.ranks().broadcast({&is_kept, 1}, from);
    t.set_there(is_kept == std::byte{1});
    if (t.is_there)
      all.scatter(
          t, from,
          all.ranks().rank() == from ? std::span<const std::byte>(found->second) : std::span<const std::byte>());
  }
}

constexpr std::size_t microbatches = 4;

template <class Model>
void train(const networks::network& n, Model& model, remat::adam& optimizer, int first, int last) {
  for (int step = first; step < last; ++step) {
    const auto data =
        networks::random_batch(n, model.lowered(), n.microbatch * microbatches, static_cast<std::uint64_t>(step));
    model.train_on(sources_of(data));
    optimizer.step(model);
  }
}

remat::distributed_options options(int partitions, bool shards, std::uint64_t seed) {
  return {.seed = seed,
          .threads = 1,
          .partitions = partitions,
          .microbatches = microbatches / static_cast<std::size_t>(session().size() / partitions),
          .shards_optimizer = shards,
          .logs_partition = false};
}

TEST_CASE("what all ranks remember goes on in one process and on any ranks") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const int size = session().size(), to = size - 1;
  for (const char* name : {"tied", "stateful", "nested"})
    for (int partitions = 1; partitions <= size; ++partitions) {
      if (size % partitions != 0 || static_cast<int>(microbatches) % (size / partitions) != 0) continue;
      const networks::network& n = networks::named(name);
      const auto of = [](auto& model, auto& optimizer) { return model.tensors(optimizer); };
      for (const bool shards : {false, true}) {
        INFO(name << " on " << partitions << " of " << size << " ranks" << (shards ? ", shards" : ""));
        remat::distributed_network model(session(), n.lower(), options(partitions, shards, 3));
        remat::adam optimizer{{.learning_rate = 0.01f}};
        train(n, model, optimizer, 0, 2);
        remat::tensor_list all = of(model, optimizer);
        const snapshot kept = read(all, to);

        // The list of one process has the same tensors, in the same order; without replicas the same bits, too.
        remat::network one = networks::make(n, {.seed = 3, .threads = 1, .microbatches = microbatches});
        remat::adam alone{{.learning_rate = 0.01f}};
        train(n, one, alone, 0, 2);
        remat::tensor_list ones = of(one, alone);
        CHECK(ones.size() == all.size());
        bool same = ones.size() == all.size();
        for (std::size_t i = 0; same && i < all.size(); ++i)
          same = ones[i].name == all[i].name && ones[i].shape == all[i].shape && ones[i].type == all[i].type &&
                 ones[i].is_there == all[i].is_there;
        CHECK(same);
        if (size == partitions && session().rank() == to) CHECK(kept == read(ones, 0));

        // Of the same ranks, with shards or without.
        train(n, model, optimizer, 2, 4);
        const snapshot expected = read(of(model, optimizer), 0);
        for (const bool other_shards : {false, true}) {
          remat::distributed_network resumed(session(), n.lower(), options(partitions, other_shards, 7));
          remat::adam resumed_optimizer{{.learning_rate = 0.01f}};
          write(kept, of(resumed, resumed_optimizer), to);
          CHECK(resumed.steps() == 2);
          CHECK(resumed_optimizer.steps() == 2);
          if (other_shards == shards) CHECK(resumed_optimizer.bytes() == optimizer.bytes());
          train(n, resumed, resumed_optimizer, 2, 4);
          const snapshot found = read(of(resumed, resumed_optimizer), 0);
          CHECK(found == expected);
        }

        // In one process, and in one pipeline of all ranks, from what was one process's.
        if (size != partitions) continue;
        const snapshot from_one = read(of(one, alone), 0);
        remat::distributed_network spread(session(), n.lower(), options(size, shards, 8));
        remat::adam spread_optimizer{{.learning_rate = 0.01f}};
        write(from_one, of(spread, spread_optimizer), 0);
        train(n, spread, spread_optimizer, 2, 4);
        const snapshot of_spread = read(of(spread, spread_optimizer), 0);
        CHECK(of_spread == expected);
        if (session().rank() != to) continue;
        remat::network resumed = networks::make(n, {.seed = 9, .threads = 1, .microbatches = microbatches});
        remat::adam resumed_optimizer{{.learning_rate = 0.01f}};
        write(kept, of(resumed, resumed_optimizer), 0);
        train(n, resumed, resumed_optimizer, 2, 4);
        train(n, one, alone, 2, 4);
        CHECK(read(of(resumed, resumed_optimizer), 0) == read(of(one, alone), 0));
      }
    }
}

}  // namespace tensors_tests
