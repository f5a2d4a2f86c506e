// SPDX-License-Identifier: MIT
/// Weights of distributed models in safetensors files, apart from distributed.hpp, since reading JSON costs seconds of
/// compiling. The functions are those of weights.hpp.
#pragma once

#include <remat/distributed.hpp>
#include <remat/weights.hpp>
