#ifndef GRIFFIN_JS_NVRTC_H
#define GRIFFIN_JS_NVRTC_H
#include <napi.h>

namespace griffin {

void add_nvrtc_functions(Napi::Object exports);

}  // namespace griffin

#endif
