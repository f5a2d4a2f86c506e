// SPDX-License-Identifier: MIT
// The main program of tests on several ranks: all ranks run the same test cases in the same order. Rank 0 prints;
// another prints only where something failed on it. A test case must not end early on one rank (CHECK, not REQUIRE), or
// the others wait for it.
#include "session.hpp"

#include <catch_runner.hpp>

#include <iostream>
#include <sstream>

namespace {
const remat::mpi::session* current = nullptr;
}

const remat::mpi::session& session() { return *current; }

int main(int argc, char** argv) {
  remat::mpi::session mpi{argc, argv};
  current = &mpi;
  std::ostringstream kept;
  std::streambuf* const out = std::cout.rdbuf();
  if (mpi.rank() != 0) std::cout.rdbuf(kept.rdbuf());
  const int failed = run_test_cases(argc, argv);
  std::cout.rdbuf(out);
  if (mpi.rank() != 0 && failed != 0) std::cout << "rank " << mpi.rank() << ":\n" << kept.str() << std::flush;
  return failed;
}
