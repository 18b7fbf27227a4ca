// What can be read from the bytes of a shared object before it is loaded.
#ifndef GK_EMULATED_ELF_IMAGE_H
#define GK_EMULATED_ELF_IMAGE_H
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace gk_emu_driver {

struct ElfObject {
  size_t bytes;
  bool writable;
};

struct ElfImage {
  size_t bytes;                                        // of the whole file, from its headers
  std::unordered_map<std::string, ElfObject> objects;  // exported variables
};

// `image`: the start of a module as cuModuleLoadData gets it, without a length. Throws Failure, with the code of the driver, for anything but a
// shared object of this machine: CUDA_ERROR_NO_BINARY_FOR_GPU for device code of real GPUs, CUDA_ERROR_INVALID_PTX for text,
// CUDA_ERROR_INVALID_IMAGE for other bytes.
ElfImage readElfImage(const void* image);

}  // namespace gk_emu_driver

#endif
