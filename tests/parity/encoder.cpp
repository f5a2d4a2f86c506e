// SPDX-License-Identifier: MIT
/// encoder MODEL FOLDER float32|bfloat16    a published sentence encoder, all-MiniLM-L6-v2, on a batch of sentences
///
///     reads   MODEL               a folder with model.safetensors
///             FOLDER/tensors/I    tokens, types and mask
///     writes  FOLDER/results/     hidden, pooled: what it gives
///             FOLDER/saved        its weights
///
/// For encoder.py to compare.
#include "files.hpp"

#include <remat/remat.hpp>
#include <remat/weights.hpp>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string_view>

namespace {

namespace models = remat::models;
constexpr models::bert_config config{.width = 384, .heads = 12, .blocks = 6, .inner = 1536};
constexpr std::size_t length = 64;
using net = models::bert<config>;
static_assert(remat::parameter_count<net, models::bert_input<length>>() == 22'713'216);

void run(const std::filesystem::path& published, const std::filesystem::path& folder, std::string_view type) {
  remat::model<net, models::bert_input<length>> model{
      {.threads = 1, .compute = type == "bfloat16" ? remat::element::bfloat16 : remat::element::float32}};
  remat::load_weights(model, published.string());
  const auto input = [&](const char* name) { return read_numbers<std::int32_t>(folder / "tensors" / name); };
  write_numbers(folder / "results" / "hidden", model.predict(input("0"), input("1"), input("2")));
  write_numbers(folder / "results" / "pooled", model.output(1));
  remat::save_weights(model, (folder / "saved").string());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw remat::error("usage: encoder MODEL FOLDER float32|bfloat16");
    run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
