// SPDX-License-Identifier: MIT
/// Weights of distributed models in safetensors files, apart from distributed.hpp, since reading JSON costs seconds of
/// compiling.
#pragma once

#include <remat/io/distributed_weights.hpp>
#include <remat/weights.hpp>
