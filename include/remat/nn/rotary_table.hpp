// SPDX-License-Identifier: MIT
/// The cosines and sines of rotary embeddings, in float32 as Hugging Face's transformers computes them, so that models
/// which were trained with those see the same angles.
///
///     frequency[i] = theta^(-2 i / D),  angle[t, i] = t frequency[i]      t a position, i from 0 to D / 2 - 1
///
/// A table is as large as one head's sequence, depends on no weight, and is shared by all layers that have the same
/// one.
#pragma once

#include <remat/core/language.hpp>
#include <remat/nn/vectorised.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <mutex>
#include <numbers>
#include <vector>

namespace remat::nn {

/// Options of a rotary embedding, under Llama's names of them where it has any. `factor` above 1 is Llama 3.1's scaling
/// (`rope_type` "llama3"): waves longer than the original context become that much longer still, short ones stay.
struct rotary_options {
  double theta = 10000;
  double factor = 1;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  std::size_t original_positions = 8192;

  friend constexpr bool operator==(const rotary_options&, const rotary_options&) = default;
};

namespace detail {

REMAT_BEGIN_VECTOR_CODE  // each step is rounded, whatever the user compiles for

/// Llama 3.1's scaling of a frequency, step by step in float32 as transformers takes it.
inline float scaled_frequency(float f, const rotary_options& o) {
  const auto original = static_cast<double>(o.original_positions);
  const float wave = static_cast<float>(2 * std::numbers::pi) / f, factor = static_cast<float>(o.factor);
  if (wave < static_cast<float>(original / o.high_frequency_factor)) return f;
  if (wave > static_cast<float>(original / o.low_frequency_factor)) return f / factor;
  const float smooth = (static_cast<float>(original) / wave - static_cast<float>(o.low_frequency_factor)) /
                       static_cast<float>(o.high_frequency_factor - o.low_frequency_factor);
  return (1.0f - smooth) * f / factor + smooth * f;
}

REMAT_END_VECTOR_CODE

/// (positions, width / 2) each.
struct rotary_table {
  std::size_t positions, width;
  rotary_options options;
  std::vector<float> cosines, sines;

  rotary_table(std::size_t count, std::size_t of, const rotary_options& o)
      : positions(count), width(of), options(o), cosines(count * of / 2), sines(count * of / 2) {
    const std::size_t half = width / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const float f = frequency(i);
      for (std::size_t t = 0; t < positions; ++t) {
        const double angle = static_cast<double>(static_cast<float>(t) * f);
        cosines[t * half + i] = static_cast<float>(std::cos(angle));
        sines[t * half + i] = static_cast<float>(std::sin(angle));
      }
    }
  }

  float frequency(std::size_t i) const {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(width);
    const float f = 1.0f / static_cast<float>(std::pow(options.theta, static_cast<double>(exponent)));
    return options.factor <= 1 ? f : scaled_frequency(f, options);
  }
};

/// The table that others have, or a new one. It ends with the last of those that have it.
inline std::shared_ptr<const rotary_table> shared_rotary_table(std::size_t positions, std::size_t width,
                                                               const rotary_options& o) {
  static std::mutex access;
  static std::vector<std::weak_ptr<const rotary_table>> tables;
  const std::lock_guard lock(access);
  for (auto& each : tables)
    if (const auto table = each.lock();
        table != nullptr && table->positions == positions && table->width == width && table->options == o)
      return table;
  auto made = std::make_shared<const rotary_table>(positions, width, o);
  std::erase_if(tables, [](const auto& each) { return each.expired(); });
  tables.push_back(made);
  return made;
}

}  // namespace detail
}  // namespace remat::nn
