// Modules, functions, launches and their limits.
#include "harness.h"

CASE(images, "images that are no modules") {
  Gpu gpu;
  CUmodule module = nullptr;
  const unsigned char fatbin[] = {0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0};
  EXPECT(cuModuleLoadData(&module, ".version 8.0\n"), CUDA_ERROR_INVALID_PTX);
  EXPECT(cuModuleLoadData(&module, fatbin), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT(cuModuleLoadData(&module, "hello"), CUDA_ERROR_INVALID_IMAGE);
  EXPECT(cuModuleLoadData(&module, ""), CUDA_ERROR_INVALID_IMAGE);
  EXPECT(cuModuleLoadData(&module, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuModuleLoadData(nullptr, "hello"), CUDA_ERROR_INVALID_VALUE);
  std::vector<char> cubin = moduleBytes(kChecked);
  cubin[18] = char(190);  // e_machine of device code
  EXPECT(cuModuleLoadData(&module, cubin.data()), CUDA_ERROR_NO_BINARY_FOR_GPU);
  std::vector<char> executable = moduleBytes(kChecked);
  executable[16] = 1;  // a relocatable object
  EXPECT(cuModuleLoadData(&module, executable.data()), CUDA_ERROR_INVALID_IMAGE);
  char log[40] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  EXPECT(cuModuleLoadDataEx(&module, cubin.data(), 2, options, values), CUDA_ERROR_NO_BINARY_FOR_GPU);
  CHECK(std::string(log) == std::string("the module is a cubin for real GPUs; the emulated").substr(0, sizeof log - 1));
  CHECK(statistics().modules == 0);
}

CASE(capability, "kernels of a capability that the device does not have, or without the checks that it makes") {
  {
    Gpu gpu("capability=80");
    CUmodule module = nullptr;
    EXPECT(cuModuleLoadData(&module, moduleBytes(kChecked).data()), CUDA_ERROR_NO_BINARY_FOR_GPU);
    CHECK_FAULT("built for compute capability 90, the device has 80");
    functionOf(loadModule(kOld), "add");
  }
  Gpu gpu("capability=120");
  CUmodule module = nullptr;
  EXPECT(cuModuleLoadData(&module, moduleBytes(kFast).data()), CUDA_ERROR_NO_BINARY_FOR_GPU);
  CHECK_FAULT("compiled without checks");
  int value = 0;
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_BINARY_VERSION, functionOf(loadModule(kOld), "add")));
  CHECK(value == 80);
}

