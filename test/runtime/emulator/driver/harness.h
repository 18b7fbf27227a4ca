// A test program of the emulated driver: cases in several files, each run in a process of its own (main.cc).
#ifndef HARNESS_H
#define HARNESS_H
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "driver_api.h"

struct Case {
  const char* title;
  void (*run)();
};
std::vector<Case>& cases();
DriverApi& api();
// The bytes of the module that was compiled from kernels.cu: for capability 9.0 checked, 9.0 fast, 8.0 checked.
enum Flavour { kChecked = 0, kFast = 1, kOld = 2 };
const std::vector<char>& moduleBytes(Flavour flavour);

#define CASE(id, title)                                                            \
  static void id();                                                                \
  static const bool id##_added = (cases().push_back({title, id}), true);           \
  static void id()

[[noreturn]] inline void failCase(const char* file, int line, const std::string& what) {
  const char* name = std::strrchr(file, '/');
  throw std::runtime_error(std::string(name != nullptr ? name + 1 : file) + ":" + std::to_string(line) + ": " + what);
}
inline std::string nameOf(CUresult code) {
  const char* text = nullptr;
  return api().cuGetErrorName(code, &text) == CUDA_SUCCESS ? text : std::to_string(code);
}
#define EXPECT(expression, expected)                                                                                             \
  do {                                                                                                                           \
    const CUresult found_ = api().expression;                                                                                    \
    if (found_ != (expected)) {                                                                                                  \
      failCase(__FILE__, __LINE__, #expression ": " + nameOf(found_) + " (" + api().gkEmulatedLastFault() + "), not " #expected); \
    }                                                                                                                            \
  } while (0)
#define OK(expression) EXPECT(expression, CUDA_SUCCESS)
#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) failCase(__FILE__, __LINE__, "not so: " #condition); \
  } while (0)
#define CHECK_FAULT(part)                                                                                                            \
  do {                                                                                                                               \
    const std::string text_ = api().gkEmulatedLastFault();                                                                           \
    if (text_.find(part) == std::string::npos) failCase(__FILE__, __LINE__, "expected '" + std::string(part) + "' in '" + text_ + "'"); \
  } while (0)

// A device that is ready: configured, its context retained and current. Released at the end.
struct Gpu {
  CUcontext context = nullptr;
  bool retained = false;
  explicit Gpu(const char* settings = "") {
    OK(gkEmulatedConfigure(settings));
    OK(cuInit(0));
    OK(cuDevicePrimaryCtxRetain(&context, 0));
    retained = true;
    OK(cuCtxSetCurrent(context));
  }
  ~Gpu() {
    if (retained) api().cuDevicePrimaryCtxRelease_v2(0);
  }
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;
  void release() {
    retained = false;
    OK(cuDevicePrimaryCtxRelease_v2(0));
  }
};

inline GkEmulatedStatistics statistics() {
  GkEmulatedStatistics result;
  OK(gkEmulatedStatistics(&result));
  return result;
}
inline CUdeviceptr allocate(size_t bytes) {
  CUdeviceptr address = 0;
  OK(cuMemAlloc_v2(&address, bytes));
  return address;
}
inline CUmodule loadModule(Flavour flavour = kChecked) {
  CUmodule module = nullptr;
  OK(cuModuleLoadData(&module, moduleBytes(flavour).data()));
  return module;
}
inline CUfunction functionOf(CUmodule module, const char* name) {
  CUfunction function = nullptr;
  OK(cuModuleGetFunction(&function, module, name));
  return function;
}
inline CUstream createStream(unsigned int flags = CU_STREAM_NON_BLOCKING) {
  CUstream stream = nullptr;
  OK(cuStreamCreate(&stream, flags));
  return stream;
}
inline CUevent createEvent(unsigned int flags = CU_EVENT_DEFAULT) {
  CUevent event = nullptr;
  OK(cuEventCreate(&event, flags));
  return event;
}

struct Params {
  CUdeviceptr x, y;
  int32_t n;
  float value;
};
struct Launch {
  CUlaunchConfig config{};
  CUlaunchAttribute attributes[2]{};
  Launch(unsigned int grid, unsigned int block, CUstream stream = nullptr, unsigned int shared = 0) {
    config.gridDimX = grid;
    config.gridDimY = config.gridDimZ = 1;
    config.blockDimX = block;
    config.blockDimY = config.blockDimZ = 1;
    config.sharedMemBytes = shared;
    config.hStream = stream;
    config.attrs = attributes;
  }
  Launch& cluster(unsigned int x) {
    CUlaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    attribute.value.clusterDim = {x, 1, 1};
    return *this;
  }
  Launch& dependent() {
    CUlaunchAttribute& attribute = attributes[config.numAttrs++];
    attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    attribute.value.programmaticStreamSerializationAllowed = 1;
    return *this;
  }
  CUresult run(CUfunction function, Params params) {
    config.attrs = attributes;
    void* list[] = {&params};
    return api().cuLaunchKernelEx(&config, function, list, nullptr);
  }
};
#define EXPECT_LAUNCH(launch, expected)                                                                                        \
  do {                                                                                                                         \
    const CUresult found_ = (launch);                                                                                          \
    if (found_ != (expected)) {                                                                                                \
      failCase(__FILE__, __LINE__, #launch ": " + nameOf(found_) + " (" + api().gkEmulatedLastFault() + "), not " #expected); \
    }                                                                                                                          \
  } while (0)

// Two buffers of 64 floats (x: 0, 1, 2, …), the module and its kernel `add`.
struct Adder {
  static constexpr int kCount = 64;
  CUmodule module = loadModule();
  CUfunction add = functionOf(module, "add");
  CUdeviceptr x = allocate(kCount * sizeof(float)), y = allocate(kCount * sizeof(float));
  Adder() {
    float values[kCount];
    for (int i = 0; i < kCount; i++) values[i] = float(i);
    OK(cuMemcpyHtoD_v2(x, values, sizeof values));
  }
  Params params(float value) const { return {x, y, kCount, value}; }
  Params back(float value) const { return {y, x, kCount, value}; }
  float read(CUdeviceptr buffer, int index) const {
    float value = -1;
    OK(cuMemcpyDtoH_v2(&value, buffer + CUdeviceptr(index) * sizeof value, sizeof value));
    return value;
  }
};

#endif
