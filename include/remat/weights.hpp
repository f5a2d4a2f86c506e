// SPDX-License-Identifier: MIT
/// Weights in safetensors files, apart from remat.hpp, since reading JSON costs seconds of compiling.
#pragma once

#include <remat/io/safetensors_file.hpp>
#include <remat/io/safetensors_writer.hpp>
#include <remat/io/weights.hpp>
