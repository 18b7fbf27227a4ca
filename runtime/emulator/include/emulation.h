// What CUDA kernels are compiled against for the emulated device: CUDA's built-ins, and the gk:: functions of device.cuh in plain C++.
// One translation unit may hold several kernels. Compile with -DGK_EMULATED -fvisibility=hidden; two flavours:
//   fast     no instrumentation: collectives and barriers are checked, memory is not
//   checked  -fsanitize=thread,alignment on the compile step (the link step has no -fsanitize): every access is reported to the engine
#ifndef GK_EMULATION_H
#define GK_EMULATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emulation_abi.h"
#include "emulation_bind.h"
#include "emulation_checked.h"
#include "emulation_cuda.h"
#include "emulation_gk.h"

#endif
