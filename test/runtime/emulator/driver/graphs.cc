// Capture and graphs.
#include <thread>

#include "harness.h"

static CUgraphExec instantiate(CUgraph graph) {
  CUgraphExec exec = nullptr;
  OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
  return exec;
}

CASE(replay, "a captured graph runs only when it is launched, any number of times, also without its graph") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  OK(cuMemsetD8Async(adder.y, 0, 256, stream));
  OK(cuStreamSynchronize(stream));
  const GkEmulatedStatistics before = statistics();
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  Launch first(2, 32, stream);
  EXPECT_LAUNCH(first.run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT_LAUNCH(Launch(2, 32, stream).dependent().run(adder.add, adder.back(1)), CUDA_SUCCESS);
  OK(cuMemcpyDtoDAsync_v2(adder.y, adder.x, 4, stream));
  OK(cuMemsetD32Async(adder.y + 4, 0, 1, stream));
  CUgraph graph = nullptr;
  OK(cuStreamEndCapture(stream, &graph));
  size_t count = 0;
  OK(cuGraphGetNodes(graph, nullptr, &count));
  CHECK(count == 4);
  CUgraphNode nodes[6];
  count = 6;
  OK(cuGraphGetNodes(graph, nodes, &count));
  CHECK(count == 4 && nodes[3] != nullptr && nodes[4] == nullptr);
  CUgraphExec exec = instantiate(graph);
  OK(cuGraphUpload(exec, stream));
  OK(cuGraphDestroy(graph));
  EXPECT(cuGraphDestroy(graph), CUDA_ERROR_INVALID_HANDLE);
  OK(cuStreamSynchronize(stream));
  CHECK(statistics().launches == before.launches);
  for (int i = 0; i < 3; i++) OK(cuGraphLaunch(exec, stream));
  OK(cuStreamSynchronize(stream));
  CHECK(adder.read(adder.x, 10) == 16);
  CHECK(adder.read(adder.y, 0) == 6 && adder.read(adder.y, 1) == 0);
  const GkEmulatedStatistics after = statistics();
  CHECK(after.launches - before.launches == 6 && after.graphLaunches == 3 && after.memsets - before.memsets == 3);
  OK(cuGraphExecDestroy(exec));
  EXPECT(cuGraphExecDestroy(exec), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_ERROR_INVALID_HANDLE);
}

CASE(pinnedInGraph, "a graph reads pinned memory anew at every launch") {
  Gpu gpu;
  const CUdeviceptr a = allocate(4);
  void* block = nullptr;
  OK(cuMemHostAlloc(&block, 8, 0));
  auto* words = static_cast<int*>(block);
  CUstream stream = createStream();
  CUgraph graph = nullptr;
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuMemcpyHtoDAsync_v2(a, words, 4, stream));
  OK(cuMemcpyDtoHAsync_v2(words + 1, a, 4, stream));
  OK(cuStreamEndCapture(stream, &graph));
  CUgraphExec exec = instantiate(graph);
  for (int value = 1; value < 4; value++) {
    words[0] = value;
    OK(cuGraphLaunch(exec, stream));
    OK(cuStreamSynchronize(stream));
    CHECK(words[1] == value);
  }
  OK(cuMemFreeHost(block));
  OK(cuGraphLaunch(exec, stream));
  EXPECT(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_FAULT("pinned host memory that was freed");
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphDestroy(graph));
}

