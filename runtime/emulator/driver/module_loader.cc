#include "module_loader.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../engine/engine.h"

namespace gk_emu_driver {
namespace {

const char* const kInfoSuffix = "__info";

[[noreturn]] void cannotLoad(const std::string& why) { throw Failure{CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, "the module cannot be loaded: " + why}; }

class Descriptor {
 public:
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

// The loader takes a path that it has seen for a library that it knows, but numbers of closed descriptors come back. So every path is
// spelled differently: the bits of a counter as "/." and "//".
std::string pathOf(int descriptor) {
  static uint64_t loads = 0;
  std::string path = "/proc/self/fd";
  for (uint64_t bits = ++loads; bits != 0; bits >>= 1) path += (bits & 1) != 0 ? "/." : "//";
  return path + "/" + std::to_string(descriptor);
}

void* openBytes(const void* image, size_t bytes) {
  const Descriptor file(memfd_create("griffin-emulated-module", MFD_CLOEXEC));
  if (file.number < 0) cannotLoad(std::string("memfd_create: ") + std::strerror(errno));
  for (size_t done = 0; done < bytes;) {
    const ssize_t written = write(file.number, static_cast<const char*>(image) + done, bytes - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) cannotLoad(std::string("writing it to memory: ") + std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  void* library = dlopen(pathOf(file.number).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    cannotLoad(why != nullptr ? why : "dlopen failed");
  }
  return library;
}

const gk_emu_kernel* infoOf(const Module& module, const std::string& entry) {
  return static_cast<const gk_emu_kernel*>(dlsym(module.library, (entry + kInfoSuffix).c_str()));
}

void checkKernels(const Module& module, const gk_emu::Config& device) {
  const int capability = device.limits.capability;
  for (const auto& object : module.image.objects) {
    const std::string& symbol = object.first;
    const size_t suffix = std::strlen(kInfoSuffix);
    if (symbol.size() <= suffix || symbol.compare(symbol.size() - suffix, suffix, kInfoSuffix) != 0) continue;
    const std::string entry = symbol.substr(0, symbol.size() - suffix);
    const gk_emu_kernel* info = infoOf(module, entry);
    if (info == nullptr || dlsym(module.library, entry.c_str()) == nullptr) continue;
    if (info->abi != GK_EMU_ABI) {
      throw Failure{CUDA_ERROR_NO_BINARY_FOR_GPU, entry + ": built for interface " + std::to_string(info->abi) + " of the emulation, not " +
                                                      std::to_string(GK_EMU_ABI)};
    }
    if (static_cast<int>(info->capability) > capability) {
      throw Failure{CUDA_ERROR_NO_BINARY_FOR_GPU, entry + ": built for compute capability " + std::to_string(info->capability) +
                                                      ", the device has " + std::to_string(capability)};
    }
    if (device.checked && info->checked == 0) {
      throw Failure{CUDA_ERROR_NO_BINARY_FOR_GPU, entry + ": compiled without checks, but the device is set to check (checked=1)"};
    }
  }
}

}  // namespace

Module::~Module() {
  if (library != nullptr) dlclose(library);
}

std::shared_ptr<Module> loadModule(const void* image, const gk_emu::Config& device) {
  auto module = std::make_shared<Module>();
  module->image = readElfImage(image);
  module->library = openBytes(image, module->image.bytes);
  const auto bind = reinterpret_cast<int (*)(const gk_emu_table*)>(dlsym(module->library, "gk_emu_bind"));
  require(bind != nullptr, CUDA_ERROR_NO_BINARY_FOR_GPU, "the shared object is no emulated module: it has no gk_emu_bind");
  require(bind(&gk_emu::engine_table()) == 0, CUDA_ERROR_NO_BINARY_FOR_GPU, "the module was built for another version of the emulation");
  checkKernels(*module, device);
  return module;
}

std::shared_ptr<Function> findFunction(const std::shared_ptr<Module>& module, const std::string& name, const gk_emu::Limits& limits) {
  void* entry = dlsym(module->library, name.c_str());
  const gk_emu_kernel* info = infoOf(*module, name);
  if (entry == nullptr || info == nullptr) throw Failure{CUDA_ERROR_NOT_FOUND, "the module has no kernel " + name};
  auto function = std::make_shared<Function>();
  function->module = module;
  function->name = name;
  function->entry = reinterpret_cast<void (*)(const void*)>(entry);
  function->info = info;
  function->most_dynamic_shared = static_cast<int>(std::min(limits.shared_static, limits.shared_block));
  return function;
}

Module::Variable findVariable(Module& module, const std::string& name) {
  if (const auto known = module.variables.find(name); known != module.variables.end()) return known->second;
  const auto object = module.image.objects.find(name);
  void* address = object == module.image.objects.end() ? nullptr : dlsym(module.library, name.c_str());
  if (address == nullptr) throw Failure{CUDA_ERROR_NOT_FOUND, "the module has no variable " + name};
  const Module::Variable variable{static_cast<unsigned char*>(address), object->second.bytes, object->second.writable};
  module.variables.emplace(name, variable);
  return variable;
}

}  // namespace gk_emu_driver
