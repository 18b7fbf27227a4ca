// Kernel launches: what a launch may ask for, and its parameters.
#include <algorithm>
#include <cstring>

#include "state.h"

using namespace gk_emu_driver;

namespace {

constexpr uint32_t kMostThreads = 1024, kMostGridX = 0x7fffffff, kMostGridYZ = 65535;
constexpr uint32_t kPortableCluster = 8, kMostCluster = 16;
constexpr uint32_t kReservedShared = 1024;  // of every block, for the system

struct Launched {
  std::shared_ptr<Function> function;
  std::shared_ptr<Module> module;
  std::shared_ptr<Context> context;
};

Launched launchedOf(State& driver, CUfunction handle) {
  Launched launched{driver.functions.find(handle), nullptr, nullptr};
  require(launched.function != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a function of a live module");
  launched.module = launched.function->module.lock();
  if (launched.module) launched.context = launched.module->context.lock();
  require(launched.context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the function's context was released");
  launched.context->checkUsable();
  return launched;
}

[[noreturn]] void refuse(const Function& function, const std::string& why, CUresult code = CUDA_ERROR_INVALID_VALUE) {
  throw Failure{code, function.name + ": " + why};
}

void checkShape(const Function& function, const CUlaunchConfig& config) {
  if (config.gridDimX == 0 || config.gridDimY == 0 || config.gridDimZ == 0) refuse(function, "a grid with a zero");
  if (config.gridDimX > kMostGridX || config.gridDimY > kMostGridYZ || config.gridDimZ > kMostGridYZ) {
    refuse(function, "a grid of " + std::to_string(config.gridDimX) + " × " + std::to_string(config.gridDimY) + " × " +
                         std::to_string(config.gridDimZ) + " blocks, more than 2147483647 × 65535 × 65535");
  }
  if (config.blockDimX == 0 || config.blockDimY == 0 || config.blockDimZ == 0) refuse(function, "a block with a zero");
  if (config.blockDimY != 1 || config.blockDimZ != 1) refuse(function, "only one-dimensional blocks are emulated", CUDA_ERROR_NOT_SUPPORTED);
  const uint32_t most = std::min(kMostThreads, function.info->max_threads);
  if (config.blockDimX > most) {
    refuse(function, "a block of " + std::to_string(config.blockDimX) + " threads; the kernel takes at most " + std::to_string(most));
  }
  if (config.sharedMemBytes > static_cast<uint32_t>(function.most_dynamic_shared)) {
    refuse(function, std::to_string(config.sharedMemBytes) + " bytes of dynamic shared memory; the function is set to at most " +
                         std::to_string(function.most_dynamic_shared));
  }
}

struct Attributes {
  uint32_t cluster = 1;
  bool dependent = false;
};

uint32_t checkCluster(const Function& function, const CUlaunchConfig& config, const CUlaunchAttributeValue& value, int capability) {
  const auto& size = value.clusterDim;
  if (size.x == 0 || size.y == 0 || size.z == 0) refuse(function, "a cluster with a zero");
  const uint64_t blocks = uint64_t(size.x) * size.y * size.z;
  if (capability < 90 && blocks > 1) refuse(function, "clusters need compute capability 9.0");
  if (blocks > (function.large_clusters ? kMostCluster : kPortableCluster)) {
    refuse(function, "a cluster of " + std::to_string(blocks) + " blocks", CUDA_ERROR_INVALID_CLUSTER_SIZE);
  }
  if (size.y != 1 || size.z != 1) refuse(function, "only one-dimensional clusters are emulated", CUDA_ERROR_NOT_SUPPORTED);
  if (config.gridDimX % size.x != 0) {
    refuse(function, "a grid of " + std::to_string(config.gridDimX) + " blocks is not divisible by clusters of " + std::to_string(size.x));
  }
  return size.x;
}

Attributes attributesOf(const Function& function, const CUlaunchConfig& config, int capability) {
  Attributes result;
  requireArgument(config.numAttrs == 0 || config.attrs != nullptr, "attrs is null");
  for (unsigned int i = 0; i < config.numAttrs; i++) {
    const CUlaunchAttribute& attribute = config.attrs[i];
    switch (attribute.id) {
      case CU_LAUNCH_ATTRIBUTE_IGNORE: break;
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: result.cluster = checkCluster(function, config, attribute.value, capability); break;
      case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
        result.dependent = attribute.value.programmaticStreamSerializationAllowed != 0;
        if (result.dependent && capability < 90) refuse(function, "dependent launch needs compute capability 9.0", CUDA_ERROR_NOT_SUPPORTED);
        break;
      default: refuse(function, "launch attribute " + std::to_string(attribute.id) + " is not emulated", CUDA_ERROR_NOT_SUPPORTED);
    }
  }
  return result;
}

// The kernel's one parameter, a struct: from the array of pointers to parameters, or from the buffer of the `extra` list.
std::vector<uint64_t> parametersOf(const Function& function, void** parameters, void** extra) {
  const size_t bytes = function.info->param_bytes;
  std::vector<uint64_t> words((bytes + 7) / 8);
  const void* source = nullptr;
  if (parameters != nullptr && extra != nullptr) refuse(function, "both kernelParams and extra are given");
  if (parameters != nullptr) source = parameters[0];
  if (extra != nullptr) {
    size_t size = 0;
    for (size_t i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
      if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) source = extra[i + 1];
      else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE) size = *static_cast<const size_t*>(extra[i + 1]);
      else refuse(function, "an unknown key in extra");
    }
    if (size != bytes) refuse(function, std::to_string(size) + " bytes of parameters, expected " + std::to_string(bytes));
  }
  if (bytes == 0) return words;
  if (source == nullptr) refuse(function, "no parameters, expected " + std::to_string(bytes) + " bytes");
  std::memcpy(words.data(), source, bytes);
  return words;
}

}  // namespace

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction handle, void** parameters, void** extra) {
  return call("cuLaunchKernelEx", [&](State& driver, Lock&) {
    requireArgument(config != nullptr, "config is null");
    Launched launched = launchedOf(driver, handle);
    const StreamUse use = streamOf(driver, config->hStream);
    require(use.context == launched.context, CUDA_ERROR_INVALID_HANDLE, "the stream and the function are of different contexts");
    const Function& function = *launched.function;
    checkShape(function, *config);
    const Attributes attributes = attributesOf(function, *config, use.context->settings.machine.limits.capability);
    KernelWork work{};
    work.params = parametersOf(function, parameters, extra);
    work.module = std::move(launched.module);
    work.function = std::move(launched.function);
    work.grid[0] = config->gridDimX;
    work.grid[1] = config->gridDimY;
    work.grid[2] = config->gridDimZ;
    work.block = config->blockDimX;
    work.cluster = attributes.cluster;
    work.shared_bytes = config->sharedMemBytes;
    work.dependent = attributes.dependent;
    enqueue(use, std::move(work));
    return CUDA_SUCCESS;
  });
}

