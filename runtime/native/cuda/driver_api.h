// The entry points of the CUDA driver that this project calls, by the names that the library exports, and the table they are put into.
// Nothing here loads a library: `fillDriverApi` takes whatever looks a symbol up (dlsym over libcuda.so.1 or over the emulated driver).
#ifndef GRIFFIN_CUDA_DRIVER_API_H
#define GRIFFIN_CUDA_DRIVER_API_H
#include "driver_types.h"

// X(name, (parameters)). All of them return CUresult, and all must be there: they are part of every driver from 12.0 on.
#define GRIFFIN_CUDA_FUNCTIONS(X)                                                                                            \
  X(cuInit, (unsigned int flags))                                                                                            \
  X(cuDriverGetVersion, (int* version))                                                                                      \
  X(cuGetErrorName, (CUresult error, const char** text))                                                                     \
  X(cuGetErrorString, (CUresult error, const char** text))                                                                   \
  X(cuDeviceGetCount, (int* count))                                                                                          \
  X(cuDeviceGet, (CUdevice * device, int ordinal))                                                                           \
  X(cuDeviceGetName, (char* name, int size, CUdevice device))                                                                \
  X(cuDeviceGetUuid_v2, (CUuuid * uuid, CUdevice device))                                                                    \
  X(cuDeviceGetAttribute, (int* value, CUdevice_attribute attribute, CUdevice device))                                       \
  X(cuDeviceTotalMem_v2, (size_t* bytes, CUdevice device))                                                                   \
  X(cuDeviceGetPCIBusId, (char* text, int size, CUdevice device))                                                            \
  X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                                                        \
  X(cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                                                         \
  X(cuCtxSetCurrent, (CUcontext context))                                                                                    \
  X(cuCtxGetCurrent, (CUcontext * context))                                                                                  \
  X(cuCtxSynchronize, ())                                                                                                    \
  X(cuMemGetInfo_v2, (size_t* free, size_t* total))                                                                          \
  X(cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes))                                                                    \
  X(cuMemFree_v2, (CUdeviceptr address))                                                                                     \
  X(cuMemHostAlloc, (void** address, size_t bytes, unsigned int flags))                                                      \
  X(cuMemFreeHost, (void* address))                                                                                          \
  X(cuMemcpyHtoD_v2, (CUdeviceptr to, const void* from, size_t bytes))                                                       \
  X(cuMemcpyDtoH_v2, (void* to, CUdeviceptr from, size_t bytes))                                                             \
  X(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream stream))                                 \
  X(cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream stream))                                       \
  X(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))                                 \
  X(cuMemcpy2DAsync_v2, (const CUDA_MEMCPY2D* copy, CUstream stream))                                                        \
  X(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t count, CUstream stream))                                   \
  X(cuMemsetD32Async, (CUdeviceptr to, unsigned int value, size_t count, CUstream stream))                                   \
  X(cuStreamCreate, (CUstream * stream, unsigned int flags))                                                                 \
  X(cuStreamCreateWithPriority, (CUstream * stream, unsigned int flags, int priority))                                       \
  X(cuStreamDestroy_v2, (CUstream stream))                                                                                   \
  X(cuStreamSynchronize, (CUstream stream))                                                                                  \
  X(cuStreamQuery, (CUstream stream))                                                                                        \
  X(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned int flags))                                                 \
  X(cuEventCreate, (CUevent * event, unsigned int flags))                                                                    \
  X(cuEventDestroy_v2, (CUevent event))                                                                                      \
  X(cuEventRecord, (CUevent event, CUstream stream))                                                                         \
  X(cuEventQuery, (CUevent event))                                                                                           \
  X(cuEventSynchronize, (CUevent event))                                                                                     \
  X(cuEventElapsedTime, (float* milliseconds, CUevent start, CUevent end))                                                   \
  X(cuModuleLoadData, (CUmodule * module, const void* image))                                                                \
  X(cuModuleLoadDataEx, (CUmodule * module, const void* image, unsigned int count, CUjit_option* options, void** values))    \
  X(cuModuleUnload, (CUmodule module))                                                                                       \
  X(cuModuleGetFunction, (CUfunction * function, CUmodule module, const char* name))                                         \
  X(cuModuleGetGlobal_v2, (CUdeviceptr * address, size_t* bytes, CUmodule module, const char* name))                         \
  X(cuFuncGetAttribute, (int* value, CUfunction_attribute attribute, CUfunction function))                                   \
  X(cuFuncSetAttribute, (CUfunction function, CUfunction_attribute attribute, int value))                                    \
  X(cuLaunchKernelEx, (const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra))                  \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int* blocks, CUfunction function, int blockSize, size_t dynamicShared))    \
  X(cuStreamBeginCapture_v2, (CUstream stream, CUstreamCaptureMode mode))                                                    \
  X(cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                                                  \
  X(cuGraphGetNodes, (CUgraph graph, CUgraphNode * nodes, size_t * count))                                                   \
  X(cuGraphInstantiateWithFlags, (CUgraphExec * exec, CUgraph graph, unsigned long long flags))                              \
  X(cuGraphUpload, (CUgraphExec exec, CUstream stream))                                                                      \
  X(cuGraphLaunch, (CUgraphExec exec, CUstream stream))                                                                      \
  X(cuGraphExecDestroy, (CUgraphExec exec))                                                                                  \
  X(cuGraphDestroy, (CUgraph graph))

// What is alive in the emulated driver, over all contexts, and what it has done since the library was loaded.
struct GkEmulatedStatistics {
  uint64_t contexts, allocations, allocatedBytes, hostAllocations, streams, events, modules, graphs, graphExecs;  // alive now
  uint64_t mostAllocatedBytes;                                   // the largest allocatedBytes so far
  uint64_t launches, graphLaunches, copies, memsets, faults;     // done so far; a graph's kernels and copies count as such too
};

// X(result, name, (parameters)). Exported by the emulated driver alone; docs/cuda.md says what they do.
#define GRIFFIN_EMULATED_FUNCTIONS(X)                           \
  X(CUresult, gkEmulatedConfigure, (const char* settings))      \
  X(CUresult, gkEmulatedInject, (const char* fault))            \
  X(const char*, gkEmulatedLastFault, ())                       \
  X(CUresult, gkEmulatedStatistics, (GkEmulatedStatistics * statistics))

struct DriverApi {
#define GRIFFIN_MEMBER(name, parameters) CUresult(*name) parameters = nullptr;
  GRIFFIN_CUDA_FUNCTIONS(GRIFFIN_MEMBER)
#undef GRIFFIN_MEMBER
#define GRIFFIN_MEMBER(result, name, parameters) result(*name) parameters = nullptr;
  GRIFFIN_EMULATED_FUNCTIONS(GRIFFIN_MEMBER)  // null on a real driver
#undef GRIFFIN_MEMBER
};

// Fills the table: `find(name)` returns the address of an exported symbol or null. Returns the name of the first function that is
// missing, or null when the table is complete (the emulated driver's controls may be missing).
template <typename Find>
const char* fillDriverApi(DriverApi& api, Find find) {
#define GRIFFIN_FILL(name, parameters)                                \
  api.name = reinterpret_cast<CUresult(*) parameters>(find(#name));   \
  if (api.name == nullptr) return #name;
  GRIFFIN_CUDA_FUNCTIONS(GRIFFIN_FILL)
#undef GRIFFIN_FILL
#define GRIFFIN_FILL(result, name, parameters) api.name = reinterpret_cast<result(*) parameters>(find(#name));
  GRIFFIN_EMULATED_FUNCTIONS(GRIFFIN_FILL)
#undef GRIFFIN_FILL
  return nullptr;
}

#endif
