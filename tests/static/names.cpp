// SPDX-License-Identifier: MIT
// remat's names next to those of C, POSIX and MPI: a program that takes them all unqualified means remat's. One alone
// must be written with its namespace: nn::tanh, since <math.h> has a function of this name.
#if __has_include(<mpi.h>)
#include <mpi.h>
#endif

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <ctime>

#if __has_include(<mpi.h>)
#include <remat/distributed.hpp>
#include <remat/distributed_weights.hpp>
#endif
#include <remat/remat.hpp>
#include <remat/weights.hpp>

using namespace remat;
using namespace remat::nn;

// What C declares is still there.
using selects = decltype(select(0, nullptr, nullptr, nullptr, nullptr));
using links = decltype(link("", ""));

// Composition.
using shapes = tensors<tensor<float, 3>, tensor<std::int32_t>, scalar<float>, per_batch<float, 2>>;
using chain = sequential<named<"a", linear<4, 4>>, repeat<2, sequential<linear<4, 4>, relu>>, tag<"x">, join<"x", add>,
                         residual<linear<4, 4>>, inlined<sequential<linear<4, 4>>>, shared<"s", linear<4, 4>>,
                         frozen<linear<4, 4>>, on_stage<0, identity>, checkpoint<linear<4, 4>, recompute_all>,
                         checkpoint_sequential<sequential<linear<4, 4>, gelu>, strategy::each>,
                         set_activation_checkpointing<sequential<linear<4, 4>, gelu>, "0">>;
using both = parallel<concat, pick<0>, sequential<pick<1>, sigmoid>>;
using parts = sequential<pick<1, 0>, both>;
using layers = sequential<conv2d<1, 2, 3>, batch_norm2d<2>, silu, max_pool2d<2>, conv_transpose2d<2, 2, 2>,
                          avg_pool2d<2>, upsample_nearest<2>, upsample_bilinear<2>, adaptive_avg_pool2d<1>, flatten,
                          dropout<0.5>, linear<2, 4>, layer_norm<4>, gelu_tanh, softmax, log_softmax>;
using losses = tensors<cross_entropy, linear_cross_entropy<4, 4>, nll_loss, mse_loss, bce_with_logits>;
using words = sequential<embedding<4, 4>, linear<4, 4>>;
using patches = sequential<image_to_sequence, class_token<2>, select_row<0>>;
using published =
    tensors<models::gpt2<>, models::llama<>, models::bert<>, models::vit<>, models::resnet18<>, models::unet<>>;
static_assert(lower<chain, tensor<float, 4>>().inputs == 1);
static_assert(lower<parts, tensors<tensor<float, 2>, tensor<float, 3>>>().inputs == 2);
static_assert(lower<layers, image<float, 1, 10, 10>>().inputs == 1);
static_assert(lower<words, tensor<std::int32_t>>().inputs == 1);
static_assert(lower<patches, image<float, 2, 4, 4>>().inputs == 1);

// Policies and strategies, values and options.
using policies = tensors<recompute_all, save_all, save_only<relu>, recompute_only<relu>, save_named<"a">, every<2>,
                         square_root, revolve<2>, strategy::contiguous, strategy::group<2>>;
using options = tensors<model_options, checkpoint_at, batch_options, normalisation, image_shape, load_options,
                        check_options, accuracy_options>;
using optimizers = tensors<sgd, adam, adamw, parameter_pattern, network, tensor_source>;
using results_of = tensors<accuracy, top_k<5>, metrics<accuracy>, mean_squared_error, image_set, batch_range, batch,
                           split, last_batch, error, data_error>;
#if __has_include(<mpi.h>)
using on_ranks =
    tensors<distributed_options, distributed_network, distributed_model<chain, tensor<float, 4>>, pipeline_costs,
            schedule_table, pipeline_task, rank_grid, transfer, network_link, collective_error>;
#endif
