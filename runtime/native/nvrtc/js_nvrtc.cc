// NVRTC for JavaScript: a version, and compilations on Node's worker threads.
#include "js_nvrtc.h"

#include "../js_common.h"
#include "nvrtc.h"

namespace griffin {
namespace {

// (path): [major, minor]
Napi::Value nvrtc_version(const Napi::CallbackInfo& info) {
  const auto nvrtc = Nvrtc::open(to_text(info[0], "path"));
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, static_cast<double>(nvrtc->major()));
  result.Set(1u, static_cast<double>(nvrtc->minor()));
  return result;
}

class CompileWork : public Napi::AsyncWorker {
 public:
  CompileWork(Napi::Env env, std::shared_ptr<Nvrtc> nvrtc, std::string source, std::string name, std::vector<std::string> options)
      : Napi::AsyncWorker(env), deferred_(env), nvrtc_(std::move(nvrtc)), source_(std::move(source)), name_(std::move(name)), options_(std::move(options)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      result_ = nvrtc_->compile(source_, name_, options_);
    } catch (const std::bad_alloc&) {
      SetError("out of memory");
    }
  }
  void OnOK() override {
    Napi::Array answer = Napi::Array::New(Env(), 2);
    answer.Set(0u, Napi::String::New(Env(), result_.log));
    answer.Set(1u, result_.ok ? Napi::Value(Napi::Buffer<char>::Copy(Env(), result_.cubin.data(), result_.cubin.size())) : Env().Null());
    deferred_.Resolve(answer);
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Nvrtc> nvrtc_;
  std::string source_, name_;
  std::vector<std::string> options_;
  NvrtcResult result_;
};

// (path, source, name, options): promise of [log, machine code or null]
Napi::Value nvrtc_compile(const Napi::CallbackInfo& info) {
  const auto nvrtc = Nvrtc::open(to_text(info[0], "path"));
  const Napi::Array list = to_array(info[3], "options");
  std::vector<std::string> options;
  for (uint32_t i = 0; i < list.Length(); i++) options.push_back(to_text(list.Get(i), "an option"));
  auto* work = new CompileWork(info.Env(), nvrtc, to_text(info[1], "source"), to_text(info[2], "name"), std::move(options));
  const Napi::Promise promise = work->promise();
  work->Queue();
  return promise;
}

}  // namespace

void add_nvrtc_functions(Napi::Object exports) {
  add_function<nvrtc_version>(exports, "nvrtcVersion");
  add_function<nvrtc_compile>(exports, "nvrtcCompile");
}

}  // namespace griffin
