// What goes wrong in kernels, on purpose or by injection, and what the caller sees of it.
#include <thread>

#include "harness.h"

// Every later call on the context returns the code of the fault.
static void checkSticky(CUresult code, const Adder& adder, CUstream stream, CUevent event) {
  CUdeviceptr address = 0;
  size_t bytes = 0;
  CUmodule module = nullptr;
  int word = 0;
  EXPECT(cuStreamSynchronize(stream), code);
  EXPECT(cuStreamQuery(stream), code);
  EXPECT(cuCtxSynchronize(), code);
  EXPECT(cuEventQuery(event), code);
  EXPECT(cuEventRecord(event, stream), code);
  EXPECT(cuMemAlloc_v2(&address, 4), code);
  EXPECT(cuMemFree_v2(adder.x), code);
  EXPECT(cuMemGetInfo_v2(&bytes, &bytes), code);
  EXPECT(cuMemcpyDtoH_v2(&word, adder.x, 4), code);
  EXPECT(cuMemsetD8Async(adder.x, 0, 4, nullptr), code);
  EXPECT(cuModuleLoadData(&module, moduleBytes(kChecked).data()), code);
  EXPECT(cuModuleGetFunction(nullptr, adder.module, "add"), CUDA_ERROR_INVALID_VALUE);
  EXPECT_LAUNCH(Launch(1, 32, stream).run(adder.add, adder.params(1)), code);
  EXPECT(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), code);
}

