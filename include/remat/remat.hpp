// SPDX-License-Identifier: MIT
/// Everything for one process.
#pragma once

#include <remat/core/policies.hpp>
#include <remat/io/batches.hpp>
#include <remat/io/idx.hpp>
#include <remat/io/image_set.hpp>
#include <remat/model/checkpoint.hpp>
#include <remat/model/compose.hpp>
#include <remat/model/frozen.hpp>
#include <remat/model/hana.hpp>
#include <remat/model/named.hpp>
#include <remat/model/on_stage.hpp>
#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/model/sequential.hpp>
#include <remat/model/shared.hpp>
#include <remat/model/tag.hpp>
#include <remat/model/transform.hpp>
#include <remat/nn/add.hpp>
#include <remat/nn/conv2d.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/max_pool2d.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>
#include <remat/nn/sigmoid.hpp>
#include <remat/nn/tanh.hpp>
#include <remat/plan/plan.hpp>
#include <remat/report/progress.hpp>
#include <remat/run/accuracy.hpp>
#include <remat/run/adam.hpp>
#include <remat/run/audit.hpp>
#include <remat/run/model.hpp>
#include <remat/run/sgd.hpp>
