// error: remat: -ffast-math lets the compiler reorder sums
#ifndef REMAT_FIXED
#define __FAST_MATH__ 1
#endif
#include <remat/plan/plan.hpp>

int main() { return remat::thread_count() > 0 ? 0 : 1; }
