// SPDX-License-Identifier: MIT
/// A model's weights as safetensors files: every parameter and state by its path, in PyTorch's names and layouts, so
/// that either reads the other's.
///
///     remat::save_weights(model, "net.safetensors");
///     remat::load_weights(model, "net.safetensors");
///     remat::load_weights(model, "gpt2");  // a folder, of one file or of several with an index (tensor_files.hpp)
///
///     safetensors.torch.save_file(module.state_dict(), "net.safetensors")           # Python
///     module.load_state_dict(safetensors.torch.load_file("net.safetensors"))
///
/// load_options.hpp says how a part of a file is loaded, and under other names; matched_tensors.hpp what is accepted.
///
/// A distributed model's file has the same bytes, and goes back to any number of ranks, each of which reads its own
/// tensors; both calls are collective then (tensor_file.hpp). What is saved is replica 0's, whose states may differ
/// from those of others; what is loaded goes to all replicas.
#pragma once

#include <remat/io/load_options.hpp>
#include <remat/io/tensor_file.hpp>
#include <remat/run/trainable.hpp>

#include <filesystem>

namespace remat {

/// Writes every parameter and state as float32, or as bfloat16 where options say so. The file appears under its name
/// when it is complete; an `error` leaves an older one as it was.
inline void save_weights(const trainable& model, const std::filesystem::path& path, const save_options& options = {}) {
  write_tensors(model.weights(), path, options);
}

/// Reads every parameter and state; F16, BF16 and F64 become float. The file, or the files together, must have each of
/// them with its shape, and nothing else unless told so. Whatever does not fit is listed in a `data_error`, thrown
/// before the model changes; only a disk that fails, or a file that is truncated, while it is read leaves a model half
/// loaded, and the message says so. Returns what was loaded, and what was allowed not to be; of ranks, rank 0 does, and
/// the lists of others are empty.
inline load_report load_weights(trainable& model, const std::filesystem::path& path, const load_options& options = {}) {
  return read_tensors(model.weights(), path, options);
}

}  // namespace remat
