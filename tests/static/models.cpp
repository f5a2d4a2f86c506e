// SPDX-License-Identifier: MIT
// The prebuilt models have as many parameters as those that were published.
#include <remat/model/parameter_count.hpp>
#include <remat/models/bert.hpp>
#include <remat/models/gpt2.hpp>
#include <remat/models/llama.hpp>
#include <remat/models/resnet.hpp>
#include <remat/models/unet.hpp>
#include <remat/models/vit.hpp>

#include <cstdint>

using namespace remat::models;
using remat::parameter_count;

using tokens = remat::tensor<std::int32_t, 16>;
using photo = remat::image<float, 3, 224, 224>;

static_assert(parameter_count<gpt2<>, tokens>() == 124'439'808);
static_assert(parameter_count<gpt2<gpt2_medium>, tokens>() == 354'823'168);
static_assert(parameter_count<gpt2<gpt2_large>, tokens>() == 774'030'080);
static_assert(parameter_count<gpt2<gpt2_xl>, tokens>() == 1'557'611'200);
static_assert(parameter_count<gpt2_without_head<>, tokens, gpt2_loss<>>() == 124'439'808);
static_assert(parameter_count<llama<tiny_llama_1_1b>, tokens>() == 1'100'048'384);
static_assert(parameter_count<llama<llama_3_2_1b>, tokens>() == 1'235'814'400);
static_assert(parameter_count<llama<llama_3_2_3b>, tokens>() == 3'212'749'824);
static_assert(parameter_count<llama_without_head<llama_3_2_1b>, tokens, llama_loss<llama_3_2_1b>>() == 1'235'814'400);
static_assert(parameter_count<bert<>, bert_input<16>>() == 109'482'240);
static_assert(parameter_count<bert<bert_large_uncased>, bert_input<16>>() == 335'141'888);
static_assert(parameter_count<bert_for_masked_lm<>, bert_input<16>>() == 109'514'298);
static_assert(parameter_count<bert_for_sequence_classification<bert_base_uncased, 2>, bert_input<16>>() == 109'483'778);
static_assert(parameter_count<vit<>, photo>() == 86'567'656);
static_assert(parameter_count<torchvision_vit<>, photo>() == 86'567'656);
static_assert(parameter_count<torchvision_vit<vit_b_32>, photo>() == 88'224'232);
static_assert(parameter_count<torchvision_vit<vit_l_16>, photo>() == 304'326'632);
static_assert(parameter_count<resnet18<>, photo>() == 11'689'512);
static_assert(parameter_count<resnet34<>, photo>() == 21'797'672);
static_assert(parameter_count<resnet50<>, photo>() == 25'557'032);
static_assert(parameter_count<unet<>, photo>() == 31'037'698);
