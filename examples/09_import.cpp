// SPDX-License-Identifier: MIT
/// Fine-tunes a GPT-2 that PyTorch wrote, on one rank or on several, and writes it for PyTorch again.
///
///     mpiexec -n 2 09_import --size gpt2 --weights gpt2/model.safetensors --tokens train.bin --out tuned.safetensors
///
/// The file is one that Hugging Face's transformers wrote, or the published one; what is saved loads there with
/// `from_pretrained`. Every block is checkpointed. Tokens are uint16, as nanoGPT's prepare.py makes them, or an array
/// of numpy's. With --size tiny (width 64, 4 blocks) they are the bytes of a text. Without --weights, training starts
/// from random weights.
#include <remat/distributed.hpp>
#include <remat/distributed_weights.hpp>

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace nn = remat::nn;
namespace models = remat::models;

constexpr models::gpt2_config tiny{
    .vocabulary = 256, .positions = 64, .width = 64, .heads = 4, .blocks = 4, .dropout = 0};

struct settings {
  std::string size = "tiny", weights, tokens, out;
  std::size_t batch = 8, microbatches = 2, steps = 100;
  int threads = 0;
  float learning_rate = 3e-4f;
  std::uint64_t seed = 1;
};

template <models::gpt2_config Config, std::size_t Length>
void fine_tune(const remat::mpi::session& mpi, const settings& s, const remat::token_file& tokens) {
  using net = remat::set_activation_checkpointing<models::gpt2<Config>, "transformer.h">;
  remat::distributed_model<net, remat::tensor<std::int32_t, Length>, nn::cross_entropy> model{
      mpi, {.seed = s.seed, .threads = s.threads, .microbatches = s.microbatches}};
  if (!s.weights.empty()) remat::load_weights(model, s.weights);

  // The last tenth is held out.
  const std::size_t cut = tokens.size() / 10 * 9;
  const remat::token_windows train(tokens, {.length = Length, .last = cut}),
      test(tokens, {.length = Length, .first = cut});
  const bool tells = model.rank() == 0;
  // Where it cannot be written, that is said before training.
  if (tells && !s.out.empty()) const remat::partial_file refused_here(s.out);
  const auto report = [&](const char* when) {
    const double loss = model.evaluate(test.batches(s.batch), remat::mean_loss{});
    if (tells) std::printf("result: when=%s test_loss=%.9g\n", when, loss);
  };
  report("before");
  remat::adamw optimizer{{.learning_rate = s.learning_rate}};
  optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
  for (std::size_t step = 0, epoch = 0; step < s.steps; ++epoch)
    for (auto [windows, next] :
         train.batches(s.batch, {.shuffle_seed = s.seed, .epoch = epoch, .last = remat::last_batch::drop})) {
      const float loss = model.train_step(windows, next, optimizer);
      if (tells && step % 10 == 0) std::printf("step %zu: loss %.4f\n", step, static_cast<double>(loss));
      if (++step == s.steps) break;
    }
  report("after");
  if (!s.out.empty()) remat::save_weights(model, s.out);
}

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  settings s;
  CLI::App app{"Fine-tunes a GPT-2 from a safetensors file, in a pipeline over the ranks of an MPI job"};
  const auto more_than_0 = CLI::PositiveNumber;
  app.add_option("--size", s.size, "tiny, whose tokens are bytes; gpt2, the smallest that was published")
      ->check(CLI::IsMember({"tiny", "gpt2"}))
      ->capture_default_str();
  app.add_option("--weights", s.weights, "Safetensors file, or folder with one, to start from");
  app.add_option("--tokens", s.tokens,
                 "File of tokens: of tiny, a text; of gpt2, uint16 numbers in a .bin file, or a .npy array")
      ->required();
  app.add_option("--out", s.out, "File for the weights after training");
  app.add_option("--batch", s.batch, "Windows in a step")->check(more_than_0)->capture_default_str();
  app.add_option("--microbatches", s.microbatches, "Parts of a batch")->check(more_than_0)->capture_default_str();
  app.add_option("--steps", s.steps, "Training steps")->check(more_than_0)->capture_default_str();
  app.add_option("--learning-rate", s.learning_rate, "Learning rate of AdamW")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of the order of windows, and of weights that are not loaded")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", s.threads, "Threads of a rank; 0: its share of the node's cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return mpi.rank() == 0 ? app.exit(e) : e.get_exit_code();
  }
  // The session prints an exception that is thrown from here on, once, with its rank, and ends all ranks.
  if (s.size == "tiny")
    fine_tune<tiny, 64>(mpi, s, remat::token_file(s.tokens));
  else if (s.tokens.ends_with(".npy"))
    fine_tune<models::gpt2_small, 256>(mpi, s, remat::token_file(s.tokens));
  else if (!s.tokens.ends_with(".bin"))
    throw remat::error("--tokens of gpt2 are uint16 numbers in a .bin file, or a .npy array; '" + s.tokens +
                       "' is neither");
  else
    fine_tune<models::gpt2_small, 256>(mpi, s, remat::token_file(s.tokens, remat::number_type::uint16));
}
