// Initialisation, devices, contexts, settings.
#include "harness.h"

CASE(uninitialised, "calls before cuInit") {
  int value = 0;
  size_t bytes = 0;
  CUcontext context = nullptr;
  EXPECT(cuDeviceGetCount(&value), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuCtxSetCurrent(nullptr), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuMemGetInfo_v2(&bytes, &bytes), CUDA_ERROR_NOT_INITIALIZED);
  EXPECT(cuStreamSynchronize(nullptr), CUDA_ERROR_NOT_INITIALIZED);
  OK(cuDriverGetVersion(&value));
  CHECK(value >= 12000);
  EXPECT(cuDriverGetVersion(nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuInit(1), CUDA_ERROR_INVALID_VALUE);
}

CASE(noDevice, "a machine without devices") {
  OK(gkEmulatedConfigure("devices=0"));
  EXPECT(cuInit(0), CUDA_ERROR_NO_DEVICE);
}

CASE(errorTexts, "names and texts of errors") {
  const char* text = nullptr;
  OK(cuGetErrorName(CUDA_ERROR_LAUNCH_FAILED, &text));
  CHECK(std::string(text) == "CUDA_ERROR_LAUNCH_FAILED");
  OK(cuGetErrorString(CUDA_SUCCESS, &text));
  CHECK(std::string(text) == "no error");
  EXPECT(cuGetErrorName(static_cast<CUresult>(12345), &text), CUDA_ERROR_INVALID_VALUE);
  CHECK(text == nullptr);
  EXPECT(cuGetErrorString(CUDA_SUCCESS, nullptr), CUDA_ERROR_INVALID_VALUE);
}

CASE(attributes, "devices and their attributes per capability") {
  OK(gkEmulatedConfigure("capability=86;devices=2;multiprocessors=7;memory=123456"));
  OK(cuInit(0));
  int value = 0;
  OK(cuDeviceGetCount(&value));
  CHECK(value == 2);
  CUdevice device = -1;
  OK(cuDeviceGet(&device, 1));
  CHECK(device == 1);
  EXPECT(cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
  EXPECT(cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
  char name[64], small[9];
  OK(cuDeviceGetName(name, sizeof name, 0));
  CHECK(std::string(name) == "Emulated NVIDIA GPU (compute capability 8.6)");
  OK(cuDeviceGetName(small, sizeof small, 0));
  CHECK(std::string(small) == "Emulated");
  EXPECT(cuDeviceGetName(small, 0, 0), CUDA_ERROR_INVALID_VALUE);
  CUuuid first, second;
  OK(cuDeviceGetUuid_v2(&first, 0));
  OK(cuDeviceGetUuid_v2(&second, 1));
  CHECK(std::memcmp(&first, &second, sizeof first) != 0);
  OK(cuDeviceGetPCIBusId(name, sizeof name, 1));
  CHECK(std::string(name) == "0000:00:01.0");
  EXPECT(cuDeviceGetPCIBusId(small, sizeof small, 1), CUDA_ERROR_INVALID_VALUE);
  size_t bytes = 0;
  OK(cuDeviceTotalMem_v2(&bytes, 0));
  CHECK(bytes == 123456);
  const struct {
    CUdevice_attribute attribute;
    int expected;
  } rows[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 8},        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 6},
              {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 7},            {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
              {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 49152}, {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 99 * 1024},
              {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 100 * 1024}, {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 1536},
              {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 16},  {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
              {CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 0},                  {CU_DEVICE_ATTRIBUTE_INTEGRATED, 0}};
  for (const auto& row : rows) {
    OK(cuDeviceGetAttribute(&value, row.attribute, 0));
    CHECK(value == row.expected);
  }
  EXPECT(cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(99999), 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuDeviceGetAttribute(nullptr, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 5), CUDA_ERROR_INVALID_DEVICE);
}

CASE(settings, "settings that make no sense are refused and change nothing") {
  OK(gkEmulatedConfigure("capability=80"));
  for (const char* text : {"capability=91", "capability=", "capability=ninety", "schedule=sideways", "seed=-1", "checked=2", "memory=1e9", "devices=17", "colour=red", "fast"}) {
    EXPECT(gkEmulatedConfigure(text), CUDA_ERROR_INVALID_VALUE);
    CHECK_FAULT("gkEmulatedConfigure");
  }
  EXPECT(gkEmulatedConfigure(nullptr), CUDA_ERROR_INVALID_VALUE);
  for (const char* text : {"alloc", "alloc@", "alloc@0", "alloc@x", "flood@1", ""}) EXPECT(gkEmulatedInject(text), CUDA_ERROR_INVALID_VALUE);
  OK(cuInit(0));
  int value = 0;
  OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
  CHECK(value == 0);
}

CASE(contexts, "primary contexts are counted, current per thread, and end at the last release") {
  OK(gkEmulatedConfigure(""));
  OK(cuInit(0));
  CUcontext first = nullptr, again = nullptr, current = nullptr;
  size_t free = 0, total = 0;
  EXPECT(cuMemGetInfo_v2(&free, &total), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
  OK(cuDevicePrimaryCtxRetain(&first, 0));
  OK(cuDevicePrimaryCtxRetain(&again, 0));
  CHECK(first == again && statistics().contexts == 1);
  EXPECT(cuCtxSetCurrent(reinterpret_cast<CUcontext>(&free)), CUDA_ERROR_INVALID_CONTEXT);
  OK(cuCtxSetCurrent(first));
  OK(cuCtxGetCurrent(&current));
  CHECK(current == first);
  allocate(1000);
  OK(cuDevicePrimaryCtxRelease_v2(0));
  OK(cuMemGetInfo_v2(&free, &total));
  OK(cuDevicePrimaryCtxRelease_v2(0));
  EXPECT(cuMemGetInfo_v2(&free, &total), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  EXPECT(cuCtxSetCurrent(first), CUDA_ERROR_INVALID_CONTEXT);
  OK(cuCtxSetCurrent(nullptr));
  EXPECT(cuMemGetInfo_v2(&free, &total), CUDA_ERROR_INVALID_CONTEXT);
}

CASE(later, "settings are for contexts made afterwards") {
  Gpu gpu("capability=80;memory=1000000");
  OK(gkEmulatedConfigure("capability=90;memory=2000000"));
  int major = 0;
  OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
  CHECK(major == 8);
  gpu.release();
  CUcontext context = nullptr;
  OK(cuDevicePrimaryCtxRetain(&context, 0));
  OK(cuCtxSetCurrent(context));
  size_t free = 0, total = 0;
  OK(cuMemGetInfo_v2(&free, &total));
  CHECK(total == 2000000);
  OK(cuDevicePrimaryCtxRelease_v2(0));
}

CASE(everything, "a released context takes everything that it owned along") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  CUevent event = createEvent();
  void* pinned = nullptr;
  OK(cuMemHostAlloc(&pinned, 100, 0));
  const GkEmulatedStatistics alive = statistics();
  CHECK(alive.contexts == 1 && alive.allocations == 2 && alive.allocatedBytes == 512 && alive.hostAllocations == 1);
  CHECK(alive.streams == 1 && alive.events == 1 && alive.modules == 1 && alive.graphs == 0 && alive.mostAllocatedBytes == 512);
  gpu.release();
  EXPECT(cuStreamDestroy_v2(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventDestroy_v2(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuModuleUnload(adder.module), CUDA_ERROR_INVALID_HANDLE);
}

CASE(twoDevices, "two devices: memory apart, events shared") {
  OK(gkEmulatedConfigure("devices=2"));
  OK(cuInit(0));
  CUcontext context[2];
  CUdeviceptr memory[2];
  CUstream stream[2];
  CUevent event = nullptr;
  for (int i = 0; i < 2; i++) {
    OK(cuDevicePrimaryCtxRetain(&context[i], i));
    OK(cuCtxSetCurrent(context[i]));
    memory[i] = allocate(256);
    stream[i] = createStream();
  }
  EXPECT(cuMemsetD8Async(memory[0], 1, 256, stream[1]), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFree_v2(memory[0]), CUDA_ERROR_INVALID_VALUE);
  event = createEvent();
  EXPECT(cuEventRecord(event, stream[0]), CUDA_ERROR_INVALID_HANDLE);
  OK(cuEventRecord(event, stream[1]));
  OK(cuStreamWaitEvent(stream[0], event, 0));
  OK(cuMemsetD8Async(memory[0], 1, 256, stream[0]));
  OK(cuStreamSynchronize(stream[0]));
  for (int i = 0; i < 2; i++) OK(cuDevicePrimaryCtxRelease_v2(i));
}
