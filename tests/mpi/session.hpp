// SPDX-License-Identifier: MIT
/// The session of the test program.
#pragma once

#include <remat/distributed.hpp>

const remat::mpi::session& session();
