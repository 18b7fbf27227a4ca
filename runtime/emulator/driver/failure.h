// How a call of the emulated driver goes wrong: the code that the caller gets, and why.
#ifndef GK_EMULATED_FAILURE_H
#define GK_EMULATED_FAILURE_H
#include <string>

#include "../../native/cuda/driver_api.h"

namespace gk_emu_driver {

struct Failure {
  CUresult code;
  std::string why;
};

inline void require(bool condition, CUresult code, const char* why) {
  if (!condition) throw Failure{code, why};
}
inline void requireArgument(bool condition, const char* why) { require(condition, CUDA_ERROR_INVALID_VALUE, why); }

}  // namespace gk_emu_driver

#endif
