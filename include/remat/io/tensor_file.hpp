// SPDX-License-Identifier: MIT
/// A list of named tensors as a safetensors file, of one process or of many ranks: the same bytes, so that either reads
/// the other's. weights.hpp does it with the weights of a model alone.
///
///     remat::write_tensors(model.tensors(optimizer), "state.safetensors");   // on every rank
///     remat::read_tensors(model.tensors(optimizer), "state.safetensors");
///
/// Both calls are collective, and rank 0 alone touches the file: its path and options count. Tensors travel one at a
/// time, so that no rank needs memory for more than the largest that it does not hold. An error is a `collective_error`
/// on all ranks.
#pragma once

#include <remat/io/load_options.hpp>
#include <remat/io/matched_tensors.hpp>
#include <remat/io/safetensors_file.hpp>
#include <remat/io/safetensors_writer.hpp>
#include <remat/run/tensor_list.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// Writes every tensor that is there, with its element type. The file appears under its name when it is complete; an
/// `error` leaves an older one as it was.
inline void write_tensors(const tensor_list& tensors, const std::filesystem::path& path,
                          const save_options& options = {}) {
  const tensor_ranks& ranks = tensors.ranks();
  ranks.meet();
  std::optional<safetensors_writer> file;
  std::vector<std::byte> room;
  const auto is_written_as = [&](const named_tensor& t, const std::string& name) {
    return t.is_there && (options.every_name || name == t.name);
  };
  ranks.run_on(0, [&] {
    room.resize(tensors.room_to_gather(0));
    std::vector<safetensor> header;
    for (const named_tensor& t : tensors)
      for (const std::string& name : t.names)
        if (is_written_as(t, name)) add_safetensor(header, name, t.shape, t.type);
    file.emplace(path, header);
  });
  for (const named_tensor& t : tensors) {
    if (!t.is_there) continue;
    const std::span<const std::byte> whole = tensors.gather(t, 0, room);
    ranks.run_on(0, [&] {
      for (const std::string& name : t.names)
        if (is_written_as(t, name)) file->write(whole);
    });
  }
  ranks.run_on(0, [&] { file->finish(); });
}

/// Reads every tensor, of its element type; F16, BF16 and F64 become float32. The file must have each with its shape,
/// but those that need not be there, and nothing else unless told so. Whatever does not fit is listed in a `data_error`,
/// thrown before anything changes; only a disk that fails while it is read leaves a model half loaded, and the message
/// says so. Returns what was loaded, and what was allowed not to be; of ranks, rank 0 does, and the lists of others are
/// empty.
inline load_report read_tensors(tensor_list tensors, const std::filesystem::path& path,
                                const load_options& options = {}) {
  const tensor_ranks& ranks = tensors.ranks();
  ranks.meet();
  std::optional<safetensors_file> file;
  std::optional<detail::tensor_matcher> matched;
  std::vector<std::byte> room, is_in_file(tensors.size());
  ranks.run_on(0, [&] {
    file.emplace(path);
    matched.emplace(*file, std::span<const named_tensor>(tensors.begin(), tensors.end()), options);
    for (std::size_t i = 0; i < is_in_file.size(); ++i) is_in_file[i] = std::byte{matched->tensors[i] != nullptr};
  });
  ranks.broadcast(is_in_file, 0);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].set_there(is_in_file[i] == std::byte{1});
  ranks.run_on(0, [&] { room.resize(tensors.room_to_scatter()); });
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_in_file[i] == std::byte{0}) continue;
    std::span<std::byte> whole;
    ranks.run_on(0, [&] {
      whole = tensors.place_of(tensors[i], room);
      detail::read_tensor(*file, *matched->tensors[i], tensors[i].type, whole);
    });
    tensors.scatter(tensors[i], 0, whole);
  }
  return matched ? std::move(matched->report) : load_report{};
}

}  // namespace remat
