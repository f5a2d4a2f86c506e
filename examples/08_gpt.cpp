// SPDX-License-Identifier: MIT
/// A language model: a GPT is trained on the bytes of a text, and then writes one.
///
///     apt-get install bible-kjv && bible -f Ge1:1-Rev22:21 > bible.txt
///     08_gpt --data bible.txt
///     mpiexec -n 2 08_gpt --data bible.txt --microbatches 8 --schedule zero_bubble --policy recompute_all
///
/// It is trained on the first nine tenths of the text. On the rest, the bits that it takes for a byte are compared with
/// those of gzip -9 and of an order-3 Markov model (text_models.hpp). The file is mapped into memory, and a step reads
/// only what it needs; each window of 128 bytes is a sample, and its targets are the bytes after each of its bytes.
///
/// The blocks of the transformer are at "h": --policy says what a checkpoint of them keeps, --strategy which of them
/// are one segment. Without mpiexec it runs in one process. In an MPI job, --partitions ranks are a pipeline, and
/// further ranks are replicas of it. With the same --batch, --microbatches, --threads and number of replicas, each
/// policy, schedule and number of partitions gives the same bits.
#include "text_models.hpp"

#include <remat/distributed.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numbers>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace nn = remat::nn;
namespace rate = remat::learning_rate;

constexpr std::size_t bytes = 256, window = 128, width = 128, heads = 4, blocks = 4;

// clang-format off
using attention = remat::sequential<
    remat::named<"c_attn", nn::linear<width, 3 * width>>,
    nn::attention<heads, nn::attention_options{.causal = true}>,
    remat::named<"c_proj", nn::linear<width, width>>>;
using mlp = remat::sequential<
    remat::named<"c_fc", nn::linear<width, 4 * width>>, nn::gelu_tanh,
    remat::named<"c_proj", nn::linear<4 * width, width>>>;
template <class... M>  // whose paths are those of the block's children, as "h.0.mlp"
using added = remat::inlined<remat::residual<remat::sequential<M...>>>;
using block = remat::sequential<
    added<remat::named<"ln_1", nn::layer_norm<width>>, remat::named<"attn", attention>>,
    added<remat::named<"ln_2", nn::layer_norm<width>>, remat::named<"mlp", mlp>>>;
using gpt = remat::sequential<
    remat::named<"wte", nn::embedding<bytes, width>>, remat::named<"wpe", nn::positional_embedding<window, width>>,
    remat::named<"h", remat::repeat<blocks, block>>,
    remat::named<"ln_f", nn::layer_norm<width>>, remat::named<"lm_head", nn::linear<width, bytes>>>;
// clang-format on
using model = remat::distributed_model<gpt, remat::tensor<std::int32_t, window>, nn::cross_entropy>;

struct settings {
  std::string data, dtype = "f32", policy = "none", strategy = "each", schedule = "1f1b", prompt = "\n";
  std::size_t steps = 6000, warm_up = 100, batch = 8, microbatches = 1, characters = 400;
  int partitions = 0, threads = 0;
  float learning_rate = 2e-3f, weight_decay = 0.1f;
  double max_norm = 1, temperature = 0.8;
  std::uint64_t seed = 1;
};

/// A checkpoint of each group of blocks that the strategy makes, under a policy.
template <class Policy>
remat::checkpoints of_blocks(const std::string& strategy, Policy policy) {
  const std::string group = "group:";
  if (strategy == "contiguous") return {remat::checkpoint_at("h", remat::strategy::contiguous{}, policy)};
  if (strategy == "each") return {remat::checkpoint_at("h", remat::strategy::each{}, policy)};
  remat::strategy::groups some{0};
  const char *const first = strategy.data() + group.size(), *const last = strategy.data() + strategy.size();
  if (!strategy.starts_with(group)) throw remat::error("--strategy is each, contiguous or group:N, not " + strategy);
  if (const auto [end, failed] = std::from_chars(first, last, some.children); failed != std::errc() || end != last)
    throw remat::error("--strategy " + strategy + ": a number of blocks follows the colon, such as group:2");
  return {remat::checkpoint_at("h", some, policy)};
}

