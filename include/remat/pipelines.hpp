// SPDX-License-Identifier: MIT
/// Pipelines on paper, apart from remat.hpp, since it takes a second to compile: partitions of a model into stages,
/// schedules that are made, read, checked and printed, and the simulator, which says how long a step takes on ranks
/// that nobody has. It needs no MPI; distributed.hpp, which does, has all of it.
#pragma once

#include <remat/partition/partition.hpp>
#include <remat/partition/simulated_program.hpp>
#include <remat/remat.hpp>
#include <remat/report/gantt.hpp>
#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_csv.hpp>
#include <remat/schedule/schedule_text.hpp>
#include <remat/schedule/simulator.hpp>