// By threads, blocks and dynamic shared memory: emulated kernels have no registers.
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction handle, int blockSize, size_t dynamicShared) {
  return call("cuOccupancyMaxActiveBlocksPerMultiprocessor", [&](State& driver, Lock&) {
    requireArgument(blocks != nullptr, "blocks is null");
    const Launched launched = launchedOf(driver, handle);
    const gk_emu::Limits& limits = launched.context->settings.machine.limits;
    requireArgument(blockSize > 0 && blockSize <= static_cast<int>(kMostThreads), "a block has 1 to 1024 threads");
    *blocks = 0;
    if (static_cast<uint32_t>(blockSize) > launched.function->info->max_threads) return CUDA_SUCCESS;
    if (dynamicShared > static_cast<size_t>(launched.function->most_dynamic_shared)) return CUDA_SUCCESS;
    const uint32_t threads = (static_cast<uint32_t>(blockSize) + 31) / 32 * 32;
    const uint32_t shared = static_cast<uint32_t>(dynamicShared) + kReservedShared;
    const uint32_t by_threads = limits.threads_multiprocessor / threads, by_shared = limits.shared_multiprocessor / shared;
    *blocks = static_cast<int>(std::min({by_threads, limits.blocks_multiprocessor, by_shared}));
    return CUDA_SUCCESS;
  });
}