CASE(fork, "a capture that forks into another stream and joins") {
  for (const char* schedule : {"schedule=forward", "schedule=reverse", "schedule=random;seed=5"}) {
    Gpu gpu(schedule);
    Adder adder;
    const CUdeviceptr z = allocate(256);
    CUstream first = createStream(), second = createStream();
    CUevent forked = createEvent(CU_EVENT_DISABLE_TIMING), joined = createEvent(CU_EVENT_DISABLE_TIMING);
    CUgraph graph = nullptr;
    OK(cuStreamBeginCapture_v2(first, CU_STREAM_CAPTURE_MODE_GLOBAL));
    EXPECT_LAUNCH(Launch(2, 32, first).run(adder.add, adder.params(1)), CUDA_SUCCESS);  // y = x + 1
    OK(cuEventRecord(forked, first));
    OK(cuStreamWaitEvent(second, forked, 0));
    EXPECT_LAUNCH(Launch(2, 32, second).run(adder.add, {adder.y, z, 64, 10}), CUDA_SUCCESS);        // z = y + 10
    EXPECT_LAUNCH(Launch(2, 32, first).run(adder.add, {adder.y, adder.x, 64, 100}), CUDA_SUCCESS);  // x = y + 100
    OK(cuEventRecord(joined, second));
    OK(cuStreamWaitEvent(first, joined, 0));
    EXPECT_LAUNCH(Launch(2, 32, first).run(adder.add, {z, adder.y, 64, 1000}), CUDA_SUCCESS);  // y = z + 1000
    OK(cuStreamEndCapture(first, &graph));
    OK(cuStreamQuery(second));
    CUgraphExec exec = instantiate(graph);
    OK(cuGraphLaunch(exec, first));
    OK(cuStreamSynchronize(first));
    CHECK(adder.read(adder.y, 7) == 1018 && adder.read(adder.x, 7) == 108 && adder.read(z, 7) == 18);
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
  }
}

