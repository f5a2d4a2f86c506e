// SPDX-License-Identifier: MIT
// Catch2's own code, which takes long to compile: once for all programs of test cases.
#define CATCH_CONFIG_RUNNER
#include "catch_runner.hpp"

#include <catch2/catch.hpp>

int run_test_cases(int argc, char** argv) { return Catch::Session().run(argc, argv); }
