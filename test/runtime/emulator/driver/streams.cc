// Streams and events. An injected kernel that never ends holds a stream up, so that what waits for it can be seen to wait.
#include "harness.h"

CASE(handles, "streams and events: flags and stale handles") {
  Gpu gpu;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  EXPECT(cuStreamCreate(&stream, 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuStreamCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  OK(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -1));
  OK(cuStreamQuery(stream));
  OK(cuStreamSynchronize(stream));
  EXPECT(cuEventCreate(&event, CU_EVENT_INTERPROCESS), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuEventCreate(nullptr, 0), CUDA_ERROR_INVALID_VALUE);
  OK(cuEventCreate(&event, CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING));
  EXPECT(cuEventRecord(nullptr, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventRecord(reinterpret_cast<CUevent>(stream), stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamWaitEvent(stream, nullptr, 0), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamWaitEvent(stream, event, 1), CUDA_ERROR_INVALID_VALUE);
  OK(cuStreamDestroy_v2(stream));
  EXPECT(cuStreamDestroy_v2(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamQuery(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventRecord(event, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuStreamDestroy_v2(nullptr), CUDA_ERROR_INVALID_HANDLE);
  OK(cuEventDestroy_v2(event));
  EXPECT(cuEventDestroy_v2(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventQuery(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventSynchronize(nullptr), CUDA_ERROR_INVALID_HANDLE);
}

CASE(times, "events: done, order of times, errors of elapsed time") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  CUevent start = createEvent(), end = createEvent(), untimed = createEvent(CU_EVENT_DISABLE_TIMING);
  float milliseconds = -1;
  OK(cuEventQuery(start));
  OK(cuEventSynchronize(start));
  EXPECT(cuEventElapsedTime(&milliseconds, start, end), CUDA_ERROR_INVALID_HANDLE);
  OK(cuEventRecord(start, stream));
  EXPECT_LAUNCH(Launch(1, 64, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuEventRecord(end, stream));
  OK(cuEventSynchronize(end));
  OK(cuEventQuery(end));
  OK(cuEventElapsedTime(&milliseconds, start, end));
  CHECK(milliseconds >= 0);
  OK(cuEventElapsedTime(&milliseconds, end, start));
  CHECK(milliseconds <= 0);
  OK(cuEventRecord(untimed, stream));
  OK(cuStreamSynchronize(stream));
  EXPECT(cuEventElapsedTime(&milliseconds, start, untimed), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuEventElapsedTime(nullptr, start, end), CUDA_ERROR_INVALID_VALUE);
}

CASE(asynchronous, "work runs behind the caller's back: queries say that it is not ready") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  CUevent before = createEvent(), after = createEvent();
  OK(gkEmulatedInject("hang@1"));
  OK(cuEventRecord(before, stream));
  EXPECT_LAUNCH(Launch(1, 64, stream).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuEventRecord(after, stream));
  OK(cuEventSynchronize(before));
  EXPECT(cuEventQuery(after), CUDA_ERROR_NOT_READY);
  EXPECT(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  float milliseconds = 0;
  EXPECT(cuEventElapsedTime(&milliseconds, before, after), CUDA_ERROR_NOT_READY);
  OK(cuStreamQuery(nullptr));  // a non-blocking stream does not concern the default stream
  gpu.release();               // ends although the kernel does not
}

CASE(defaultStream, "the default stream and blocking streams wait for each other") {
  Gpu gpu;
  Adder adder;
  CUstream blocking = createStream(CU_STREAM_DEFAULT);
  OK(gkEmulatedInject("hang@1"));
  EXPECT_LAUNCH(Launch(1, 64, blocking).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  EXPECT(cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);
  EXPECT(cuStreamQuery(CU_STREAM_LEGACY), CUDA_ERROR_NOT_READY);
}

CASE(anyOrder, "streams without an event between them run in the order of the schedule") {
  const struct {
    const char* settings;
    int expected;
  } rows[] = {{"devices=2;schedule=forward", 2}, {"devices=2;schedule=reverse", 1}};
  for (const auto& row : rows) {
    Gpu gpu(row.settings);
    const CUdeviceptr word = allocate(4);
    CUstream streams[2] = {createStream(), createStream()};
    // The gate: an event of a second device, behind a kernel that ends when that device is released.
    CUcontext other = nullptr;
    OK(cuDevicePrimaryCtxRetain(&other, 1));
    OK(cuCtxSetCurrent(other));
    {
      Adder adder;
      CUstream gate = createStream();
      CUevent opened = createEvent();
      OK(gkEmulatedInject("hang@1"));
      EXPECT_LAUNCH(Launch(1, 32, gate).run(adder.add, adder.params(1)), CUDA_SUCCESS);
      OK(cuEventRecord(opened, gate));
      OK(cuCtxSetCurrent(gpu.context));
      for (unsigned int i = 0; i < 2; i++) {
        OK(cuStreamWaitEvent(streams[i], opened, 0));
        OK(cuMemsetD32Async(word, i + 1, 1, streams[i]));
        EXPECT(cuStreamQuery(streams[i]), CUDA_ERROR_NOT_READY);
      }
    }
    OK(cuDevicePrimaryCtxRelease_v2(1));
    int found = 0;
    for (CUstream stream : streams) OK(cuStreamSynchronize(stream));
    OK(cuMemcpyDtoH_v2(&found, word, 4));
    CHECK(found == row.expected);
  }
}

CASE(order, "streams with an event between them run in its order, whatever the schedule") {
  for (const char* schedule : {"schedule=forward", "schedule=reverse", "schedule=random;seed=3"}) {
    Gpu gpu(schedule);
    const size_t bytes = 8 << 20;
    const CUdeviceptr big = allocate(bytes);
    CUstream first = createStream(), second = createStream();
    CUevent event = createEvent(CU_EVENT_DISABLE_TIMING);
    unsigned char found[2] = {0, 0};
    for (unsigned char round = 1; round <= 8; round++) {
      OK(cuMemsetD8Async(big, round, bytes, first));
      OK(cuEventRecord(event, first));
      OK(cuStreamWaitEvent(second, event, 0));
      OK(cuMemcpyDtoHAsync_v2(found, big + bytes - 1, 1, second));
      CHECK(found[0] == round);
    }
    // Destroyed streams finish their work.
    OK(cuMemsetD8Async(big, 99, bytes, first));
    OK(cuEventRecord(event, first));
    OK(cuStreamDestroy_v2(first));
    OK(cuEventSynchronize(event));
    OK(cuMemcpyDtoH_v2(found, big, 1));
    CHECK(found[0] == 99);
  }
}

CASE(waits, "a stream that waits for an event is not done before it") {
  Gpu gpu;
  Adder adder;
  CUstream first = createStream(), second = createStream();
  CUevent event = createEvent();
  OK(gkEmulatedInject("hang@1"));
  EXPECT_LAUNCH(Launch(1, 64, first).run(adder.add, adder.params(1)), CUDA_SUCCESS);
  OK(cuEventRecord(event, first));
  OK(cuStreamWaitEvent(second, event, 0));
  EXPECT(cuStreamQuery(second), CUDA_ERROR_NOT_READY);
  // The wait is for the record that was there: a later one changes nothing.
  CUstream third = createStream();
  OK(cuEventRecord(event, third));
  EXPECT(cuStreamQuery(second), CUDA_ERROR_NOT_READY);
}

CASE(synchronise, "waiting for the whole context") {
  Gpu gpu;
  Adder adder;
  CUstream stream = createStream();
  EXPECT_LAUNCH(Launch(1, 64, stream).run(adder.add, adder.params(5)), CUDA_SUCCESS);
  OK(cuCtxSynchronize());
  OK(cuStreamQuery(stream));
  CHECK(adder.read(adder.y, 3) == 8);
}
