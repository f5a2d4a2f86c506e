// SPDX-License-Identifier: MIT
/// A list of named tensors as a safetensors file, of one process or of many ranks: the same bytes, so that either reads
/// the other's. weights.hpp does it with the weights of a model alone.
///
///     remat::write_tensors(model.tensors(optimizer), "state.safetensors");   // on every rank
///     remat::read_tensors(model.tensors(optimizer), "state.safetensors");
///
/// Both calls are collective. Rank 0 writes, and its path and options count in both: what is read are the files that it
/// finds, each rank reading its own tensors where it has the same files (reading_plan.hpp). What is written travels one
/// tensor at a time, so that no rank needs memory for more than the largest that it does not hold. An error is a
/// `collective_error` on all ranks.
#pragma once

#include <remat/io/configuration.hpp>
#include <remat/io/file_names.hpp>
#include <remat/io/load_options.hpp>
#include <remat/io/matched_tensors.hpp>
#include <remat/io/reading_plan.hpp>
#include <remat/io/safetensors_writer.hpp>
#include <remat/io/tensor_files.hpp>
#include <remat/io/transposed_tensor.hpp>
#include <remat/run/tensor_list.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace remat {

/// Writes every tensor that is there, with its element type or that of the options. The file appears under its name
/// when it is complete; an `error` leaves an older one as it was.
inline void write_tensors(const tensor_list& tensors, const std::filesystem::path& path,
                          const save_options& options = {}) {
  const tensor_ranks& ranks = tensors.ranks();
  ranks.meet();
  std::optional<safetensors_writer> file;
  std::vector<std::byte> room;
  const auto type_in_file = [&](const named_tensor& t) {
    return t.is_weight() && t.type == element::float32 ? options.element : t.type;
  };
  const auto is_written_as = [&](const named_tensor& t, const std::string& name) {
    return t.is_there && (options.every_name || name == t.name);
  };
  ranks.run_on(0, [&] {
    if (options.element != element::float32 && options.element != element::bfloat16)
      throw error("weights cannot be written as " + std::string(name_of(options.element)) +
                  "; float32 and bfloat16 are accepted");
    room.resize(tensors.room_to_gather(0));
    const detail::file_names names(tensors);
    std::vector<safetensor> header;
    for (const named_tensor& t : tensors)
      for (const std::string& name : t.names)
        if (is_written_as(t, name)) add_safetensor(header, names.in_files(name), t.shape_in_files(), type_in_file(t));
    file.emplace(path, header);
  });
  for (const named_tensor& t : tensors) {
    if (!t.is_there) continue;
    const std::span<const std::byte> whole = tensors.gather(t, 0, room);
    ranks.run_on(0, [&] {
      for (const std::string& name : t.names)
        if (is_written_as(t, name)) {
          const std::span<const float> floats(reinterpret_cast<const float*>(whole.data()), t.elements());
          if (t.is_transposed_in_files)
            detail::write_transposed(*file, floats, t.shape[1], t.shape[0], type_in_file(t));
          else if (type_in_file(t) == t.type)
            file->write(whole);
          else
            file->write_as_bfloat16(floats);
        }
    });
  }
  ranks.run_on(0, [&] { file->finish(); });
}

/// Reads every tensor, of its element type; F16, BF16 and F64 become float32. The path is what tensor_files.hpp says.
/// The files must have each tensor with its shape, but those that need not be there, and nothing else unless told so.
/// Whatever does not fit is listed in a `data_error`, thrown before anything changes; only a disk that fails, or a file
/// that is truncated, while it is read leaves a model half loaded, and the message says so. Returns what was loaded,
/// and what was allowed not to be; of ranks, rank 0 does, and the lists of others are empty.
inline load_report read_tensors(tensor_list tensors, const std::filesystem::path& path,
                                const load_options& options = {}) {
  const tensor_ranks& ranks = tensors.ranks();
  ranks.meet();
  std::optional<tensor_files> files;
  std::optional<detail::tensor_matcher> matched;
  detail::reading_plan plan;
  ranks.run_on(0, [&] {
    files.emplace(path);
    matched.emplace(*files, tensors, options);
    detail::compare_configuration(*files, tensors);
    plan = {*files, matched->tensors};
  });
  plan.share(ranks);
  const std::vector<std::byte> reads_own = detail::answers(ranks, plan.open_own(tensors));
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].set_there(plan.is_read(i));
  ranks.run_on_each([&] {
    if (reads_own[static_cast<std::size_t>(ranks.rank())] == std::byte{0}) return;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (plan.is_read(i)) plan.read_own(tensors[i], i);
  });

  const auto is_given = [&](int rank) { return reads_own[static_cast<std::size_t>(rank)] == std::byte{0}; };
  std::vector<std::byte> room;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto needs_it = [&](const held_elements& h) { return is_given(h.rank); };
    if (!plan.is_read(i) || std::ranges::none_of(tensors[i].holders, needs_it)) continue;
    ranks.run_on(0, [&] {
      room.resize(tensors.largest());
      const safetensor& t = *matched->tensors[i];
      detail::reading_plan::read(files->files()[t.file], t, tensors[i], 0, std::span(room).first(tensors[i].bytes()));
    });
    tensors.scatter(tensors[i], 0, std::span(room).first(room.empty() ? 0 : tensors[i].bytes()), is_given);
  }
  return matched ? std::move(matched->report) : load_report{};
}

}  // namespace remat
