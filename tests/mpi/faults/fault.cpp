// SPDX-License-Identifier: MIT
// A job in which something goes wrong: fault <case>.
#include <remat/distributed.hpp>
#include <remat/distributed/distributed_audit.hpp>
#include <remat/partition/partition_file.hpp>

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace nn = remat::nn;
struct block : remat::module {
  using body = remat::sequential<nn::linear<32, 32>, nn::tanh, nn::linear<32, 32>, nn::tanh>;
};
using net =
    remat::sequential<remat::named<"first", block>, remat::named<"second", block>, nn::linear<32, 5>, nn::log_softmax>;
using other_net = remat::sequential<remat::named<"first", block>, nn::linear<32, 5>, nn::log_softmax>;
/// The same shapes and kinds of modules.
template <nn::real Rate>
using dropping_net = remat::sequential<nn::linear<32, 32>, nn::dropout<Rate>, nn::linear<32, 5>, nn::log_softmax>;
/// One state in two places.
using norm = remat::shared<"norm", nn::batch_norm2d<4>>;
using norming_net = remat::sequential<nn::conv2d<1, 4, 1>, norm, nn::conv2d<4, 4, 1>, norm>;
using input = remat::tensor<float, 32>;

void run(const remat::mpi::session& mpi, const std::string& fault) {
  const bool is_mine = mpi.rank() == std::min(1, mpi.size() - 1);
  remat::distributed_options options{.threads = 1, .microbatches = 4, .logs_partition = false};
  std::vector<float> x(32 * 32, 0.5f);
  std::vector<std::int32_t> y(32, 3);
  if (fault == "other_boundaries") options.partition = remat::partition::boundaries({is_mine ? 2 : 1});
  if (fault == "other_seed" && is_mine) options.seed = 7;
  if (fault == "other_frozen" && is_mine) options.frozen = {"first"};
  if (fault == "other_schedule" && is_mine) options.schedule = remat::schedule::gpipe;
  if (fault == "other_microbatches" && is_mine) options.microbatches = 8;
  if (fault == "other_checkpoints" && is_mine) options.checkpoints = {remat::checkpoint_at("first")};
  if (fault == "full_disk") {
    options.schedule = remat::schedule::gpipe;  // each micro-batch waits on each stage
    options.checkpoints = {remat::checkpoint_at(
        "", remat::save_all{},
        remat::offload<remat::file>{.path = remat::temporary_directory(), .window = {.least_bytes = 1}})};
  }
  if (fault == "other_rank_map") {
    options.partitions = 2;
    if (is_mine) options.rank_map = remat::rank_map::spread;
  }
  if (fault == "other_call_without_data") options.inputs = remat::inputs_from::first_stage;
  if (fault == "too_few_ranks") options.partitions = 3;
  if (fault == "too_many_ranks") options.partitions = 2;
  if (fault == "more_stages_than_operations")
    options.schedule = remat::schedule::interleaved<9>, options.microbatches = 3;
  if (fault == "missing_file") options.partition = remat::partition::from_file("no_such_partition.json");
  if (fault == "impossible_partition") {
    options.partition = remat::partition::boundaries({1});
    options.checkpoints = {remat::checkpoint_at("first")};
  }
  if (fault == "other_model" && is_mine) {
    remat::distributed_model<other_net, input, nn::nll_loss> other{mpi, options};
    return;
  }
  if (fault == "other_rate") {
    if (is_mine)
      remat::distributed_model<dropping_net<0.25>, input, nn::nll_loss>{mpi, options};
    else
      remat::distributed_model<dropping_net<0.2>, input, nn::nll_loss>{mpi, options};
    return;
  }
  if (fault == "state_on_two_ranks") {
    options.partition = remat::partition::boundaries({2});
    remat::distributed_model<norming_net, remat::image<float, 1, 4, 4>>{mpi, options};
    return;
  }
  if (fault == "second_session") {
    int arguments = 0;
    char** none = nullptr;
    remat::mpi::session second{arguments, none};
  }
  if (fault == "no_partition_batch") options.partition_batch = 0;
  if (fault == "too_many_stages") options.schedule = remat::schedule::interleaved<1>.over(1'000'000'000);
  if (fault.starts_with("changes_parameter")) options.partitions = 1;
  remat::distributed_model<net, input, nn::nll_loss> model{mpi, options};
  if (fault == "changes_parameter" && is_mine) model.parameters()[0].values[3] = 9;
  remat::sgd optimizer{{.learning_rate = fault == "other_optimizer" && is_mine ? 0.2f : 0.1f}};
  if (fault == "second_model" && is_mine) remat::distributed_model<net, input, nn::nll_loss>{mpi, options};
  if (fault == "other_order") {
    remat::distributed_model<net, input, nn::nll_loss> second{mpi, options};
    (is_mine ? second : model).train_step(x, y);
    (is_mine ? model : second).train_step(x, y);
  }
  if (fault == "audit_of_one_sample") {
    x.resize(32), y.resize(1);
    remat::audit(model, x, y);
  }
  if (fault == "other_profile") {
    remat::model<net, input, nn::nll_loss> one{{.threads = 1}};
    remat::profile(mpi, one, is_mine ? 8 : 4);
  }
  if (fault == "audit_alone" && is_mine) remat::audit(model, x, y);
  if (fault == "too_small_batch") x.resize(3 * 32), y.resize(3);
  if (fault == "other_batch" && is_mine) x.resize(16 * 32), y.resize(16);
  if (fault == "wrong_tensor" && is_mine) x.resize(17);
  if (fault == "group_of_none") optimizer.group("third", {.learning_rate = 0});
  if (fault == "other_data" && is_mine) x[6 * 32 + 1] = 0.25f;
  if (fault == "other_targets" && is_mine) y[31] = 2;
  const int steps = fault == "fewer_calls" && is_mine ? 7 : 20;
  for (int step = 0; step < steps; ++step) {
    if (fault == "skips_batch") {
      x[0] = static_cast<float>(step);
      if (step == 5 && is_mine) continue;
    }
    if (step == 5 && is_mine && fault == "exits") std::exit(0);
    if (step == 5 && is_mine && fault == "exits_quickly") std::quick_exit(0);
    if (step == 5 && is_mine && fault == "hangs") {
      std::this_thread::sleep_for(std::chrono::seconds(4));
      throw remat::error("rank 1 has slept enough");
    }
    if (step == 5 && fault == "predicts_other_data") {
      if (is_mine) x[1] = 7;
      model.predict(x);
    }
    if (step == 5 && is_mine && fault.starts_with("other_call")) {
      model.predict(x);
      continue;
    }
    if (step == 5 && fault == "throws_on_all_in_own_mpi")
      throw remat::collective_error("rank 0 and rank 1 have found it");
    if (step == 5 && fault.starts_with("child_")) {
      const pid_t child = fork();
      if (child == 0 && fault == "child_throws") throw remat::error("this is the child");
      if (child == 0) std::exit(0);
      waitpid(child, nullptr, 0);
    }
    if (step == 5 && is_mine && fault.starts_with("throws"))
      throw remat::error("the disk of rank " + std::to_string(mpi.rank()) + " is full");
    if (step == 5 && is_mine && fault == "killed") std::raise(SIGKILL);
    if (step == 5 && fault == "bad_label") y[7] = 99;
    if (step == 5 && is_mine && fault == "full_disk") {
      const rlimit limit{4096, RLIM_INFINITY};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (step == 5 && fault == "other_evaluation") {
      const std::vector<std::pair<std::vector<float>, std::vector<std::int32_t>>> batches(is_mine ? 3 : 2, {x, y});
      model.evaluate(batches, remat::accuracy{});
    }
    if (step == 5 && is_mine && fault == "changes_parameter_later") model.parameters()[1].values[0] += 1;
    if (step == 5 && is_mine && fault == "clips_alone") remat::clip_gradients(model, 1);
    model.train_step(x, y);
    if (step == 5 && fault == "other_clipping") remat::clip_gradients(model, is_mine ? 0.1 : 1);
    if (step == 5 && is_mine && fault == "skips_update") continue;
    optimizer.step(model);
  }
}

int run_and_catch(int argc, char** argv, const std::string& fault) {
  try {
    remat::mpi::session mpi{argc, argv};
    run(mpi, fault);
  } catch (const std::exception& e) {
    std::cerr << "caught: " << e.what() << std::endl;
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string fault = argc > 1 ? argv[1] : "";
  if (fault == "throws_and_is_caught") return run_and_catch(argc, argv, fault);
  if (fault.ends_with("in_own_mpi")) {  // whose errors the program has said that it looks at
    MPI_Init(&argc, &argv);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    const int code = run_and_catch(argc, argv, fault);
    MPI_Finalize();
    return code;
  }
  if (fault == "session_after_another") remat::mpi::session{argc, argv};
  remat::mpi::session mpi{argc, argv};
  if (fault == "caught_inside") {
    try {
      run(mpi, "throws");
    } catch (const std::exception& e) {
      std::cerr << "caught: " << e.what() << std::endl;
      return 1;
    }
    return 0;
  }
  run(mpi, fault);
  if (!fault.starts_with("child_")) return 0;
  if (mpi.rank() == 0) std::cerr << "the child has ended, and the job goes on" << std::endl;
  throw remat::error("and this is its end");
}
