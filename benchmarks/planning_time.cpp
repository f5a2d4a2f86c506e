// SPDX-License-Identifier: MIT
/// How long budgets take to plan, and how good the plans are: chains of random links, a GPT of 12 blocks operation by
/// operation, ResNet-18, a U-Net, the chain of 1,000 links, two runs of links one after the other, and a chain of
/// 10,000 in memory and with disks that move as many bytes as FLOPs are done, or a hundredth of that.
///
///     planning_time [share of save_all's bytes, 0.4]
///
/// A row has the operations, the processor's seconds of the planning, those of the certificate (which is made for who
/// asks), the peak of the process's memory so far, what is computed again and at least has to be, by the forward pass,
/// and the gap.
#include "networks.hpp"

#include <remat/plan/certify.hpp>

#include <sys/resource.h>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

namespace {

/// Links of unequal sizes and costs, and a loss.
remat::program random_chain(int links) {
  std::mt19937 random(1);
  const auto pick = [&](unsigned low, unsigned high) { return low + random() % (high - low + 1); };
  const auto shape = [&] { return remat::tensor_shape{remat::element::float32, true, 1, {pick(64, 512)}}; };
  remat::program p;
  p.inputs = 1;
  p.add_tensor(shape(), remat::core::none);
  for (int i = 0; i <= links; ++i) {
    remat::operation o;
    o.kind = "link";
    o.flops = static_cast<double>(pick(1, 10));
    o.inputs.push_back(p.tensors.count() - 1);
    if (pick(0, 2) == 0) o.saved.push_back(p.add_tensor(shape(), i));
    o.outputs.push_back(p.add_tensor(shape(), i));
    o.backward_input_reads = pick(0, 1) == 0 ? remat::reads::inputs : remat::reads::outputs;
    o.backward_input_reads = o.backward_input_reads | remat::reads::saved;
    o.parameters = i == 0 ? 1 : 0;
    o.node = i < links ? 0 : 1;
    p.operations.push_back(o);
  }
  p.parameters.push_back({remat::parameter("w", {1}, remat::initial::constant(0)), 0, 0});
  p.loss = p.operations.back().outputs[0];
  remat::module_node body, loss;
  body.kind = loss.kind = "chain";
  body.last = loss.first = links;
  body.end = loss.position = 1;
  loss.last = links + 1;
  loss.end = 2;
  p.nodes.push_back(body);
  p.nodes.push_back(loss);
  return p;
}

/// Of this process, whatever else runs.
double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// `rate`: of a disk, in bytes a FLOP; 0: there is none.
void time(const char* name, remat::program p, std::size_t batch, double share, double rate = 0) {
  for (remat::module_node& each : p.nodes) each.checkpoints.clear();
  p.nodes[0].checkpoints.push_back({remat::budget{remat::share_of_save_all(share)}});
  rate *= remat::counted_flops_per_second;
  if (rate > 0)
    p.nodes[0].checkpoints[0].storage = remat::offload<remat::file>{.window = {.least_bytes = 1}, .rate = {rate, rate}};
  double begin = seconds();
  try {
    const remat::plan made = remat::plan_training(p, batch);
    const double planning = seconds() - begin;
    begin = seconds();
    const remat::certificate c = *remat::certify(p, {.batch = batch}, made);
    const double certifying = seconds() - begin;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-24s %6d %9.3f %9.3f %8.0f %9.4f %9.4f %8.3f %%\n", name, p.operations.count(), planning, certifying,
                static_cast<double>(usage.ru_maxrss) / 1e3, c.time.recomputed / c.time.forward,
                c.least_recomputed / c.time.forward, 100 * c.gap());
  } catch (const remat::error& e) {
    std::printf("%-24s %6d %9.3f  %s\n", name, p.operations.count(), seconds() - begin, e.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double share = argc > 1 ? std::stod(argv[1]) : 0.4;
  namespace nn = remat::nn;
  std::printf("%-24s %6s %9s %9s %8s %9s %9s %10s\n", "", "ops", "plan, s", "cert., s", "MB", "again", "at least",
              "gap");
  time("128 links, 256 levels", random_chain(128), 1, share);
  time("GPT, 12 blocks", remat::fuse(remat::lower<benchmarks::gpt, benchmarks::text, benchmarks::token_loss>()), 8,
       share);
  time("ResNet-18", remat::fuse(remat::lower<benchmarks::resnet18, benchmarks::image, nn::nll_loss>()), 64, share);
  using unet = remat::models::unet<remat::models::unet_config{.channels = 1, .width = 16}>;
  time("U-Net", remat::fuse(remat::lower<unet, remat::image<float, 1, 64, 64>, nn::cross_entropy>()), 4, share);
  time("16 unequal links", remat::fuse(remat::lower<benchmarks::unequal, remat::tensor<float, 256>, nn::nll_loss>()),
       512, share);
  time("1,000 equal links", remat::fuse(remat::lower<benchmarks::chain, remat::tensor<float, 128>, nn::nll_loss>()), 64,
       share);
  time("1,000 links", random_chain(1'000), 1, share);
  using two_runs = remat::sequential<remat::repeat<2'000, nn::linear<32, 32>>, nn::linear<32, 64>,
                                     remat::repeat<1'000, nn::linear<64, 64>>>;
  time("2,000 and 1,000 links", remat::lower<two_runs, remat::tensor<float, 32>>(), 16, share);
  time("  in a 10th", remat::lower<two_runs, remat::tensor<float, 32>>(), 16, share / 10);
  const remat::program many = remat::lower<remat::repeat<10'000, nn::linear<32, 32>>, remat::tensor<float, 32>>();
  time("10,000 equal links", many, 16, share);
  time("  with a fast disk", many, 16, share, 1);
  time("  with a slow disk", many, 16, share, 0.01);
  time("  in a 100th", many, 16, share / 100);
  time("  with a fast disk", many, 16, share / 100, 1);
  time("  with a slow disk", many, 16, share / 100, 0.01);
}
