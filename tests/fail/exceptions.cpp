// error: remat: what cannot be accepted is thrown as remat::error; compile without -fno-exceptions
// flags: -fno-exceptions
#include <remat/remat.hpp>

int main() {}