CASE(unjoined, "a fork that is not joined") {
  Gpu gpu;
  Adder adder;
  CUstream first = createStream(), second = createStream();
  CUevent event = createEvent();
  CUgraph graph = reinterpret_cast<CUgraph>(1);
  OK(cuStreamBeginCapture_v2(first, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(cuEventRecord(event, first));
  OK(cuStreamWaitEvent(second, event, 0));
  EXPECT_LAUNCH(Launch(1, 32, second).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT(cuStreamEndCapture(second, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  EXPECT(cuStreamEndCapture(first, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  OK(cuStreamBeginCapture_v2(first, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(cuEventRecord(event, first));
  OK(cuStreamWaitEvent(second, event, 0));
  EXPECT_LAUNCH(Launch(1, 32, second).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT(cuStreamEndCapture(first, &graph), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  CHECK(graph == nullptr);
  EXPECT_LAUNCH(Launch(1, 32, second).run(adder.add, adder.params(1)), CUDA_SUCCESS);  // captures no more
  OK(cuStreamSynchronize(second));
}

// Each row: a call that a capture forbids, the code of the call. The capture is invalid afterwards.
CASE(forbidden, "calls that a capture forbids, and the capture that they make invalid") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream(), blocking = createStream(CU_STREAM_DEFAULT), other = createStream();
  CUevent captured = createEvent(), outside = createEvent();
  OK(cuEventRecord(outside, other));
  CUdeviceptr address = 0;
  CUmodule module = nullptr;
  void* host = nullptr;
  int word = 0;
  const auto capturing = [&](CUstream captures, CUresult expected, auto forbiddenCall) {
    CUgraph graph = nullptr;
    OK(cuStreamBeginCapture_v2(captures, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(cuEventRecord(captured, captures));
    const CUresult found = forbiddenCall();
    if (found != expected) failCase(__FILE__, __LINE__, nameOf(found) + " instead of " + nameOf(expected) + ": " + api().gkEmulatedLastFault());
    EXPECT_LAUNCH(Launch(1, 32, captures).run(adder.add, adder.params(1)), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    EXPECT(cuStreamEndCapture(captures, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    CHECK(graph == nullptr);
  };
  const CUresult unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  capturing(stream, unsupported, [&] { return api().cuStreamSynchronize(stream); });
  capturing(stream, unsupported, [&] { return api().cuStreamQuery(stream); });
  capturing(stream, unsupported, [&] { return api().cuStreamSynchronize(other); });
  capturing(stream, unsupported, [&] { return api().cuCtxSynchronize(); });
  capturing(stream, unsupported, [&] { return api().cuMemAlloc_v2(&address, 4); });
  capturing(stream, unsupported, [&] { return api().cuMemFree_v2(adder.x); });
  capturing(stream, unsupported, [&] { return api().cuMemHostAlloc(&host, 4, 0); });
  capturing(stream, unsupported, [&] { return api().cuMemcpyDtoH_v2(&word, adder.x, 4); });
  capturing(stream, unsupported, [&] { return api().cuMemcpyHtoDAsync_v2(adder.x, &word, 4, stream); });
  capturing(stream, unsupported, [&] { return api().cuModuleLoadData(&module, moduleBytes(kChecked).data()); });
  capturing(stream, unsupported, [&] { return api().cuModuleUnload(adder.module); });
  capturing(stream, unsupported, [&] { return api().cuEventQuery(outside); });
  capturing(stream, CUDA_ERROR_CAPTURED_EVENT, [&] { return api().cuEventQuery(captured); });
  capturing(stream, CUDA_ERROR_CAPTURED_EVENT, [&] { return api().cuEventSynchronize(captured); });
  capturing(stream, CUDA_ERROR_STREAM_CAPTURE_ISOLATION, [&] { return api().cuStreamWaitEvent(stream, outside, 0); });
  capturing(stream, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, [&] { return api().cuStreamWaitEvent(nullptr, captured, 0); });
  capturing(blocking, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, [&] { return api().cuMemsetD8Async(adder.x, 0, 4, nullptr); });
  capturing(blocking, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, [&] { return api().cuStreamSynchronize(nullptr); });
  capturing(stream, CUDA_ERROR_STREAM_CAPTURE_MERGE, [&] {
    OK(cuStreamBeginCapture_v2(other, CU_STREAM_CAPTURE_MODE_GLOBAL));
    const CUresult result = api().cuStreamWaitEvent(other, captured, 0);
    CUgraph graph = nullptr;
    EXPECT(cuStreamEndCapture(other, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    return result;
  });
  capturing(stream, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, [&] {
    CUresult result = CUDA_SUCCESS;
    CUgraph graph = nullptr;
    std::thread([&] {
      api().cuCtxSetCurrent(gpu.context);
      result = api().cuStreamEndCapture(stream, &graph);
    }).join();
    return result;
  });
  EXPECT(cuStreamWaitEvent(other, captured, 0), CUDA_ERROR_CAPTURED_EVENT);
  CUgraph graph = nullptr;
  EXPECT(cuStreamEndCapture(stream, &graph), CUDA_ERROR_ILLEGAL_STATE);
  EXPECT(cuStreamEndCapture(stream, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuStreamBeginCapture_v2(nullptr, CU_STREAM_CAPTURE_MODE_GLOBAL), unsupported);
  EXPECT(cuStreamBeginCapture_v2(stream, static_cast<CUstreamCaptureMode>(3)), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuGraphLaunch(nullptr, stream), CUDA_ERROR_INVALID_HANDLE);
  size_t count = 0;
  EXPECT(cuGraphGetNodes(nullptr, nullptr, &count), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuGraphDestroy(nullptr), CUDA_ERROR_INVALID_HANDLE);
}

CASE(modes, "what the modes of capture allow") {
  Gpu gpu;
  CUstream stream = createStream();
  CUgraph graph = nullptr;
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_ERROR_ILLEGAL_STATE);
  const CUdeviceptr address = allocate(4);
  OK(cuMemFree_v2(address));
  OK(cuStreamEndCapture(stream, &graph));
  OK(cuGraphDestroy(graph));
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CUresult result = CUDA_ERROR_UNKNOWN;
  std::thread([&] {
    CUdeviceptr elsewhere = 0;
    api().cuCtxSetCurrent(gpu.context);
    result = api().cuMemAlloc_v2(&elsewhere, 4);
  }).join();
  CHECK(result == CUDA_SUCCESS);
  OK(cuStreamEndCapture(stream, &graph));
  OK(cuGraphDestroy(graph));
}

CASE(stale, "graphs whose module or memory is gone") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  CUgraph graph = nullptr, other = nullptr;
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_LAUNCH(Launch(1, 32, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuStreamEndCapture(stream, &graph));
  OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(cuMemsetD8Async(adder.y, 0, 256, stream));
  OK(cuStreamEndCapture(stream, &other));
  CUgraphExec exec = instantiate(graph), fill = instantiate(other);
  EXPECT(cuGraphInstantiateWithFlags(&exec, graph, CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH), CUDA_ERROR_INVALID_VALUE);
  OK(cuModuleUnload(adder.module));
  EXPECT(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_HANDLE);
  OK(cuMemFree_v2(adder.y));
  OK(cuGraphLaunch(fill, stream));
  EXPECT(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK_FAULT("memset of 256 bytes");
  gpu.release();
  OK(cuGraphExecDestroy(exec));
  OK(cuGraphExecDestroy(fill));
  OK(cuGraphDestroy(graph));
  OK(cuGraphDestroy(other));
}
