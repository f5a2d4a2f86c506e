// error: remat: the library is written in C++20; compile with -std=c++20 or later
// flags: -std=c++17
#include <remat/remat.hpp>

int main() {}
