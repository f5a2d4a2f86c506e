// SPDX-License-Identifier: MIT
// The rate of a disk: measured once, and what transfers at it take.
#include <remat/run/transfer_rate.hpp>

#include <catch2/catch.hpp>

namespace transfer_rate_tests {

TEST_CASE("the rate of a disk is measured once for each directory", "[long]") {
  const remat::transfer_rate first = remat::measured_transfer_rate(remat::temporary_directory()),
                             again = remat::measured_transfer_rate(remat::temporary_directory());
  CHECK(first.write > 0);
  CHECK(first.read > 0);
  CHECK((again.write == first.write && again.read == first.read));
  CHECK_THROWS_AS(remat::measured_transfer_rate("/no/such/directory"), remat::offload_error);
}

TEST_CASE("what is written once and read once takes as long as both") {
  const remat::transfer_rate rate{.write = 4e9, .read = 1e9};
  CHECK(rate.seconds(8e9) == 10);
}

}  // namespace transfer_rate_tests
