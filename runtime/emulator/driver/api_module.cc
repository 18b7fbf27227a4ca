// Modules, functions, variables.
#include <algorithm>
#include <cstring>
#include <functional>

#include "module_loader.h"
#include "state.h"

using namespace gk_emu_driver;

namespace {

std::shared_ptr<Module> moduleOf(State& driver, CUmodule handle) {
  std::shared_ptr<Module> module = driver.modules.find(handle);
  require(module != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a live module");
  if (const auto context = module->context.lock()) context->checkUsable();
  return module;
}

struct FunctionUse {
  std::shared_ptr<Function> function;
  std::shared_ptr<Context> context;
};
FunctionUse functionOf(State& driver, CUfunction handle) {
  FunctionUse use{driver.functions.find(handle), nullptr};
  require(use.function != nullptr, CUDA_ERROR_INVALID_HANDLE, "not a function of a live module");
  const auto module = use.function->module.lock();
  if (module) use.context = module->context.lock();
  require(use.context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the function's context was released");
  use.context->checkUsable();
  return use;
}

CUresult load(const char* name, CUmodule* handle, const void* image, const std::function<void(const std::string&)>& log) {
  return call(name, [&](State& driver, Lock&) {
    requireArgument(handle != nullptr && image != nullptr, "module or image is null");
    const auto context = currentContext(driver);
    forbidDuringCapture(driver);
    require(!driver.injections.due(Injection::kModule), CUDA_ERROR_NO_BINARY_FOR_GPU, "injected: the module was refused");
    try {
      const auto module = loadModule(image, context->settings.machine);
      module->context = context;
      *handle = driver.modules.add(module);
    } catch (const Failure& failure) {
      log(failure.why);
      throw;
    }
    return CUDA_SUCCESS;
  });
}

int attributeOf(const Function& function, CUfunction_attribute attribute) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return static_cast<int>(std::min(1024u, function.info->max_threads));
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: return static_cast<int>(function.info->capability);
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: return function.most_dynamic_shared;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: return function.carveout;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return function.large_clusters ? 1 : 0;
    // What only a compiler for the device knows. Static shared memory is laid out, and held to the limit, when a kernel runs.
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_NUM_REGS: return 0;
  }
  throw Failure{CUDA_ERROR_INVALID_VALUE, "function attribute " + std::to_string(attribute) + " is not emulated"};
}

}  // namespace

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return load("cuModuleLoadData", module, image, [](const std::string&) {});
}

// Of the options, the log buffers are filled; the rest concerns compiling PTX.
CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned int count, CUjit_option* options, void** values) {
  return load("cuModuleLoadDataEx", module, image, [&](const std::string& why) {
    char* buffer = nullptr;
    size_t size = 0;
    for (unsigned int i = 0; options != nullptr && values != nullptr && i < count; i++) {
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = reinterpret_cast<uintptr_t>(values[i]) & 0xffffffffu;
    }
    if (buffer == nullptr || size == 0) return;
    const size_t length = std::min(size - 1, why.size());
    std::memcpy(buffer, why.data(), length);
    buffer[length] = '\0';
  });
}

CUresult cuModuleUnload(CUmodule handle) {
  return call("cuModuleUnload", [&](State& driver, Lock&) {
    const auto module = moduleOf(driver, handle);
    forbidDuringCapture(driver);
    module->unloaded = true;
    for (const auto& named : module->functions) driver.functions.remove(named.second);
    driver.modules.remove(handle);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule handle, const char* name) {
  return call("cuModuleGetFunction", [&](State& driver, Lock&) {
    requireArgument(function != nullptr && name != nullptr, "function or name is null");
    const auto module = moduleOf(driver, handle);
    const auto context = module->context.lock();
    require(context != nullptr, CUDA_ERROR_INVALID_HANDLE, "the module's context was released");
    const auto known = module->functions.find(name);
    if (known == module->functions.end()) {
      *function = driver.functions.add(findFunction(module, name, context->settings.machine.limits));
      module->functions.emplace(name, *function);
    } else {
      *function = known->second;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* bytes, CUmodule handle, const char* name) {
  return call("cuModuleGetGlobal_v2", [&](State& driver, Lock&) {
    requireArgument(name != nullptr, "name is null");
    const Module::Variable variable = findVariable(*moduleOf(driver, handle), name);
    if (address != nullptr) *address = reinterpret_cast<uintptr_t>(variable.address);
    if (bytes != nullptr) *bytes = variable.bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  return call("cuFuncGetAttribute", [&](State& driver, Lock&) {
    requireArgument(value != nullptr, "value is null");
    *value = attributeOf(*functionOf(driver, handle).function, attribute);
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  return call("cuFuncSetAttribute", [&](State& driver, Lock&) {
    const FunctionUse use = functionOf(driver, handle);
    const gk_emu::Limits& limits = use.context->settings.machine.limits;
    switch (attribute) {
      case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        if (value < 0 || static_cast<uint32_t>(value) > limits.shared_block) {
          throw Failure{CUDA_ERROR_INVALID_VALUE, std::to_string(value) + " bytes of dynamic shared memory for " + use.function->name +
                                                      ": a block has at most " + std::to_string(limits.shared_block)};
        }
        use.function->most_dynamic_shared = value;
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        requireArgument(value >= -1 && value <= 100, "the carve-out is a percentage, or -1");
        use.function->carveout = value;
        return CUDA_SUCCESS;
      case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
        requireArgument(value == 0 || value == 1, "expected 0 or 1");
        requireArgument(limits.capability >= 90, "clusters need compute capability 9.0");
        use.function->large_clusters = value == 1;
        return CUDA_SUCCESS;
      default: throw Failure{CUDA_ERROR_INVALID_VALUE, "function attribute " + std::to_string(attribute) + " cannot be set"};
    }
  });
}
