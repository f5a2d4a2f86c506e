// SPDX-License-Identifier: MIT
/// Everything for the ranks of an MPI job: pipelines that run, data parallelism.
#pragma once

#include <remat/distributed/distributed_audit.hpp>
#include <remat/distributed/distributed_model.hpp>
#include <remat/distributed/gathered_timeline.hpp>
#include <remat/distributed/profile_on_ranks.hpp>
#include <remat/pipelines.hpp>
