// SPDX-License-Identifier: MIT
#include <remat/nn/row_columns.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <numeric>
#include <vector>

namespace row_columns_tests {

namespace detail = remat::nn::detail;

TEST_CASE("column c holds element c of each row, and zeros where there is none; as rows they are what they were") {
  for (std::size_t size = 1; size <= detail::longest_row_in_columns; ++size)
    for (const std::size_t rows : {1u, 15u, 16u, 63u, 64u, 65u}) {
      INFO(rows << " rows of " << size);
      std::vector<float> x(rows * size), again(x.size() + 1, -1);
      std::iota(x.begin(), x.end(), 1.0f);
      detail::row_columns columns;
      detail::columns_of(x.data(), x.size(), size, columns);
      for (std::size_t c = 0; c < size; ++c)
        for (std::size_t l = 0; l < detail::rows_in_columns; ++l)
          CHECK(columns[c][l] == (l < rows ? x[l * size + c] : 0));
      for (const bool adds : {false, true}) {
        detail::rows_of(columns, size, adds, again.data(), x.size());
        for (std::size_t k = 0; k < again.size(); ++k)
          CHECK(again[k] == (k >= x.size() || k >= detail::rows_in_columns * size ? -1 : adds ? 2 * x[k] : x[k]));
      }
    }
}

}  // namespace row_columns_tests
