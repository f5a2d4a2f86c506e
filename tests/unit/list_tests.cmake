# SPDX-License-Identifier: MIT
# cmake -D program=<unit> -D list=<file> -D environment=<modifications> -P list_tests.cmake
# Writes the ctest entries of a Catch2 program's test cases. Catch2's own catch_discover_tests turns no tag into a label
# and stumbles over a bracket in a name ("draws from [0, 1)"). A test that warns `skipped: ...` counts as skipped whatever
# it has checked, and returns at once.
cmake_minimum_required(VERSION 3.25)

# names(<result> <test spec>): the names as a list, brackets and semicolons replaced so that the list holds
function(names result spec)
  execute_process(COMMAND ${program} ${spec} --list-test-names-only OUTPUT_VARIABLE names RESULT_VARIABLE count)
  if(NOT count MATCHES "^[0-9]+$")  # Catch2 returns the number of tests
    message(FATAL_ERROR "${program} --list-test-names-only: ${count}\n${names}")
  endif()
  string(REPLACE ";" "<semicolon>" names "${names}")
  string(REPLACE "[" "<open>" names "${names}")
  string(REPLACE "]" "<close>" names "${names}")
  string(REPLACE "\n" ";" names "${names}")
  list(REMOVE_ITEM names "")
  set(${result} "${names}" PARENT_SCOPE)
endfunction()

names(all "~[.]")
names(long "[long]~[.]")
names(serial "[serial]~[.]")
names(once "[once]~[.]~[long]")

set(script "")
foreach(test IN LISTS all)
  set(properties "TIMEOUT 60")
  if(test IN_LIST long)
    set(properties "TIMEOUT 1200 COST 100 LABELS long")
  endif()
  if(test IN_LIST serial)
    string(APPEND properties " RUN_SERIAL ON")
  endif()
  if(test IN_LIST once)
    string(APPEND properties " LABELS once")
  endif()
  string(REPLACE "<semicolon>" ";" test "${test}")
  string(REPLACE "<open>" "[" test "${test}")
  string(REPLACE "<close>" "]" test "${test}")
  string(REGEX REPLACE "([][,\"~\\])" "\\\\\\1" spec "${test}")
  string(APPEND script "add_test([==[unit: ${test}]==] [==[${program}]==] [==[${spec}]==] --warn NoTests)\n"
         "set_tests_properties([==[unit: ${test}]==] PROPERTIES ${properties}"
         " ENVIRONMENT_MODIFICATION [==[${environment}]==] SKIP_REGULAR_EXPRESSION [==[\n  skipped: ]==])\n")
endforeach()
file(WRITE ${list} "${script}")