static void checkWorksAgain() {
  Gpu gpu;
  Adder adder;
  EXPECT_LAUNCH(Launch(2, 32).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  CHECK(adder.read(adder.y, 2) == 3);
}

CASE(outOfBounds, "a write out of bounds is an illegal address for good, until the context is new") {
  {
    Gpu gpu;
    Adder adder;
    CUstream stream = createStream();
    CUevent event = createEvent();
    Params params = adder.params(1);
    params.n = 64;
    EXPECT_LAUNCH(Launch(2, 32, stream).run(functionOf(adder.module, "write_at"), params), CUDA_SUCCESS);
    EXPECT(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
    CHECK_FAULT("write_at");
    checkSticky(CUDA_ERROR_ILLEGAL_ADDRESS, adder, stream, event);
    CHECK(statistics().faults == 1);
  }
  checkWorksAgain();
}

CASE(dependents, "a dependent launch that does not wait races with the kernel before it; a plain one does not") {
  Gpu gpu;
  Adder adder;
  CUfunction hasty = functionOf(adder.module, "hasty");
  EXPECT_LAUNCH(Launch(2, 32).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT_LAUNCH(Launch(2, 32).run(hasty, adder.back(1)), CUDA_SUCCESS);
  CHECK(adder.read(adder.x, 5) == 7);
  EXPECT_LAUNCH(Launch(2, 32).dependent().run(hasty, adder.params(1)), CUDA_SUCCESS);  // after a copy: nothing to overlap with
  CHECK(adder.read(adder.y, 5) == 8);
  EXPECT_LAUNCH(Launch(2, 32).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT_LAUNCH(Launch(2, 32).dependent().run(hasty, adder.back(1)), CUDA_SUCCESS);
  EXPECT(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
  CHECK_FAULT("hasty");
}

CASE(dependentsInGraphs, "the same in graphs") {
  for (const bool dependent : {false, true}) {
    Gpu gpu;
    Adder adder;
    CUstream stream = createStream();
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    EXPECT_LAUNCH(Launch(2, 32, stream).dependent().run(adder.add, adder.params(1)), CUDA_SUCCESS);
    Launch second(2, 32, stream);
    if (dependent) second.dependent();
    EXPECT_LAUNCH(second.run(functionOf(adder.module, "hasty"), adder.back(1)), CUDA_SUCCESS);
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphLaunch(exec, stream));
    EXPECT(cuStreamSynchronize(stream), dependent ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
  }
}

CASE(forever, "a kernel that never ends does not keep its context from being released") {
  Gpu gpu("checked=0");
  Adder adder;
  CUfunction forever = functionOf(loadModule(kFast), "forever");
  CUstream stream = createStream();
  EXPECT_LAUNCH(Launch(1, 32, stream).run(forever, adder.params(1)), CUDA_SUCCESS);
  EXPECT(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  gpu.release();
}

CASE(hangs, "an injected kernel that never ends; a thread that waits for it is let go") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  OK(gkEmulatedInject("hang@2"));
  EXPECT_LAUNCH(Launch(1, 32, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuStreamSynchronize(stream));
  EXPECT_LAUNCH(Launch(1, 32, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  CUresult waited = CUDA_SUCCESS;
  std::thread waiter([&] {
    api().cuCtxSetCurrent(gpu.context);
    waited = api().cuStreamSynchronize(stream);
  });
  EXPECT(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  gpu.release();
  waiter.join();
  CHECK(waited != CUDA_SUCCESS && waited != CUDA_ERROR_NOT_READY);
}

CASE(injectedAlloc, "an injected allocation failure is one failure") {
  Gpu gpu;
  OK(gkEmulatedInject("alloc@2"));
  CUdeviceptr address = 0;
  OK(cuMemAlloc_v2(&address, 4));
  EXPECT(cuMemAlloc_v2(&address, 4), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_FAULT("injected");
  OK(cuMemAlloc_v2(&address, 4));
  OK(gkEmulatedInject("alloc@1"));
  OK(gkEmulatedInject("none"));
  OK(cuMemAlloc_v2(&address, 4));
}

CASE(injectedModule, "an injected module failure is one failure") {
  Gpu gpu;
  OK(gkEmulatedInject("module@1"));
  CUmodule module = nullptr;
  EXPECT(cuModuleLoadData(&module, moduleBytes(kChecked).data()), CUDA_ERROR_NO_BINARY_FOR_GPU);
  OK(cuModuleLoadData(&module, moduleBytes(kChecked).data()));
}

CASE(injectedLaunch, "an injected launch failure, by launch and by graph") {
  for (const bool graphed : {false, true}) {
    Gpu gpu;
    Adder adder;
    CUstream stream = createStream();
    CUevent event = createEvent();
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    OK(gkEmulatedInject("launch@2"));
    if (graphed) OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    for (int i = 0; i < 2; i++) EXPECT_LAUNCH(Launch(1, 32, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
    if (graphed) {
      OK(cuStreamEndCapture(stream, &graph));
      OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
      OK(cuGraphLaunch(exec, stream));
    }
    EXPECT(cuStreamSynchronize(stream), CUDA_ERROR_LAUNCH_FAILED);
    CHECK_FAULT("injected: the launch of add failed");
    checkSticky(CUDA_ERROR_LAUNCH_FAILED, adder, stream, event);
    if (graphed) OK(cuGraphExecDestroy(exec));
    if (graphed) OK(cuGraphDestroy(graph));
  }
  checkWorksAgain();
}

CASE(injectedCopy, "an injected copy failure") {
  {
    Gpu gpu;
    Adder adder;
    OK(gkEmulatedInject("memcpy@1"));
    float value = 0;
    EXPECT(cuMemcpyDtoH_v2(&value, adder.x, 4), CUDA_ERROR_ECC_UNCORRECTABLE);
    EXPECT(cuMemcpyDtoH_v2(&value, adder.x, 4), CUDA_ERROR_ECC_UNCORRECTABLE);
  }
  checkWorksAgain();
}

CASE(injectedLoss, "a lost device stays lost until the settings are made anew") {
  {
    Gpu gpu;
    Adder adder;
    OK(gkEmulatedInject("lost@1"));
    EXPECT_LAUNCH(Launch(1, 32).run(adder.add, adder.params(1)), CUDA_SUCCESS);
    EXPECT(cuCtxSynchronize(), CUDA_ERROR_UNKNOWN);
    EXPECT(cuCtxSynchronize(), CUDA_ERROR_UNKNOWN);
  }
  CUcontext context = nullptr;
  EXPECT(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_DEVICE_UNAVAILABLE);
  checkWorksAgain();
}

CASE(threads, "many threads use one context") {
  Gpu gpu;
  Adder adder;
  std::vector<std::thread> threads;
  int wrong = 0;
  int* const bad = &wrong;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      api().cuCtxSetCurrent(gpu.context);
      CUstream stream = nullptr;
      CUdeviceptr memory = 0;
      bool good = api().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) == CUDA_SUCCESS;
      for (int i = 0; i < 50 && good; i++) {
        float found = -1;
        good = api().cuMemAlloc_v2(&memory, 256) == CUDA_SUCCESS;
        good = good && Launch(2, 32, stream).run(adder.add, {adder.x, memory, 64, float(t)}) == CUDA_SUCCESS;
        good = good && api().cuMemcpyDtoHAsync_v2(&found, memory + 40, 4, stream) == CUDA_SUCCESS && found == float(10 + t);
        good = good && api().cuMemFree_v2(memory) == CUDA_SUCCESS;
      }
      if (!good) __atomic_fetch_add(bad, 1, __ATOMIC_RELAXED);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(statistics().launches == 200);
}
