// A loaded driver library, real or emulated, and what its result codes mean.
#ifndef GRIFFIN_CUDA_DRIVER_H
#define GRIFFIN_CUDA_DRIVER_H
#include <memory>
#include <string>

#include "../failure.h"
#include "driver_api.h"

namespace griffin::cuda {

// A rectangular copy as cuMemcpy2DAsync_v2 takes it.
struct Copy2D {
  size_t source_x = 0, source_y = 0;
  unsigned source_kind = 0;  // kHost or kDevice
  const void* source_host = nullptr;
  CUdeviceptr source_device = 0;
  void* source_array = nullptr;
  size_t source_pitch = 0;
  size_t target_x = 0, target_y = 0;
  unsigned target_kind = 0;
  void* target_host = nullptr;
  CUdeviceptr target_device = 0;
  void* target_array = nullptr;
  size_t target_pitch = 0;
  size_t width_bytes = 0, height = 0;

  static constexpr unsigned kHost = 1, kDevice = 2;
};

class Driver {
 public:
  // Loads the library once per path and keeps it: a driver must not be unloaded. Throws Failure(kDevice) when there is no such library
  // or when it lacks an entry point.
  static std::shared_ptr<Driver> open(const std::string& path);

  const DriverApi& api() const { return api_; }
  // Row by row copies do where a driver has no rectangular ones.
  CUresult (*copy_2d)(const Copy2D* copy, CUstream stream) = nullptr;
  const std::string& path() const { return path_; }
  bool emulated() const { return api_.gkEmulatedConfigure != nullptr; }

  // "CUDA_ERROR_OUT_OF_MEMORY (2, out of memory)".
  std::string describe(CUresult result) const;
  // What the emulated driver found wrong in a kernel; empty on silicon, and when there was nothing.
  std::string last_fault() const;
  // Throws Failure(kDevice) "<doing>: <description>" unless the call succeeded.
  void check(CUresult result, const std::string& doing) const;

 private:
  Driver() = default;
  std::string path_;
  DriverApi api_;
};

// Whether a context that answered this can still be used. After these codes every further call on it fails.
bool is_fatal(CUresult result);

}  // namespace griffin::cuda

#endif
