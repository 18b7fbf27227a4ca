// Initialisation, devices and their primary contexts.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "state.h"

using namespace gk_emu_driver;

namespace {

constexpr int kDriverVersion = 12000;  // 12.0: the oldest that this project needs
// What an emulated device says of its clocks and buses. No timing follows from them.
constexpr int kClockKhz = 1000000, kMemoryClockKhz = 1000000, kBusBits = 64, kL2Bytes = 4 << 20;
constexpr int kRegistersPerMultiprocessor = 65536;
constexpr int kReservedShared = 1024;  // per block, for the system

// A live context keeps the settings that it was made with.
const Settings& settingsOf(State& driver, CUdevice device) {
  const Device& one = deviceOf(driver, device);
  return one.context ? one.context->settings : driver.settings;
}

int attributeOf(const gk_emu::Limits& limits, CUdevice_attribute attribute, CUdevice device) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return static_cast<int>(limits.shared_static);
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 65536;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return kRegistersPerMultiprocessor;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return kClockKhz;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return limits.multiprocessors;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return kMemoryClockKhz;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return kBusBits;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return kL2Bytes;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return static_cast<int>(limits.threads_multiprocessor);
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return limits.capability / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return limits.capability % 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return static_cast<int>(limits.shared_multiprocessor);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return static_cast<int>(limits.shared_block);
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return static_cast<int>(limits.blocks_multiprocessor);
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return kReservedShared;
    case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH: return limits.capability >= 90 ? 1 : 0;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: return device;
    case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
    case CU_DEVICE_ATTRIBUTE_MAX_PERSISTING_L2_CACHE_SIZE: return 0;
  }
  throw Failure{CUDA_ERROR_INVALID_VALUE, "device attribute " + std::to_string(attribute) + " is not emulated"};
}

// Everything that the context owns goes with it. Graphs are host objects and stay until they are destroyed.
void closeContext(State& driver, Lock& lock, const std::shared_ptr<Context>& context) {
  const auto owned = [&](const auto& object) { return object.context.lock() == context; };
  driver.contexts.remove(context->handle);
  driver.streams.removeIf(owned);
  driver.events.removeIf(owned);
  driver.functions.removeIf([&](const Function& function) {
    const auto module = function.module.lock();
    return !module || owned(*module);
  });
  driver.modules.removeIf(owned);
  context->close(lock);
}

}  // namespace

CUresult cuInit(unsigned int flags) {
  return callAnytime("cuInit", [&](State& driver, Lock&) {
    requireArgument(flags == 0, "flags must be 0");
    require(driver.settings.devices > 0, CUDA_ERROR_NO_DEVICE, "the settings say devices=0");
    driver.initialised = true;
    return CUDA_SUCCESS;
  });
}

CUresult cuDriverGetVersion(int* version) {
  return callAnytime("cuDriverGetVersion", [&](State&, Lock&) {
    requireArgument(version != nullptr, "version is null");
    *version = kDriverVersion;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetCount(int* count) {
  return call("cuDeviceGetCount", [&](State& driver, Lock&) {
    requireArgument(count != nullptr, "count is null");
    *count = driver.settings.devices;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return call("cuDeviceGet", [&](State& driver, Lock&) {
    requireArgument(device != nullptr, "device is null");
    deviceOf(driver, ordinal);
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
  return call("cuDeviceGetName", [&](State& driver, Lock&) {
    requireArgument(name != nullptr && size > 0, "no room for the name");
    const int capability = settingsOf(driver, device).machine.limits.capability;
    std::snprintf(name, static_cast<size_t>(size), "Emulated NVIDIA GPU (compute capability %d.%d)", capability / 10, capability % 10);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return call("cuDeviceGetUuid_v2", [&](State& driver, Lock&) {
    requireArgument(uuid != nullptr, "uuid is null");
    const int capability = settingsOf(driver, device).machine.limits.capability;
    const char name[17] = "griffin-emulated";
    std::memcpy(uuid->bytes, name, sizeof uuid->bytes);
    uuid->bytes[14] = static_cast<char>(capability);
    uuid->bytes[15] = static_cast<char>(device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return call("cuDeviceGetAttribute", [&](State& driver, Lock&) {
    requireArgument(value != nullptr, "value is null");
    *value = attributeOf(settingsOf(driver, device).machine.limits, attribute, device);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  return call("cuDeviceTotalMem_v2", [&](State& driver, Lock&) {
    requireArgument(bytes != nullptr, "bytes is null");
    *bytes = settingsOf(driver, device).memory;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetPCIBusId(char* text, int size, CUdevice device) {
  return call("cuDeviceGetPCIBusId", [&](State& driver, Lock&) {
    deviceOf(driver, device);
    requireArgument(text != nullptr && size >= 13, "room for at least 13 characters is needed");
    std::snprintf(text, static_cast<size_t>(size), "0000:00:%02x.0", static_cast<unsigned>(device));
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return call("cuDevicePrimaryCtxRetain", [&](State& driver, Lock&) {
    requireArgument(context != nullptr, "context is null");
    Device& one = deviceOf(driver, device);
    require(!one.lost, CUDA_ERROR_DEVICE_UNAVAILABLE, "the device was lost");
    if (!one.context) {
      one.context = Context::create(device, driver.settings, driver.lock);
      one.context->handle = driver.contexts.add(one.context);
    }
    one.retained++;
    *context = one.context->handle;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return call("cuDevicePrimaryCtxRelease_v2", [&](State& driver, Lock& lock) {
    // Not deviceOf: the device may have gone from the settings since.
    require(device >= 0 && device < static_cast<int>(driver.devices.size()), CUDA_ERROR_INVALID_DEVICE, "no such device");
    Device& one = driver.devices[static_cast<size_t>(device)];
    require(one.retained > 0, CUDA_ERROR_INVALID_CONTEXT, "the primary context is not retained");
    if (--one.retained > 0) return CUDA_SUCCESS;
    const std::shared_ptr<Context> context = std::move(one.context);
    one.context = nullptr;
    closeContext(driver, lock, context);
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return call("cuCtxSetCurrent", [&](State& driver, Lock&) {
    require(context == nullptr || driver.contexts.find(context) != nullptr, CUDA_ERROR_INVALID_CONTEXT, "not a live context");
    currentHandle() = context;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return call("cuCtxGetCurrent", [&](State&, Lock&) {
    requireArgument(context != nullptr, "context is null");
    *context = currentHandle();
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  return call("cuCtxSynchronize", [&](State& driver, Lock& lock) {
    const auto context = currentContext(driver);
    for (const auto& stream : context->streams()) forbidOnCapturing({context, stream});
    forbidDuringCapture(driver);
    context->waitForAll(lock);
    return CUDA_SUCCESS;
  });
}