remat::checkpoints checkpoints_of(const settings& s) {
  const remat::checkpoints whole = of_blocks(s.strategy, remat::recompute_all{});  // throws for no strategy
  if (s.policy == "recompute_all") return whole;
  if (s.policy == "save_products")
    return of_blocks(s.strategy, remat::save_only<remat::kind<"linear">, remat::kind<"attention">>{});
  if (s.policy == "recompute_mlp") return {remat::checkpoint_at("h.*.mlp")};
  if (s.policy == "recompute_cheap")
    return of_blocks(s.strategy, remat::recompute_only<remat::kind<"layer_norm">, remat::kind<"gelu_tanh">>{});
  if (s.policy == "square_root") return of_blocks("contiguous", remat::square_root{});
  return remat::checkpoints::none();
}

const std::map<std::string, remat::pipeline_schedule> schedules{{"gpipe", remat::schedule::gpipe},
                                                                {"1f1b", remat::schedule::one_f_one_b},
                                                                {"zero_bubble", remat::schedule::zero_bubble}};

/// Small embeddings, and for positions the sine waves of Vaswani et al. 2017: neighbouring positions start with similar
/// numbers, and attention soon finds the byte before.
void start_embeddings(const model& m) {
  constexpr double scale = 0.1;
  for (const remat::parameter_view& p : m.parameters()) {
    if (p.name == "wte.weight")
      for (float& value : p.values) value *= static_cast<float>(scale);
    if (p.name != "wpe.weight") continue;
    for (std::size_t i = 0; i < p.values.size(); ++i) {
      const std::size_t position = i / width, pair = i % width / 2;
      const double angle = static_cast<double>(position) * std::pow(1e-4, 2.0 * static_cast<double>(pair) / width);
      p.values[i] = static_cast<float>(scale * (i % 2 == 0 ? std::sin(angle) : std::cos(angle)));
    }
  }
}

/// A byte drawn by the logits: the higher the temperature, the more often an unlikely one.
template <class Random>
std::int32_t sample(std::span<const float> logits, double temperature, Random& random) {
  const auto largest = std::ranges::max_element(logits);
  if (temperature == 0) return static_cast<std::int32_t>(largest - logits.begin());
  std::vector<double> weights(logits.size());
  std::ranges::transform(logits, weights.begin(), [&](float l) {
    return std::exp((static_cast<double>(l) - static_cast<double>(*largest)) / temperature);
  });
  return std::discrete_distribution<std::int32_t>(weights.begin(), weights.end())(random);
}

/// Collective; every rank draws the same bytes.
std::string write(model& m, const settings& s) {
  std::mt19937_64 random(s.seed);
  std::string text = s.prompt.empty() ? "\n" : s.prompt;
  std::vector<std::int32_t> tokens(window);
  for (std::size_t i = 0; i < s.characters; ++i) {
    // The last bytes; positions after them hold anything, since no earlier position attends to them.
    const std::size_t seen = std::min(text.size(), window);
    std::ranges::transform(text.end() - static_cast<std::ptrdiff_t>(seen), text.end(), tokens.begin(),
                           [](char c) { return static_cast<std::int32_t>(static_cast<unsigned char>(c)); });
    const std::span<const float> logits = m.predict(tokens).subspan((seen - 1) * bytes, bytes);
    text += static_cast<char>(sample(logits, s.temperature, random));
  }
  return text;
}

