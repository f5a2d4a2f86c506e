// SPDX-License-Identifier: MIT
/// Policies: those of the library, one of your own for each operation, and one of your own for a whole segment at once.
///
///     04_own_policy --batch 64 --bytes 20000000
///
/// One network is compiled once and planned under all of them. The plan is exact: to see what each policy keeps, what
/// it recomputes and where the peak of memory is, no data and no step is needed.
#include <remat/remat.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

namespace nn = remat::nn;

/// Keeps what is expensive to compute for its size: more than `Least` FLOPs for a byte of output.
template <int Least>
struct save_what_is_expensive {
  static constexpr std::string_view policy_name = "save_what_is_expensive";
  static constexpr remat::decision decide(const remat::operation_view& o) {
    return o.flops > Least * static_cast<double>(o.output_bytes) ? remat::decision::keep : remat::decision::recompute;
  }
};

/// Keeps as much of a segment as fits into a number of bytes, from its end: what is needed first in the backward pass.
struct save_what_fits {
  std::size_t bytes;

  static constexpr std::string_view policy_name = "save_what_fits";
  constexpr remat::core::list<remat::decision> plan(std::span<const remat::operation_view> segment,
                                                    const remat::segment_context&) const {
    remat::core::list<remat::decision> decisions(segment.size(), remat::decision::recompute);
    std::size_t left = bytes;
    for (std::size_t i = segment.size(); i-- > 0 && segment[i].output_bytes <= left;) {
      decisions[i] = remat::decision::keep;
      left -= segment[i].output_bytes;
    }
    return decisions;
  }
};

using block = remat::residual<remat::sequential<nn::conv2d<64, 64, 3, nn::window{.padding = 1}>, nn::batch_norm2d<64>,
                                                nn::relu, nn::dropout<0.1>>>;
using features = remat::repeat<16, block>;
template <class Features>
using net = remat::sequential<nn::conv2d<1, 64, 3, nn::window{.stride = 2, .padding = 1}>, nn::relu,
                              remat::named<"features", Features>, nn::max_pool2d<2>, nn::flatten,
                              nn::linear<64 * 7 * 7, 10>, nn::log_softmax>;
template <class Features>
using model_of = remat::model<net<Features>, remat::image<float, 1, 28, 28>, nn::nll_loss>;
using model = model_of<features>;

/// The same policy as a tag: its bytes are in the type, so that the compiler knows the peak.
using tagged = remat::checkpoint<features, remat::with<save_what_fits{20'000'000}>>;

struct row {
  const char* name;
  remat::checkpoints checkpoints;
};

template <class Policy>
row all_of_it(const char* name, Policy policy) {
  return {name, {remat::checkpoint_at("features", policy)}};
}

void print(const char* name, const remat::plan_report& plan) {
  std::printf("%-28s%11.2f MB%11.2f MB%12zu%12.0f %%\n", name, static_cast<double>(plan.activation_bytes) / 1e6,
              static_cast<double>(plan.kept_bytes) / 1e6, plan.recompute, 100 * plan.recompute_share);
}

int main(int argc, char** argv) {
  std::size_t batch = 64, bytes = 20'000'000;
  CLI::App app{"Plans one network under many policies"};
  app.add_option("--batch", batch, "Images in a step")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app.add_option("--bytes", bytes, "Bytes that save_what_fits keeps at most")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  using remat::kind;
  const std::vector<row> rows{
      {"no checkpoint", remat::checkpoints::none()},
      all_of_it("recompute_all", remat::recompute_all{}),
      {"recompute_all, each child", {remat::checkpoint_at("features", remat::strategy::each{})}},
      {"recompute_all, in fours", {remat::checkpoint_at("features", remat::strategy::group<4>{})}},
      all_of_it("save_only convolutions", remat::save_only<kind<"conv2d">>{}),
      all_of_it("recompute_only batch norm", remat::recompute_only<kind<"batch_norm2d">, kind<"dropout">>{}),
      all_of_it("every<4>", remat::every<4>{}),
      all_of_it("square_root", remat::square_root{}),
      all_of_it("save_what_is_expensive<200>", save_what_is_expensive<200>{}),
      all_of_it("save_what_fits{--bytes}", save_what_fits{bytes}),
  };
  std::printf("%-28s%14s%14s%12s%14s\n", "policy", "peak", "kept", "recomputed", "FLOPs again");
  for (const row& r : rows) {
    const model m{{.checkpoints = r.checkpoints}};
    print(r.name, m.plan(batch));
  }
  print("  as a tag, of 20 MB", model_of<tagged>{}.plan(batch));
  std::cout << "\n" << model{{.checkpoints = rows.back().checkpoints}}.plan(batch);
}
