// SPDX-License-Identifier: MIT
// What MPICH allocates in the calls of a step is its own.
#include "counted.hpp"

#include <mpi.h>

#if REMAT_TEST_COUNTS_ALLOCATIONS

extern "C" {

int MPI_Start(MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Start(request);
}
int MPI_Test(MPI_Request* request, int* flag, MPI_Status* status) {
  const allocations::inside_pooling_library here;
  return PMPI_Test(request, flag, status);
}
int MPI_Isend(const void* from, int count, MPI_Datatype type, int to, int tag, MPI_Comm ranks, MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Isend(from, count, type, to, tag, ranks, request);
}
int MPI_Irecv(void* to, int count, MPI_Datatype type, int from, int tag, MPI_Comm ranks, MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Irecv(to, count, type, from, tag, ranks, request);
}
int MPI_Iallreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op how, MPI_Comm ranks,
                   MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Iallreduce(from, to, count, type, how, ranks, request);
}
int MPI_Ibcast(void* values, int count, MPI_Datatype type, int root, MPI_Comm ranks, MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Ibcast(values, count, type, root, ranks, request);
}
int MPI_Request_free(MPI_Request* request) {
  const allocations::inside_pooling_library here;
  return PMPI_Request_free(request);
}

}  // extern "C"

#endif
