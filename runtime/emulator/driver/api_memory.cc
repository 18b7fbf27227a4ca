// Device memory, pinned host memory, copies and memsets.
#include "state.h"

using namespace gk_emu_driver;

namespace {

void* pointer(CUdeviceptr address) { return reinterpret_cast<void*>(static_cast<uintptr_t>(address)); }

// Device memory, or a module's variable. Throws Failure when the range is neither.
Place devicePlace(State& driver, Context& context, CUdeviceptr address, size_t bytes, bool write) {
  auto* at = static_cast<unsigned char*>(pointer(address));
  if (context.machine().contains(at, bytes)) return Place{Place::kDevice, at, nullptr};
  Place place{Place::kModule, at, nullptr};
  driver.modules.each([&](const std::shared_ptr<Module>& module) {
    if (module->context.lock().get() != &context) return;
    for (const auto& named : module->variables) {
      const Module::Variable& variable = named.second;
      const bool inside = at >= variable.address && bytes <= variable.bytes && size_t(at - variable.address) <= variable.bytes - bytes;
      if (inside && (variable.writable || !write)) place.module = module;
    }
  });
  if (place.module) return place;
  throw Failure{CUDA_ERROR_INVALID_VALUE,
                std::to_string(bytes) + " bytes at " + context.machine().describe(at) + " are not inside one live device allocation"};
}

struct Copy {
  StreamUse use;
  CopyWork work;
};

Copy toDevice(State& driver, CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  const StreamUse use = streamOf(driver, stream);
  return {use, CopyWork{devicePlace(driver, *use.context, to, bytes, true), use.context->hostPlace(from, bytes), bytes, nullptr, 1, 0, 0}};
}

Copy toHost(State& driver, void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  const StreamUse use = streamOf(driver, stream);
  return {use, CopyWork{use.context->hostPlace(to, bytes), devicePlace(driver, *use.context, from, bytes, false), bytes, nullptr, 1, 0, 0}};
}

CUresult fill(const char* name, CUdeviceptr to, uint32_t value, uint32_t width, size_t count, CUstream stream) {
  return call(name, [&](State& driver, Lock&) {
    const StreamUse use = streamOf(driver, stream);
    requireArgument(count <= SIZE_MAX / width, "too many elements");
    requireArgument(to % width == 0, "the address is not a multiple of the element's size");
    if (count == 0) return CUDA_SUCCESS;
    enqueue(use, FillWork{devicePlace(driver, *use.context, to, count * width, true), value, width, count});
    return CUDA_SUCCESS;
  });
}

}  // namespace

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  return call("cuMemGetInfo_v2", [&](State& driver, Lock&) {
    requireArgument(free != nullptr && total != nullptr, "free or total is null");
    const auto context = currentContext(driver);
    *total = context->settings.memory;
    *free = context->settings.memory - context->used();
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return call("cuMemAlloc_v2", [&](State& driver, Lock&) {
    requireArgument(address != nullptr, "address is null");
    const auto context = currentContext(driver);
    requireArgument(bytes > 0, "0 bytes");
    forbidDuringCapture(driver);
    require(!driver.injections.due(Injection::kAlloc), CUDA_ERROR_OUT_OF_MEMORY, "injected: the allocation failed");
    *address = reinterpret_cast<uintptr_t>(context->allocate(bytes));
    return CUDA_SUCCESS;
  });
}

// Waits for the work of the context first, as real drivers do.
CUresult cuMemFree_v2(CUdeviceptr address) {
  return call("cuMemFree_v2", [&](State& driver, Lock& lock) {
    const auto context = currentContext(driver);
    forbidDuringCapture(driver);
    context->waitForAll(lock);
    context->free(pointer(address));
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned int flags) {
  return call("cuMemHostAlloc", [&](State& driver, Lock&) {
    requireArgument(address != nullptr, "address is null");
    const auto context = currentContext(driver);
    requireArgument(bytes > 0, "0 bytes");
    requireArgument(flags <= (CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED), "unknown flags");
    forbidDuringCapture(driver);
    *address = context->allocatePinned(bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFreeHost(void* address) {
  return call("cuMemFreeHost", [&](State& driver, Lock& lock) {
    const auto context = currentContext(driver);
    forbidDuringCapture(driver);
    context->waitForAll(lock);
    context->freePinned(address);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return call("cuMemcpyHtoD_v2", [&](State& driver, Lock& lock) {
    currentContext(driver);
    forbidDuringCapture(driver);
    if (bytes == 0) return CUDA_SUCCESS;
    Copy copy = toDevice(driver, to, from, bytes, nullptr);
    copy.use.context->wait(lock, enqueue(copy.use, std::move(copy.work)));
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  return call("cuMemcpyDtoH_v2", [&](State& driver, Lock& lock) {
    currentContext(driver);
    forbidDuringCapture(driver);
    if (bytes == 0) return CUDA_SUCCESS;
    Copy copy = toHost(driver, to, from, bytes, nullptr);
    copy.use.context->wait(lock, enqueue(copy.use, std::move(copy.work)));
    return CUDA_SUCCESS;
  });
}

// From pageable memory the bytes are taken at the call; from pinned memory when the copy runs.
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return call("cuMemcpyHtoDAsync_v2", [&](State& driver, Lock&) {
    const StreamUse use = streamOf(driver, stream);
    if (bytes == 0) return CUDA_SUCCESS;
    Copy copy = toDevice(driver, to, from, bytes, stream);
    if (copy.work.from.kind == Place::kPageable && !use.stream->capture) {
      const auto* source = static_cast<const unsigned char*>(from);
      copy.work.staged = std::make_shared<std::vector<unsigned char>>(source, source + bytes);
    }
    enqueue(use, std::move(copy.work));
    return CUDA_SUCCESS;
  });
}

// To pageable memory the call returns when the bytes are there.
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call("cuMemcpyDtoHAsync_v2", [&](State& driver, Lock& lock) {
    const StreamUse use = streamOf(driver, stream);
    if (bytes == 0) return CUDA_SUCCESS;
    Copy copy = toHost(driver, to, from, bytes, stream);
    const bool pageable = copy.work.to.kind == Place::kPageable;
    const auto done = enqueue(use, std::move(copy.work));
    if (pageable) use.context->wait(lock, done);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call("cuMemcpyDtoDAsync_v2", [&](State& driver, Lock&) {
    const StreamUse use = streamOf(driver, stream);
    if (bytes == 0) return CUDA_SUCCESS;
    const Place target = devicePlace(driver, *use.context, to, bytes, true);
    enqueue(use, CopyWork{target, devicePlace(driver, *use.context, from, bytes, false), bytes, nullptr, 1, 0, 0});
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return call("cuMemcpy2DAsync_v2", [&](State& driver, Lock& lock) {
    requireArgument(copy != nullptr, "copy is null");
    const StreamUse use = streamOf(driver, stream);
    if (copy->WidthInBytes == 0 || copy->Height == 0) return CUDA_SUCCESS;
    CopyWork work{};
    work.bytes = copy->WidthInBytes;
    work.rows = copy->Height;
    work.to_pitch = copy->dstPitch == 0 ? copy->WidthInBytes : copy->dstPitch;
    work.from_pitch = copy->srcPitch == 0 ? copy->WidthInBytes : copy->srcPitch;
    const bool fits = copy->dstXInBytes + work.bytes <= work.to_pitch && copy->srcXInBytes + work.bytes <= work.from_pitch;
    requireArgument(fits, "a row is longer than the pitch");
    const size_t to_offset = copy->dstY * work.to_pitch + copy->dstXInBytes, from_offset = copy->srcY * work.from_pitch + copy->srcXInBytes;
    if (copy->dstMemoryType == CU_MEMORYTYPE_DEVICE) {
      work.to = devicePlace(driver, *use.context, copy->dstDevice + to_offset, work.toExtent(), true);
    } else {
      requireArgument(copy->dstMemoryType == CU_MEMORYTYPE_HOST, "only host and device memory are emulated");
      work.to = use.context->hostPlace(static_cast<unsigned char*>(copy->dstHost) + to_offset, work.toExtent());
    }
    if (copy->srcMemoryType == CU_MEMORYTYPE_DEVICE) {
      work.from = devicePlace(driver, *use.context, copy->srcDevice + from_offset, work.fromExtent(), false);
    } else {
      requireArgument(copy->srcMemoryType == CU_MEMORYTYPE_HOST, "only host and device memory are emulated");
      work.from = use.context->hostPlace(static_cast<const unsigned char*>(copy->srcHost) + from_offset, work.fromExtent());
      if (work.from.kind == Place::kPageable && !use.stream->capture) {
        const auto* source = static_cast<const unsigned char*>(work.from.address);
        work.staged = std::make_shared<std::vector<unsigned char>>(source, source + work.fromExtent());
      }
    }
    const bool pageable = work.to.kind == Place::kPageable;
    const auto done = enqueue(use, std::move(work));
    if (pageable) use.context->wait(lock, done);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return fill("cuMemsetD8Async", to, value, 1, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  return fill("cuMemsetD32Async", to, value, 4, count, stream);
}
