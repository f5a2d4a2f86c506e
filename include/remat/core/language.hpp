// SPDX-License-Identifier: MIT
/// What remat needs of the compiler: C++20 and exceptions. RTTI it does not need.
///
/// Every other header includes this one before anything else of its own, some through others. What is missing is said
/// in the name of a file that does not exist: after an #error the compiler would go on, and report a thousand more.
#pragma once

#if __cplusplus < 202002L
#include "remat: the library is written in C++20; compile with -std=c++20 or later"
#endif
#ifndef __cpp_exceptions
#include "remat: what cannot be accepted is thrown as remat::error; compile without -fno-exceptions"
#endif
