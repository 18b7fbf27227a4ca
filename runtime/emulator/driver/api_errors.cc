// Names and texts of the driver's results.
#include "state.h"

using namespace gk_emu_driver;

namespace {

struct Entry {
  CUresult code;
  const char *name, *text;
};

#define ENTRY(code, text) {code, #code, text}
constexpr Entry kEntries[] = {
    ENTRY(CUDA_SUCCESS, "no error"),
    ENTRY(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    ENTRY(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ENTRY(CUDA_ERROR_NOT_INITIALIZED, "the driver is not initialised"),
    ENTRY(CUDA_ERROR_DEINITIALIZED, "the driver is shutting down"),
    ENTRY(CUDA_ERROR_STUB_LIBRARY, "the library is a stub, not a driver"),
    ENTRY(CUDA_ERROR_DEVICE_UNAVAILABLE, "the device is not available"),
    ENTRY(CUDA_ERROR_NO_DEVICE, "no device"),
    ENTRY(CUDA_ERROR_INVALID_DEVICE, "no such device"),
    ENTRY(CUDA_ERROR_INVALID_IMAGE, "not a module"),
    ENTRY(CUDA_ERROR_INVALID_CONTEXT, "invalid context"),
    ENTRY(CUDA_ERROR_NO_BINARY_FOR_GPU, "the module has no code for this device"),
    ENTRY(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable memory error"),
    ENTRY(CUDA_ERROR_INVALID_PTX, "PTX does not compile"),
    ENTRY(CUDA_ERROR_NVLINK_UNCORRECTABLE, "uncorrectable NVLink error"),
    ENTRY(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "no PTX compiler"),
    ENTRY(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "PTX of a newer toolkit"),
    ENTRY(CUDA_ERROR_INVALID_SOURCE, "invalid kernel source"),
    ENTRY(CUDA_ERROR_FILE_NOT_FOUND, "file not found"),
    ENTRY(CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, "a shared object lacks a symbol"),
    ENTRY(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, "a shared object cannot be loaded"),
    ENTRY(CUDA_ERROR_OPERATING_SYSTEM, "a call of the operating system failed"),
    ENTRY(CUDA_ERROR_INVALID_HANDLE, "invalid handle"),
    ENTRY(CUDA_ERROR_ILLEGAL_STATE, "the object is in the wrong state"),
    ENTRY(CUDA_ERROR_NOT_FOUND, "name not found"),
    ENTRY(CUDA_ERROR_NOT_READY, "not finished yet"),
    ENTRY(CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel accessed memory that it must not"),
    ENTRY(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "a launch needs more than the device has"),
    ENTRY(CUDA_ERROR_LAUNCH_TIMEOUT, "a kernel ran too long"),
    ENTRY(CUDA_ERROR_CONTEXT_IS_DESTROYED, "the context was released"),
    ENTRY(CUDA_ERROR_ASSERT, "an assertion in a kernel failed"),
    ENTRY(CUDA_ERROR_HARDWARE_STACK_ERROR, "a kernel's call stack is damaged"),
    ENTRY(CUDA_ERROR_ILLEGAL_INSTRUCTION, "illegal instruction in a kernel"),
    ENTRY(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned access in a kernel"),
    ENTRY(CUDA_ERROR_INVALID_ADDRESS_SPACE, "access to the wrong address space in a kernel"),
    ENTRY(CUDA_ERROR_INVALID_PC, "a kernel jumped to an invalid address"),
    ENTRY(CUDA_ERROR_LAUNCH_FAILED, "a kernel failed"),
    ENTRY(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks for a cooperative launch"),
    ENTRY(CUDA_ERROR_NOT_PERMITTED, "not permitted"),
    ENTRY(CUDA_ERROR_NOT_SUPPORTED, "not supported"),
    ENTRY(CUDA_ERROR_SYSTEM_NOT_READY, "the system is not ready"),
    ENTRY(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "kernel and user parts of the driver differ"),
    ENTRY(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, "forward compatibility is not supported on this device"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not allowed while a stream is capturing"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "an earlier error made the capture invalid"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_MERGE, "two captures would be joined"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture began in another stream"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "forked work of the capture was not joined"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "the capture would depend on work outside of it"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream would wait for a capture"),
    ENTRY(CUDA_ERROR_CAPTURED_EVENT, "the event was recorded in a capture"),
    ENTRY(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture began in another thread"),
    ENTRY(CUDA_ERROR_TIMEOUT, "timeout"),
    ENTRY(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph cannot be updated"),
    ENTRY(CUDA_ERROR_EXTERNAL_DEVICE, "another device failed"),
    ENTRY(CUDA_ERROR_INVALID_CLUSTER_SIZE, "invalid cluster size"),
    ENTRY(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef ENTRY

CUresult find(CUresult code, const char** text, const char* Entry::*what) {
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *text = nullptr;
  for (const Entry& entry : kEntries) {
    if (entry.code == code) *text = entry.*what;
  }
  return *text == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

}  // namespace

CUresult cuGetErrorName(CUresult error, const char** text) { return find(error, text, &Entry::name); }
CUresult cuGetErrorString(CUresult error, const char** text) { return find(error, text, &Entry::text); }
