// SPDX-License-Identifier: MIT
/// Runs a program's test cases as Catch2's arguments say, and returns its exit code.
#pragma once

int run_test_cases(int argc, char** argv);
