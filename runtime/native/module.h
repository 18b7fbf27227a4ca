// A loaded shared object and its kernels.
#ifndef GRIFFIN_MODULE_H
#define GRIFFIN_MODULE_H
#include <memory>
#include <string>

#include "kernel_abi.h"

namespace griffin {

class Module {
 public:
  // Throws Failure(kLibrary) when the file is not a whole shared object for this machine or the loader refuses it.
  static std::shared_ptr<Module> open(const std::string& path);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Throws Failure(kLibrary) when the symbol is missing or is not a kernel of this ABI version.
  const gk_kernel* find(const std::string& symbol) const;

 private:
  Module() = default;
  std::string path_;
  void* handle_ = nullptr;
};

// A kernel keeps its module loaded.
struct Kernel {
  std::shared_ptr<Module> module;
  const gk_kernel* entry;
};

}  // namespace griffin

#endif
