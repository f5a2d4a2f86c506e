// SPDX-License-Identifier: MIT
#include "policies.hpp"

#include "save_what_fits.hpp"

#include <remat/remat.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace networks {
namespace {

using remat::checkpoint_at, remat::decision, remat::operation_view, remat::program;
using checkpoints = std::vector<checkpoint_at>;
namespace strategy = remat::strategy;
namespace nn = remat::nn;

/// What costs much to compute again.
using keep_products =
    remat::save_only<nn::linear<1, 1>, nn::conv2d<1, 1, 1>, nn::conv_transpose2d<1, 1, 1>, nn::embedding<1, 1>>;
/// What costs little.
using drop_cheap = remat::recompute_only<nn::relu, nn::tanh, nn::sigmoid, nn::gelu, nn::gelu_tanh, nn::silu,
                                         nn::batch_norm2d<1>, nn::layer_norm<1>, nn::dropout<>, nn::add, nn::multiply,
                                         nn::concat, nn::softmax, nn::log_softmax>;

/// A user's own, operation by operation: keeps what is expensive for its size.
struct keep_dear {
  static constexpr decision decide(const operation_view& o) {
    return o.flops > 8 * static_cast<double>(o.output_bytes) ? decision::keep : decision::recompute;
  }
};

/// A user's own, for a segment at once: keeps every third operation's output, and says nothing of the last ones.
struct keep_thirds {
  static constexpr remat::core::list<decision> plan(std::span<const operation_view> segment,
                                                    const remat::segment_context&) {
    remat::core::list<decision> decided;
    for (std::size_t i = 0; i + 2 < segment.size(); ++i)
      decided.push_back(i % 3 == 2 ? decision::keep : decision::recompute);
    return decided;
  }
};

/// A user's own that answers with segments, which nest: halves of halves, down to a number of operations.
struct halves {
  std::size_t least;

  remat::segment_choice plan(std::span<const operation_view> segment, const remat::segment_context&) const {
    remat::segment_choice choice;
    divide(choice, 0, segment.size());
    return choice;
  }
  void divide(remat::segment_choice& choice, std::size_t first, std::size_t last) const {
    if (last - first < 2 * least) return;
    const std::size_t middle = first + (last - first) / 2;
    choice.nested.push_back({first, middle, {}});
    choice.nested.push_back({middle, last, remat::core::list<decision>(1, decision::keep)});
    divide(choice, first, middle);
    divide(choice, middle, last);
  }
};

/// A storage of a user's own, which gives back what it was given: the bytes in another order, each of them inverted.
struct inverted {
  static constexpr std::string_view storage_name = "inverted";
  static constexpr bool is_lossless = true;
  static constexpr std::size_t bytes(const remat::tensor_shape& shape, std::size_t batch) { return shape.bytes(batch); }
  static void store(const remat::stored_tensor& t, const std::byte* from, std::byte* to) {
    const std::size_t size = t.shape.bytes(t.batch);
    for (std::size_t i = 0; i < size; ++i) to[size - 1 - i] = ~from[i];
  }
  static void restore(const remat::stored_tensor& t, const std::byte* from, std::byte* to) { store(t, from, to); }
};
static_assert(remat::Storage<inverted>);

/// A file that takes what is small, too.
remat::offload<remat::file> in_a_file() { return {.window = {.least_bytes = 1}}; }

/// The paths of modules that hold several operations, at most a dozen of them: those that `accept` wants.
template <class Accept>
std::vector<std::string> blocks(const program& p, const Accept& accept) {
  std::vector<int> found;
  for (int n = 1; n < p.nodes.count(); ++n)
    if (p.nodes[n].last - p.nodes[n].first > 1 && accept(n)) found.push_back(n);
  std::vector<std::string> paths;
  const std::size_t step = found.size() / 12 + 1;
  for (std::size_t i = 0; i < found.size(); i += step) paths.push_back(path_of(p, found[i]));
  return paths;
}

std::vector<std::string> all_blocks(const program& p) {
  return blocks(p, [](int) { return true; });
}
/// Those that hold no others.
std::vector<std::string> innermost_blocks(const program& p) {
  return blocks(p, [&](int n) {
    for (int inner = n + 1; inner < p.nodes[n].end; ++inner)
      if (p.nodes[inner].last - p.nodes[inner].first > 1) return false;
    return true;
  });
}

/// Checkpoints from the outermost to the innermost; those of one module are one value.
checkpoints within_one_another(const checkpoints& some) {
  std::vector<checkpoint_at> all;
  for (const checkpoint_at& each : some) {
    const auto known = std::ranges::find(all, each.path, &checkpoint_at::path);
    if (known == all.end())
      all.push_back(each);
    else
      known->settings.insert(known->settings.end(), each.settings.begin(), each.settings.end());
  }
  return all;
}

checkpoints at_blocks(checkpoints outer, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) outer.push_back(checkpoint_at(path));
  return within_one_another(outer);
}

