// A loaded driver library, real or emulated, and what its result codes mean.
#ifndef GRIFFIN_CUDA_DRIVER_H
#define GRIFFIN_CUDA_DRIVER_H
#include <memory>
#include <string>

#include "../failure.h"
#include "driver_api.h"

namespace griffin::cuda {

class Driver {
 public:
  // Loads the library once per path and keeps it: a driver must not be unloaded. Throws Failure(kDevice) when there is no such library
  // or when it lacks an entry point.
  static std::shared_ptr<Driver> open(const std::string& path);

  const DriverApi& api() const { return api_; }
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
