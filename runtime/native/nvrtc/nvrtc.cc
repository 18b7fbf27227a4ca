#include "nvrtc.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "../failure.h"

namespace griffin {
namespace {

template <class F>
void resolve(void* library, const std::string& path, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (function != nullptr) return;
  dlclose(library);
  throw Failure(FailureKind::kDevice, path + ": has no " + name);
}

// The library counts the terminating zero in sizes.
std::string without_terminator(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

}  // namespace

std::shared_ptr<Nvrtc> Nvrtc::open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<Nvrtc>> loaded;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = loaded.find(path); found != loaded.end()) return found->second;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw Failure(FailureKind::kDevice, why != nullptr ? why : path + ": cannot be loaded");
  }
  std::shared_ptr<Nvrtc> nvrtc(new Nvrtc());
  Api& api = nvrtc->api_;
  resolve(library, path, "nvrtcVersion", api.version);
  resolve(library, path, "nvrtcCreateProgram", api.create);
  resolve(library, path, "nvrtcCompileProgram", api.compile);
  resolve(library, path, "nvrtcGetProgramLogSize", api.log_size);
  resolve(library, path, "nvrtcGetProgramLog", api.log);
  resolve(library, path, "nvrtcGetCUBINSize", api.cubin_size);
  resolve(library, path, "nvrtcGetCUBIN", api.cubin);
  resolve(library, path, "nvrtcDestroyProgram", api.destroy);
  resolve(library, path, "nvrtcGetErrorString", api.error_text);
  if (api.version(&nvrtc->major_, &nvrtc->minor_) != 0) {
    dlclose(library);
    throw Failure(FailureKind::kDevice, path + ": does not tell its version");
  }
  // The library loads a second one by name, with which the linker cannot help when the first came by its path: it then finds this one.
  if (const size_t slash = path.rfind('/'); slash != std::string::npos) {
    const std::string builtins = path.substr(0, slash) + "/libnvrtc-builtins.so." + std::to_string(nvrtc->major_) + "." + std::to_string(nvrtc->minor_);
    dlopen(builtins.c_str(), RTLD_NOW | RTLD_GLOBAL);
  }
  loaded.emplace(path, nvrtc);
  return nvrtc;
}

NvrtcResult Nvrtc::compile(const std::string& source, const std::string& name, const std::vector<std::string>& options) const {
  NvrtcResult result;
  Program program = nullptr;
  if (const int code = api_.create(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr); code != 0) {
    result.log = std::string("nvrtcCreateProgram: ") + api_.error_text(code);
    return result;
  }
  std::vector<const char*> texts;
  for (const std::string& option : options) texts.push_back(option.c_str());
  const int code = api_.compile(program, static_cast<int>(texts.size()), texts.data());
  size_t bytes = 0;
  if (api_.log_size(program, &bytes) == 0 && bytes > 0) {
    result.log.resize(bytes);
    if (api_.log(program, &result.log[0]) != 0) result.log.clear();
    result.log = without_terminator(std::move(result.log));
  }
  if (code == 0 && api_.cubin_size(program, &bytes) == 0 && bytes > 0) {
    result.cubin.resize(bytes);
    result.ok = api_.cubin(program, &result.cubin[0]) == 0;
  }
  if (!result.ok) {
    result.cubin.clear();
    if (result.log.empty()) result.log = std::string("nvrtcCompileProgram: ") + (code != 0 ? api_.error_text(code) : "no machine code for this architecture");
  }
  api_.destroy(&program);
  return result;
}

}  // namespace griffin