CASE(variables, "variables of modules: read, written where they may be, apart per module") {
  Gpu gpu;
  CUmodule first = loadModule(), second = loadModule();
  CUdeviceptr address = 0, number = 0, other = 0;
  size_t bytes = 0;
  OK(cuModuleGetGlobal_v2(&address, &bytes, first, "gk_note"));
  CHECK(bytes == sizeof "a text in the module");
  char text[64];
  OK(cuMemcpyDtoH_v2(text, address, bytes));
  CHECK(std::string(text) == "a text in the module");
  EXPECT(cuMemcpyDtoH_v2(text, address, bytes + 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyHtoD_v2(address, text, 1), CUDA_ERROR_INVALID_VALUE);
  OK(cuModuleGetGlobal_v2(&number, &bytes, first, "gk_number"));
  OK(cuModuleGetGlobal_v2(&other, nullptr, second, "gk_number"));
  CHECK(bytes == 4 && number != other);
  int value = 8;
  OK(cuMemcpyHtoD_v2(number, &value, 4));
  OK(cuMemcpyDtoH_v2(&value, other, 4));
  CHECK(value == 7);
  OK(cuMemcpyDtoH_v2(&value, number, 4));
  CHECK(value == 8);
  EXPECT(cuModuleGetGlobal_v2(&address, &bytes, first, "gk_nothing"), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuModuleGetGlobal_v2(&address, &bytes, first, "add"), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuModuleGetGlobal_v2(&address, &bytes, first, nullptr), CUDA_ERROR_INVALID_VALUE);
  OK(cuModuleUnload(first));
  EXPECT(cuMemcpyDtoH_v2(&value, number, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuModuleGetGlobal_v2(&address, &bytes, first, "gk_number"), CUDA_ERROR_INVALID_HANDLE);
}

CASE(loadsAgain, "a module that is unloaded and loaded again starts anew, many times") {
  Gpu gpu;
  for (int i = 0; i < 50; i++) {
    CUmodule module = loadModule(i % 2 == 0 ? kChecked : kOld);
    CUdeviceptr number = 0;
    OK(cuModuleGetGlobal_v2(&number, nullptr, module, "gk_number"));
    int value = 0;
    OK(cuMemcpyDtoH_v2(&value, number, 4));
    CHECK(value == 7);
    value = 100 + i;
    OK(cuMemcpyHtoD_v2(number, &value, 4));
    OK(cuModuleUnload(module));
  }
}

CASE(functions, "functions and their attributes") {
  Gpu gpu;
  CUmodule module = loadModule();
  CUfunction add = functionOf(module, "add"), missing = nullptr;
  CHECK(functionOf(module, "add") == add);
  EXPECT(cuModuleGetFunction(&missing, module, "subtract"), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuModuleGetFunction(&missing, module, "gk_note"), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuModuleGetFunction(nullptr, module, "add"), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuModuleGetFunction(&missing, nullptr, "add"), CUDA_ERROR_INVALID_HANDLE);
  int value = 0;
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, add));
  CHECK(value == 128);
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, add));
  CHECK(value == 48 * 1024);
  EXPECT(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 228 * 1024), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, -1), CUDA_ERROR_INVALID_VALUE);
  OK(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 * 1024));
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, add));
  CHECK(value == 227 * 1024);
  OK(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100));
  EXPECT(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 101), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_NUM_REGS, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuFuncGetAttribute(&value, static_cast<CUfunction_attribute>(77), add), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, nullptr), CUDA_ERROR_INVALID_HANDLE);
  int blocks = 0;
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 128, 0));
  CHECK(blocks == 16);  // 2048 threads
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 33, 0));
  CHECK(blocks == 32);  // blocks
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 128, 56 * 1024));
  CHECK(blocks == 4);  // 228 KiB of shared memory, 57 per block
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 256, 0));
  CHECK(blocks == 0);  // past the launch bound
  EXPECT(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add, 0, 0), CUDA_ERROR_INVALID_VALUE);
  OK(cuModuleUnload(module));
  EXPECT(cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, add), CUDA_ERROR_INVALID_HANDLE);
}

