// SPDX-License-Identifier: MIT
// Models that transformers and torchvision have, too (prebuilt.hpp).
#include "prebuilt.hpp"

#include <cstddef>
#include <cstdint>

namespace {

using namespace remat::models;
using prebuilt::lowered, prebuilt::named_model;
using remat::image, remat::tensor;

template <std::size_t T>
using tokens = tensor<std::int32_t, T>;

constexpr gpt2_config small_gpt2{.vocabulary = 61, .positions = 40, .width = 24, .heads = 3, .blocks = 3, .dropout = 0};
constexpr llama_config small_llama{.vocabulary = 43,
                                   .width = 24,
                                   .heads = 4,
                                   .key_value_heads = 2,
                                   .blocks = 3,
                                   .inner = 40,
                                   .epsilon = 1e-6,
                                   .rotary = {.theta = 500000, .factor = 8, .original_positions = 16}};
constexpr llama_config tied_llama{
    .vocabulary = 43, .width = 24, .heads = 4, .key_value_heads = 1, .blocks = 2, .inner = 40, .tied = true};
constexpr bert_config small_bert{
    .vocabulary = 37, .positions = 20, .width = 16, .heads = 2, .blocks = 2, .inner = 40, .dropout = 0};
constexpr vit_config small_vit{
    .image = 16, .patch = 4, .width = 16, .heads = 2, .blocks = 2, .inner = 40, .classes = 5, .epsilon = 1e-6};

constexpr named_model all[] = {
    {"gpt2", &lowered<gpt2<small_gpt2>, tokens<33>>},
    {"gpt2_loss", &lowered<gpt2_without_head<small_gpt2>, tokens<33>, gpt2_loss<small_gpt2>>},
    {"llama", &lowered<llama<small_llama>, tokens<33>>},
    {"llama_tied", &lowered<llama_without_head<tied_llama>, tokens<33>, llama_loss<tied_llama>>},
    {"bert", &lowered<bert_for_sequence_classification<small_bert, 3>, bert_input<17>>},
    {"bert_tokens", &lowered<bert_for_token_classification<small_bert, 3>, bert_input<17>>},
    {"bert_masked_lm", &lowered<bert_for_masked_lm<small_bert>, bert_input<17>>},
    {"vit", &lowered<vit<small_vit>, image<float, 3, 16, 16>>},
    {"torchvision_vit", &lowered<torchvision_vit<small_vit>, image<float, 3, 16, 16>>},
    {"resnet18", &lowered<resnet18<resnet_config{.classes = 7}>, image<float, 3, 40, 36>>},
    {"resnet50", &lowered<resnet50<resnet_config{.classes = 7}>, image<float, 3, 40, 36>>},
};

}  // namespace

int main(int argc, char** argv) { return prebuilt::run(all, argc, argv); }
