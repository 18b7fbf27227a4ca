// NVRTC, CUDA's compiler as a library, loaded by name when it is asked for: nothing of CUDA is needed to build the addon.
#ifndef GRIFFIN_NVRTC_H
#define GRIFFIN_NVRTC_H
#include <memory>
#include <string>
#include <vector>

namespace griffin {

struct NvrtcResult {
  bool ok = false;
  std::string log;    // diagnostics, and what the assembler says when it is asked to be verbose
  std::string cubin;  // machine code; empty unless ok
};

class Nvrtc {
 public:
  // Loads a library by path or by a name that the dynamic linker finds. One per name. Throws Failure(kDevice) with the linker's reason, or
  // the name of a function that it lacks.
  static std::shared_ptr<Nvrtc> open(const std::string& path);

  int major() const { return major_; }
  int minor() const { return minor_; }

  // Compiles one translation unit called `name`. May be called from any thread.
  NvrtcResult compile(const std::string& source, const std::string& name, const std::vector<std::string>& options) const;

 private:
  using Program = struct ProgramTag*;
  struct Api {
    int (*version)(int*, int*);
    int (*create)(Program*, const char* source, const char* name, int headers, const char* const* texts, const char* const* names);
    int (*compile)(Program, int count, const char* const* options);
    int (*log_size)(Program, size_t*);
    int (*log)(Program, char*);
    int (*cubin_size)(Program, size_t*);
    int (*cubin)(Program, char*);
    int (*destroy)(Program*);
    const char* (*error_text)(int);
  };

  Nvrtc() = default;
  Api api_{};
  int major_ = 0;
  int minor_ = 0;
};

}  // namespace griffin

#endif