template <class Policy>
checkpoints whole(const network&, const program&) {
  return {checkpoint_at("", strategy::contiguous{}, Policy{})};
}
/// Keeps the outputs of the modules of these names, of those that the network has inside.
template <remat::fixed_string... Names>
checkpoints named_ones(const network&, const program& p) {
  checkpoints made;
  const auto add = [&](std::string_view name, auto policy) {
    for (const remat::module_node& each : p.nodes)
      if (each.name == name) return made.push_back(checkpoint_at("", strategy::contiguous{}, policy));
  };
  (add(Names.view(), remat::save_named<Names>{}), ...);
  return made.size() == 0 ? made : within_one_another(made);
}
template <class Strategy, class Policy = remat::recompute_all>
checkpoints chain(const network& n, const program&) {
  return {checkpoint_at(n.chain, Strategy{}, Policy{})};
}
checkpoints nested_blocks(const network& n, const program& p) {
  return at_blocks({checkpoint_at(""), checkpoint_at(n.chain, strategy::group<3>{})}, all_blocks(p));
}
checkpoints nested_policies(const network& n, const program& p) {
  return at_blocks({checkpoint_at("", strategy::contiguous{}, keep_dear{}),
                    checkpoint_at(n.chain, strategy::contiguous{}, remat::every<2>{}),
                    checkpoint_at(n.chain, strategy::each{}, keep_thirds{})},
                   innermost_blocks(p));
}

checkpoints at_thirds(const network& n, const program& p) {
  const int chain = remat::find_node(p, n.chain);
  std::vector<std::string> places;
  int child = 0;
  for (int c = chain + 1; c < p.nodes[chain].end; c = p.nodes[c].end, ++child)
    if (child % 3 == 2 && p.nodes[c].first > p.nodes[chain].first && p.nodes[c].first < p.nodes[chain].last &&
        p.nodes[c].first < p.nodes[c].last)
      places.push_back(path_of(p, c));
  return {checkpoint_at(n.chain, strategy::at(places))};
}

/// What every second block reads is stored, in the arena and in a file by turns; within it are others that say nothing
/// of storages.
checkpoints stored_blocks(const network&, const program& p) {
  const std::array<remat::storage_setting, 4> storages{inverted{}, remat::keep{}, in_a_file(), remat::keep{}};
  checkpoints all;
  for (const std::string& path : all_blocks(p))
    all.push_back(checkpoint_at(path, remat::recompute_all{}, storages[all.size() % storages.size()]));
  return all;
}

}  // namespace

std::span<const policy> policies() {
  static constexpr std::array all{
      policy{"none", [](const network&, const program&) { return checkpoints{}; }, true},
      policy{"all as one", &whole<remat::recompute_all>},
      policy{"each", &chain<strategy::each>},
      policy{"group<2>", &chain<strategy::group<2>>},
      policy{"group<3>", &chain<strategy::group<3>>},
      policy{"every<2>", &chain<strategy::contiguous, remat::every<2>>},
      policy{"square_root", &chain<strategy::contiguous, remat::square_root>},
      policy{"save_only products", &whole<keep_products>},
      policy{"recompute_only what is cheap", &whole<drop_cheap>},
      policy{"save_named", &named_ones<"fc1", "middle", "stem", "inner", "drop2", "conv1">},
      policy{"a user's own per operation", &whole<keep_dear>},
      policy{"a user's own per segment", &chain<strategy::group<4>, keep_thirds>},
      policy{
          "save_all, in a file",
          [](const network&, const program&) { return checkpoints{checkpoint_at("", remat::save_all{}, in_a_file())}; },
          true},
      policy{"blocks", [](const network&, const program& p) { return at_blocks({}, all_blocks(p)); }},
      policy{"innermost blocks", [](const network&, const program& p) { return at_blocks({}, innermost_blocks(p)); }},
      policy{"blocks in groups in all", &nested_blocks},
      policy{"policies within one another", &nested_policies},
      policy{"a user's own with members",
             [](const network&, const program&) { return checkpoints{checkpoint_at("", save_what_fits{2'000})}; }},
      policy{"a user's own tree of segments",
             [](const network&, const program&) { return checkpoints{checkpoint_at("", halves{2})}; }},
      policy{"strategy::at", &at_thirds},
      policy{
          "a user's own storage of all that is kept",
          [](const network&, const program&) { return checkpoints{checkpoint_at("", remat::save_all{}, inverted{})}; },
          true},
      policy{"blocks, stored apart", &stored_blocks},
  };
  return all;
}

const policy& policy_named(std::string_view name) {
  const auto found = std::ranges::find(policies(), name, &policy::name);
  if (found == policies().end()) throw remat::error("no policy is named '" + std::string(name) + "'");
  return *found;
}

}  // namespace networks
