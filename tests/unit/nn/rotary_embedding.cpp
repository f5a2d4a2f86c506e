// SPDX-License-Identifier: MIT
// Rotary embeddings, next to numbers of transformers 5.24 (LlamaRotaryEmbedding, apply_rotary_pos_emb).
#include "kernel_run.hpp"

#include <catch2/catch.hpp>

#include <cstddef>

namespace rotary_embedding_tests {

namespace nn = remat::nn;
using remat::tensor;

constexpr std::size_t planes[] = {0, 1, 7, 12, 13, 14, 15, 16, 17, 18, 20, 25, 31};

void check_frequencies(const nn::rotary_options& o, const floats& expected) {
  const nn::detail::rotary_table table(1, 64, o);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(table.frequency(planes[i]) == expected[i]);
}

TEST_CASE("frequencies are those of transformers, scaled as Llama 3 is or not") {
  check_frequencies({.theta = 500000},
                    {1.0f, 0.663601279258728f, 0.05666961893439293f, 0.00729266507551074f, 0.00483942124992609f,
                     0.0032114461064338684f, 0.002131119603291154f, 0.001414213445968926f, 0.0009384738514199853f,
                     0.0006227724370546639f, 0.00027424818836152554f, 3.529227615217678e-05f, 3.01385807688348e-06f});
  check_frequencies({.theta = 500000, .factor = 32},
                    {1.0f, 0.663601279258728f, 0.05666961893439293f, 0.00729266507551074f, 0.00483942124992609f,
                     0.0032114461064338684f, 0.0012905480107292533f, 0.000429556705057621f, 9.708286233944818e-05f,
                     1.9461638657958247e-05f, 8.570255886297673e-06f, 1.1028836297555245e-06f, 9.418306490260875e-08f});
}

TEST_CASE("angles are those of transformers, far from the start too") {
  const nn::detail::rotary_table table(9002, 64, {.theta = 500000, .factor = 32});
  const floats cosines{-0.9437351822853088f, -0.5957270860671997f, -0.8069106936454773f, -0.7486007809638977f,
                       0.9999996423721313f};
  const floats sines{-0.33070212602615356f, 0.8031868934631348f, -0.5906735062599182f, -0.6630210280418396f,
                     0.0008477416704408824f};
  constexpr std::size_t of[] = {0, 5, 14, 16, 31};
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(table.cosines[9001 * 32 + of[i]] == Approx(cosines[i]).margin(1e-3 * 0.01));
    CHECK(table.sines[9001 * 32 + of[i]] == Approx(sines[i]).margin(1e-3 * 0.01));
  }
}

TEST_CASE("halves of a head are turned together, as Llama has them") {
  kernel_run<nn::rotary_embedding<8>, tensor<float, 2, 8>> run(1);
  for (std::size_t i = 0; i < 16; ++i) run.inputs[0][i] = static_cast<float>(i + 1);
  run.forward();
  const floats expected{1,
                        2,
                        3,
                        4,
                        5,
                        6,
                        7,
                        8,
                        -6.076401233673096f,
                        8.552373886108398f,
                        10.849452018737793f,
                        11.983994483947754f,
                        14.597168922424316f,
                        14.92839241027832f,
                        15.109247207641602f,
                        16.011991500854492f};
  for (std::size_t i = 0; i < 16; ++i) CHECK(run.outputs[0][i] == Approx(expected[i]).epsilon(3e-7));
}

TEST_CASE("heads are turned alike, and backward turns back") {
  kernel_run<nn::rotary_embedding<6>, tensor<float, 9, 18>> run(4);
  for (std::size_t i = 0; i < run.inputs[0].size(); ++i) run.inputs[0][i] = number(i / 18 * 6 + i % 6, 5);
  run.forward();
  for (std::size_t i = 0; i < run.outputs[0].size(); ++i)
    CHECK(run.outputs[0][i] == run.outputs[0][i / 18 * 18 + i % 6]);
  run.output_gradient = run.outputs[0];
  const floats back = run.backward()[0];
  for (std::size_t i = 0; i < back.size(); ++i) CHECK(back[i] == Approx(run.inputs[0][i]).margin(1e-6));
  CHECK(remat::check_gradients<nn::rotary_embedding<4>, tensor<float, 3, 8>>().holds());
}

TEST_CASE("layers of the same positions have one table") {
  const auto table = nn::detail::shared_rotary_table(11, 4, {});
  CHECK(nn::detail::shared_rotary_table(11, 4, {}) == table);
  CHECK(nn::detail::shared_rotary_table(11, 4, {.theta = 5}) != table);
  CHECK(nn::detail::shared_rotary_table(12, 4, {}) != table);
}

TEST_CASE("the memory of a model counts each of its tables once") {
  using turned = nn::rotary_embedding<4>;
  using other = nn::rotary_embedding<4, nn::rotary_options{.theta = 5}>;
  using net = remat::sequential<turned, nn::linear<8, 8>, turned, other>;
  const auto table = nn::detail::shared_rotary_table(11, 4, {});
  const std::size_t bytes = (table->cosines.size() + table->sines.size()) * sizeof(float);
  remat::model<net, tensor<float, 11, 8>, nn::mse_loss> m{{.seed = 1}};
  CHECK(m.memory().tables == 2 * bytes);
  CHECK(m.planned_memory(3).tables == 2 * bytes);
  remat::memory_report with = m.memory(), without = with;
  without.tables = 0;
  CHECK(with.explained() == without.explained() + 2 * bytes);
}

}  // namespace rotary_embedding_tests