void train(const remat::mpi::session& mpi, const settings& s) {
  const remat::token_file text(s.data);
  const std::size_t cut = text.size() / 10 * 9;
  const remat::token_windows training(text, {.length = window, .last = cut});
  const remat::token_windows held_out(text, {.length = window, .first = cut});
  const std::size_t batch = std::min(s.batch, training.size());

  model m{mpi,
          {.seed = s.seed,
           .threads = s.threads,
           .checkpoints = checkpoints_of(s),
           .compute = s.dtype == "bf16" ? remat::element::bfloat16 : remat::element::float32,
           .partitions = s.partitions,
           .microbatches = s.microbatches,
           .schedule = schedules.at(s.schedule),
           .partition_batch = std::max<std::size_t>(1, batch / s.microbatches)}};
  start_embeddings(m);
  remat::adamw adamw{{.learning_rate = s.learning_rate, .beta2 = 0.95f, .weight_decay = s.weight_decay}};
  adamw.group(remat::is_bias_or_norm, {.weight_decay = 0});
  remat::clipped optimizer{adamw, s.max_norm};
  const std::size_t warm_up = std::min(s.warm_up, s.steps);
  const rate::sequence factor{rate::linear{.steps = warm_up}, rate::cosine{.steps = s.steps - warm_up, .to = 0.05}};

  const bool tells = m.rank() == 0;
  const auto begin = std::chrono::steady_clock::now();
  remat::progress bar("training", s.steps, "windows");
  float loss = 0;
  for (std::uint64_t epoch = 0, step = 0; step < s.steps; ++epoch)
    for (const auto& [tokens, next] :
         training.batches(batch, {.shuffle_seed = s.seed, .epoch = epoch, .last = remat::last_batch::drop})) {
      loss = m.train_step(tokens, next, optimizer, factor(adamw.steps()));
      if (tells) bar.step(loss, batch);
      if (++step == s.steps) break;
    }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double bits = m.evaluate(held_out.batches(batch), remat::mean_loss{}) / std::numbers::ln2;
  const std::string written = write(m, s);
  const auto activations = m.of_all_ranks(static_cast<std::uint64_t>(m.reserved().activations));
  if (!tells) return;

  const std::vector<std::uint8_t> all = text_models::read(s.data);
  const std::span seen = std::span(all).first(cut), rest = std::span(all).subspan(cut);
  std::printf("\n%s\n\nbits per byte of held-out text:\n", written.c_str());
  std::printf("  gzip -9                                %.3f\n", text_models::gzip_bits_per_byte(rest));
  std::printf("  order-3 Markov model, Witten-Bell      %.3f\n", text_models::markov(seen).bits_per_byte(rest));
  std::printf("  GPT                                    %.3f\n", bits);
  std::printf(
      "result: ranks=%d policy=%s steps=%zu loss=%.9g bits_per_byte=%.9g largest_activation_bytes=%llu seconds=%.1f\n",
      m.size(), s.policy.c_str(), s.steps, static_cast<double>(loss), bits,
      static_cast<unsigned long long>(std::ranges::max(activations)), seconds);
}

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  settings s;
  CLI::App app{"Trains a GPT on the bytes of a text, alone or over the ranks of an MPI job"};
  const auto more_than_0 = CLI::PositiveNumber;
  app.add_option("--data", s.data, "File of the text")->required()->check(CLI::ExistingFile);
  app.add_option("--dtype", s.dtype, "Numbers that layers compute with")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app.add_option("--policy", s.policy, "What checkpoints of blocks keep")
      ->check(
          CLI::IsMember({"none", "recompute_all", "save_products", "recompute_cheap", "recompute_mlp", "square_root"}))
      ->capture_default_str();
  app.add_option("--strategy", s.strategy, "Which blocks are one segment: each, contiguous or group:N")
      ->capture_default_str();
  app.add_option("--schedule", s.schedule, "Schedule of the pipeline")
      ->check(CLI::IsMember({"gpipe", "1f1b", "zero_bubble"}))
      ->capture_default_str();
  app.add_option("--partitions", s.partitions, "Ranks in a pipeline; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--microbatches", s.microbatches, "Parts of a replica's share of a batch")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--steps", s.steps, "Training steps")->check(more_than_0)->capture_default_str();
  app.add_option("--warm-up", s.warm_up, "Steps until the learning rate is reached")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--batch", s.batch, "Windows in a step")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app.add_option("--learning-rate", s.learning_rate, "Highest learning rate of AdamW")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--weight-decay", s.weight_decay, "Weight decay of all parameters but biases and norms")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--max-norm", s.max_norm, "Largest norm of all gradients together")
      ->check(more_than_0)
      ->capture_default_str();
  app.add_option("--prompt", s.prompt, "First bytes of the text that it writes");
  app.add_option("--characters", s.characters, "Bytes that it writes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--temperature", s.temperature,
                 "How random the text is that it writes; 0: the likeliest byte each time")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--seed", s.seed, "Seed of weights, order and what it writes")
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
  if (!(s.temperature >= 0)) throw remat::error("--temperature is a number of at least 0");  // not NaN
  train(mpi, s);
}
