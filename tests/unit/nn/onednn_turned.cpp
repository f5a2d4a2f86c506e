// SPDX-License-Identifier: MIT
// Weights that are turned around in the layout of a primitive are those of which the windows were turned around before.
#include <remat/nn/onednn.hpp>
#include <remat/nn/onednn_turned.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <vector>

namespace onednn_turned_tests {

namespace onednn = remat::onednn;
using onednn::layout;

struct weights {
  std::size_t groups, out, in;
  remat::nn::extents k;

  std::size_t size() const { return groups * out * in * k.area(); }
  layout described(bool is_chosen) const {
    const auto make = is_chosen ? &layout::chosen : &layout::row_major;
    return groups == 1 ? make({out, in, k.height, k.width}) : make({groups, out, in, k.height, k.width});
  }
  /// That which oneDNN takes for them.
  layout chosen(remat::element type) const {
    const layout x = layout::channels_last({2, groups * in, 9, 9}).of(type),
                 y = layout::channels_last({2, groups * out, 10 - k.height, 10 - k.width}).of(type);
    const onednn::window window(k, 1, 0, {0, 0});
    const layout any = described(true).of(type);
    return onednn::convolution{x, any, nullptr, y, window}.forward({}).layout_of(onednn::weights);
  }
};

std::vector<std::byte> in_layout(const std::vector<float>& from, const layout& a, const layout& b) {
  std::vector<std::byte> to(b.bytes());
  const onednn::primitive reorder = onednn::primitive::reorder(a, b);
  std::vector<std::byte> scratch(reorder.scratch_bytes() + 64);
  reorder.execute(scratch.data(), {{onednn::source, from.data()}, {onednn::result, to.data()}});
  return to;
}

TEST_CASE("windows are turned around in every layout that a convolution takes") {
  for (const weights& w : std::vector<weights>{{1, 64, 64, 3},
                                               {1, 7, 5, 3},
                                               {1, 32, 1, 2},
                                               {1, 24, 40, 1},
                                               {1, 16, 48, 5},
                                               {3, 8, 4, 3},
                                               {32, 1, 1, 3},
                                               {2, 17, 16, 2},
                                               {1, 64, 64, {3, 5}},
                                               {1, 7, 20, {1, 3}},
                                               {32, 1, 1, {4, 1}},
                                               {2, 16, 32, {5, 2}}}) {
    INFO(w.groups << " groups of " << w.out << " x " << w.in << " x " << w.k.height << " x " << w.k.width);
    std::vector<float> plain(w.size()), turned(w.size());
    const std::size_t window = w.k.area();
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<float>(i + 1);
    for (std::size_t i = 0; i < plain.size(); ++i) turned[i] = plain[i / window * window + (window - 1 - i % window)];
    const layout ours = w.described(false);
    for (const remat::element type : {remat::element::float32, remat::element::bfloat16}) {
      if (type == remat::element::bfloat16 && (w.groups > 1 || !onednn::has_bfloat16())) continue;
      const layout theirs = w.chosen(type);
      std::vector<std::byte> packed = in_layout(plain, ours, theirs);
      const onednn::turned_windows windows(theirs);
      REQUIRE(windows);
      windows.turn(packed.data());
      CHECK((packed == in_layout(turned, ours, theirs)));  // padding included
      windows.turn(packed.data());
      CHECK((packed == in_layout(plain, ours, theirs)));
    }
  }
}

TEST_CASE("windows are turned around in plain layouts, and refused where they are blocks themselves") {
  const weights w{1, 3, 2, 3};
  std::vector<float> plain(w.size()), turned(w.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    plain[i] = static_cast<float>(i + 1);
    turned[i] = static_cast<float>(i / 9 * 9 + (8 - i % 9) + 1);
  }
  const onednn::turned_windows windows(w.described(false));
  REQUIRE(windows);
  windows.turn(reinterpret_cast<std::byte*>(plain.data()));
  CHECK(plain == turned);
  CHECK_FALSE(onednn::turned_windows(w.described(true)));  // not chosen yet
}

}  // namespace onednn_turned_tests