CASE(launches, "launches compute, with parameters by list and by buffer") {
  Gpu gpu;
  Adder adder;
  EXPECT_LAUNCH(Launch(2, 32).run(adder.add, adder.params(100)), CUDA_SUCCESS);
  for (const int i : {0, 31, 32, 63}) CHECK(adder.read(adder.y, i) == float(100 + i));
  Params params = adder.params(200);
  size_t bytes = sizeof params;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &params, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  Launch launch(2, 32);
  OK(cuLaunchKernelEx(&launch.config, adder.add, nullptr, extra));
  params.value = 0;  // the launch has its own copy
  CHECK(adder.read(adder.y, 5) == 205);
  bytes = 8;
  EXPECT(cuLaunchKernelEx(&launch.config, adder.add, nullptr, extra), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuLaunchKernelEx(&launch.config, adder.add, nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
  void* list[] = {&params};
  EXPECT(cuLaunchKernelEx(&launch.config, adder.add, list, extra), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuLaunchKernelEx(nullptr, adder.add, list, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuLaunchKernelEx(&launch.config, nullptr, list, nullptr), CUDA_ERROR_INVALID_HANDLE);
  CHECK(statistics().launches == 2);
}

CASE(unloaded, "work in flight outlives its module") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  const size_t bytes = 16 << 20;
  OK(cuMemsetD8Async(allocate(bytes), 0, bytes, stream));
  EXPECT_LAUNCH(Launch(2, 32, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuModuleUnload(adder.module));
  OK(cuStreamSynchronize(stream));
  CHECK(adder.read(adder.y, 1) == 2);
}

CASE(limits, "launches past the limits") {
  Gpu gpu;
  Adder adder;
  const Params params = adder.params(1);
  Launch launch(1, 32);
  const auto with = [&](unsigned int CUlaunchConfig::*field, unsigned int value) {
    Launch changed = launch;
    changed.config.*field = value;
    return changed.run(adder.add, params);
  };
  EXPECT_LAUNCH(with(&CUlaunchConfig::gridDimX, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::gridDimY, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::gridDimX, 0x80000000u), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::gridDimY, 65536), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::gridDimZ, 65536), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::blockDimX, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(with(&CUlaunchConfig::blockDimX, 129), CUDA_ERROR_INVALID_VALUE);
  CHECK_FAULT("add: a block of 129 threads; the kernel takes at most 128");
  EXPECT_LAUNCH(with(&CUlaunchConfig::blockDimY, 2), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_LAUNCH(with(&CUlaunchConfig::sharedMemBytes, 48 * 1024 + 1), CUDA_ERROR_INVALID_VALUE);
  OK(cuFuncSetAttribute(adder.add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100 * 1024));
  EXPECT_LAUNCH(with(&CUlaunchConfig::sharedMemBytes, 48 * 1024 + 1), CUDA_SUCCESS);
  EXPECT_LAUNCH(with(&CUlaunchConfig::sharedMemBytes, 100 * 1024 + 1), CUDA_ERROR_INVALID_VALUE);
  OK(cuCtxSynchronize());
  Launch odd(1, 32);
  odd.config.numAttrs = 1;
  odd.attributes[0].id = static_cast<CUlaunchAttributeID>(2);
  EXPECT_LAUNCH(odd.run(adder.add, params), CUDA_ERROR_NOT_SUPPORTED);
}

CASE(shared, "dynamic shared memory") {
  Gpu gpu;
  Adder adder;
  CUfunction sum = functionOf(adder.module, "shared_sum");
  EXPECT_LAUNCH(Launch(1, 64, nullptr, 64 * sizeof(float)).run(sum, adder.params(0)), CUDA_SUCCESS);
  CHECK(adder.read(adder.y, 0) == 64 * 63 / 2);
}

CASE(clusters, "clusters") {
  {
    Gpu gpu("capability=80");
    CUfunction add = functionOf(loadModule(kOld), "add");
    EXPECT_LAUNCH(Launch(2, 32).cluster(2).run(add, {0, 0, 0, 0}), CUDA_ERROR_INVALID_VALUE);
    EXPECT_LAUNCH(Launch(2, 32).dependent().run(add, {0, 0, 0, 0}), CUDA_ERROR_NOT_SUPPORTED);
    EXPECT_LAUNCH(Launch(2, 32).cluster(1).run(add, {0, 0, 0, 0}), CUDA_SUCCESS);
    OK(cuCtxSynchronize());
  }
  Gpu gpu;
  Adder adder;
  CUfunction rank = functionOf(adder.module, "rank_of");
  EXPECT_LAUNCH(Launch(8, 32).cluster(4).run(rank, adder.params(0)), CUDA_SUCCESS);
  for (int block = 0; block < 8; block++) CHECK(adder.read(adder.y, block) == float(block % 4 * 100 + 4));
  EXPECT_LAUNCH(Launch(6, 32).cluster(4).run(rank, adder.params(0)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(Launch(4, 32).cluster(0).run(rank, adder.params(0)), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(Launch(16, 32).cluster(16).run(rank, adder.params(0)), CUDA_ERROR_INVALID_CLUSTER_SIZE);
  OK(cuFuncSetAttribute(rank, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1));
  EXPECT_LAUNCH(Launch(16, 32).cluster(16).run(rank, adder.params(0)), CUDA_SUCCESS);
  CHECK(adder.read(adder.y, 15) == 1516);
  EXPECT_LAUNCH(Launch(32, 32).cluster(32).run(rank, adder.params(0)), CUDA_ERROR_INVALID_CLUSTER_SIZE);
}
