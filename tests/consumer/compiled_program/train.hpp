// SPDX-License-Identifier: MIT
/// A model of which one file knows that it is trained, and another how.
#pragma once

#include <remat/remat.hpp>

using net = remat::sequential<remat::nn::linear<4, 8>, remat::nn::relu, remat::nn::linear<8, 2>, remat::nn::log_softmax>;
using model = remat::model<net, remat::tensor<float, 4>, remat::nn::nll_loss>;

/// Trains for a step; the loss before it.
float train(model& m);
