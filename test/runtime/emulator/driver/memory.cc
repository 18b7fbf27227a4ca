// Device memory, pinned memory, copies, memsets.
#include "harness.h"

CASE(accounting, "memory is counted, and more than there is is refused") {
  Gpu gpu("memory=1048576");
  size_t free = 0, total = 0;
  OK(cuMemGetInfo_v2(&free, &total));
  CHECK(free == 1048576 && total == 1048576);
  const CUdeviceptr first = allocate(1000);
  CHECK(first % 256 == 0);
  OK(cuMemGetInfo_v2(&free, &total));
  CHECK(free == 1048576 - 1024);
  CUdeviceptr address = 0;
  EXPECT(cuMemAlloc_v2(&address, 1048576), CUDA_ERROR_OUT_OF_MEMORY);
  CHECK_FAULT("1047552 of 1048576 bytes free");
  EXPECT(cuMemAlloc_v2(&address, SIZE_MAX), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(cuMemAlloc_v2(&address, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemAlloc_v2(nullptr, 1), CUDA_ERROR_INVALID_VALUE);
  const CUdeviceptr rest = allocate(free);
  OK(cuMemFree_v2(first));
  EXPECT(cuMemFree_v2(first), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFree_v2(rest + 256), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFree_v2(0), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemFree_v2(rest));
  OK(cuMemGetInfo_v2(&free, &total));
  CHECK(free == total);
}

CASE(rounds, "a thousand rounds of allocation leave nothing behind") {
  Gpu gpu("memory=1048576");
  for (int i = 0; i < 1000; i++) {
    const CUdeviceptr a = allocate(300000), b = allocate(500000);
    OK(cuMemFree_v2(i % 2 == 0 ? a : b));
    OK(cuMemFree_v2(i % 2 == 0 ? b : a));
  }
  CHECK(statistics().allocations == 0);
}

CASE(copies, "copies there and back, within a device, and their errors") {
  Gpu gpu;
  const CUdeviceptr a = allocate(1024), b = allocate(1024);
  unsigned char out[1024], in[1024];
  for (int i = 0; i < 1024; i++) out[i] = static_cast<unsigned char>(i * 7);
  OK(cuMemcpyHtoD_v2(a, out, 1024));
  OK(cuMemcpyDtoDAsync_v2(b, a, 1024, nullptr));
  OK(cuMemcpyDtoH_v2(in, b + 24, 1000));
  CHECK(std::memcmp(in, out + 24, 1000) == 0);
  OK(cuMemcpyHtoD_v2(a, out, 0));
  EXPECT(cuMemcpyHtoD_v2(a, out, 1025), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyDtoH_v2(in, a + 1, 1024), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyHtoD_v2(a, nullptr, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyHtoD_v2(0, out, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyHtoD_v2(a, reinterpret_cast<void*>(b), 4), CUDA_ERROR_INVALID_VALUE);
  CHECK_FAULT("a device address where a host address is expected");
  EXPECT(cuMemcpyDtoDAsync_v2(a, reinterpret_cast<CUdeviceptr>(out), 4, nullptr), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemFree_v2(b));
  EXPECT(cuMemcpyDtoH_v2(in, b, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpyHtoDAsync_v2(a, out, 4, CU_STREAM_PER_THREAD), CUDA_ERROR_NOT_SUPPORTED);
}

CASE(pinned, "pinned memory is read when the copy runs, pageable memory at the call") {
  Gpu gpu;
  OK(gkEmulatedInject("none"));
  const CUdeviceptr a = allocate(1 << 20);
  void* block = nullptr;
  OK(cuMemHostAlloc(&block, 8192, CU_MEMHOSTALLOC_PORTABLE));
  EXPECT(cuMemHostAlloc(&block, 0, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemHostAlloc(nullptr, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemHostAlloc(&block, 1, 64), CUDA_ERROR_INVALID_VALUE);
  auto* values = static_cast<int*>(block);
  int pageable = 1, found = 0;
  CUstream stream = createStream();
  OK(cuMemcpyHtoDAsync_v2(a, &pageable, 4, stream));
  pageable = 2;  // too late for the copy
  OK(cuStreamSynchronize(stream));
  OK(cuMemcpyDtoH_v2(&found, a, 4));
  CHECK(found == 1);
  // Two copies from one pinned word, with a wait between: each sees the word as it is when it runs.
  values[0] = 10;
  OK(cuMemcpyHtoDAsync_v2(a, values, 4, stream));
  OK(cuStreamSynchronize(stream));
  values[0] = 20;
  OK(cuMemcpyHtoDAsync_v2(a + 4, values, 4, stream));
  OK(cuMemcpyDtoHAsync_v2(values + 1, a, 8, stream));
  OK(cuStreamSynchronize(stream));
  CHECK(values[1] == 10 && values[2] == 20);
  EXPECT(cuMemcpyHtoDAsync_v2(a, values, 8193, stream), CUDA_ERROR_INVALID_VALUE);
  CHECK_FAULT("past the pinned allocation");
  EXPECT(cuMemFreeHost(values + 1), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemFreeHost(block));
  EXPECT(cuMemFreeHost(block), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemFreeHost(nullptr), CUDA_ERROR_INVALID_VALUE);
}

CASE(pageableRead, "a copy to pageable memory is done when the call returns") {
  Gpu gpu;
  const CUdeviceptr a = allocate(4096);
  CUstream stream = createStream();
  std::vector<unsigned char> bytes(4096, 0);
  OK(cuMemsetD8Async(a, 0x5a, 4096, stream));
  OK(cuMemcpyDtoHAsync_v2(bytes.data(), a, 4096, stream));
  for (const unsigned char byte : bytes) CHECK(byte == 0x5a);
}

CASE(memsets, "memsets of bytes and words") {
  Gpu gpu;
  const CUdeviceptr a = allocate(64);
  OK(cuMemsetD8Async(a, 0xff, 64, nullptr));
  OK(cuMemsetD32Async(a + 8, 0x01020304, 3, nullptr));
  uint32_t words[16];
  OK(cuMemcpyDtoH_v2(words, a, 64));
  for (int i = 0; i < 16; i++) CHECK(words[i] == (i >= 2 && i < 5 ? 0x01020304u : 0xffffffffu));
  OK(cuMemsetD32Async(a, 1, 0, nullptr));
  EXPECT(cuMemsetD32Async(a + 2, 1, 1, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemsetD32Async(a, 1, 17, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemsetD32Async(a, 1, SIZE_MAX / 2, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemsetD8Async(a + 1, 1, 64, nullptr), CUDA_ERROR_INVALID_VALUE);
}

CASE(rectangles, "copies of rectangles") {
  Gpu gpu;
  const CUdeviceptr a = allocate(64);
  OK(cuMemsetD8Async(a, 0, 64, nullptr));
  unsigned char source[4 * 6], found[64];
  for (int i = 0; i < 24; i++) source[i] = static_cast<unsigned char>(i + 1);
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = source;
  copy.srcPitch = 6;
  copy.srcXInBytes = 1;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = a;
  copy.dstPitch = 16;
  copy.dstXInBytes = 2;
  copy.dstY = 1;
  copy.WidthInBytes = 3;
  copy.Height = 3;
  OK(cuMemcpy2DAsync_v2(&copy, nullptr));
  OK(cuMemcpyDtoH_v2(found, a, 64));
  for (int y = 0; y < 4; y++) {
    for (int x = 0; x < 16; x++) {
      const bool inside = y >= 1 && x >= 2 && x < 5;
      CHECK(found[y * 16 + x] == (inside ? source[(y - 1) * 6 + 1 + x - 2] : 0));
    }
  }
  CUDA_MEMCPY2D back{};  // the same rectangle, packed
  unsigned char packed[9];
  back.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  back.srcDevice = a;
  back.srcPitch = 16;
  back.srcXInBytes = 2;
  back.srcY = 1;
  back.dstMemoryType = CU_MEMORYTYPE_HOST;
  back.dstHost = packed;
  back.WidthInBytes = 3;
  back.Height = 3;
  OK(cuMemcpy2DAsync_v2(&back, nullptr));
  for (int i = 0; i < 9; i++) CHECK(packed[i] == source[i / 3 * 6 + 1 + i % 3]);
  copy.Height = 4;  // one row past the end
  EXPECT(cuMemcpy2DAsync_v2(&copy, nullptr), CUDA_ERROR_INVALID_VALUE);
  copy.Height = 3;
  copy.WidthInBytes = 15;
  EXPECT(cuMemcpy2DAsync_v2(&copy, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuMemcpy2DAsync_v2(nullptr, nullptr), CUDA_ERROR_INVALID_VALUE);
}
