// Emulated modules: shared objects that come as bytes.
#ifndef GK_EMULATED_MODULE_LOADER_H
#define GK_EMULATED_MODULE_LOADER_H
#include <memory>

#include "../engine/engine.h"
#include "objects.h"

namespace gk_emu_driver {

// Loads the module whose file begins at `image` for a device of those settings. Throws Failure: what readElfImage throws,
// CUDA_ERROR_SHARED_OBJECT_INIT_FAILED when it cannot be loaded, CUDA_ERROR_NO_BINARY_FOR_GPU when it is no emulated module, holds kernels of a
// capability that the device does not have, or was compiled without the checks that the device makes.
std::shared_ptr<Module> loadModule(const void* image, const gk_emu::Config& device);

// The kernel of that name. Throws Failure (CUDA_ERROR_NOT_FOUND).
std::shared_ptr<Function> findFunction(const std::shared_ptr<Module>& module, const std::string& name, const gk_emu::Limits& limits);
// The variable of that name. Throws Failure (CUDA_ERROR_NOT_FOUND).
Module::Variable findVariable(Module& module, const std::string& name);

}  // namespace gk_emu_driver

#endif
