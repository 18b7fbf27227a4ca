#include "driver.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

namespace griffin::cuda {

std::shared_ptr<Driver> Driver::open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<Driver>> loaded;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = loaded.find(path); found != loaded.end()) return found->second;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw Failure(FailureKind::kDevice, why != nullptr ? why : path + ": cannot be loaded");
  }
  std::shared_ptr<Driver> driver(new Driver());
  driver->path_ = path;
  const char* missing = fillDriverApi(driver->api_, [library](const char* name) { return dlsym(library, name); });
  if (missing != nullptr) {
    dlclose(library);
    throw Failure(FailureKind::kDevice, path + ": has no " + missing);
  }
  loaded.emplace(path, driver);
  return driver;
}

std::string Driver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  if (api_.cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr) name = "CUDA error";
  if (api_.cuGetErrorString(result, &text) != CUDA_SUCCESS || text == nullptr) text = "no description";
  return std::string(name) + " (" + std::to_string(static_cast<int>(result)) + ", " + text + ")";
}

std::string Driver::last_fault() const {
  if (api_.gkEmulatedLastFault == nullptr) return "";
  const char* text = api_.gkEmulatedLastFault();
  return text != nullptr ? text : "";
}

void Driver::check(CUresult result, const std::string& doing) const {
  if (result != CUDA_SUCCESS) throw Failure(FailureKind::kDevice, doing + ": " + describe(result));
}

bool is_fatal(CUresult result) {
  switch (result) {
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_INVALID_CONTEXT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_EXTERNAL_DEVICE:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace griffin::cuda
