// Clocks, power and temperature from NVIDIA's management library, where it is installed.
#ifndef GRIFFIN_CUDA_NVML_H
#define GRIFFIN_CUDA_NVML_H
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace griffin::cuda {

struct Sensors {
  std::optional<double> sm_clock_mhz, memory_clock_mhz, power_watt, temperature_celsius;
  std::vector<std::string> throttle_reasons;
};

class Nvml {
 public:
  // Null when the library is missing, does not start, or does not know the GPU with this PCI bus id.
  static std::unique_ptr<Nvml> open(const std::string& library, const std::string& bus_id);
  Sensors read() const;

 private:
  Nvml() = default;
  void* device_ = nullptr;
  int (*clock_)(void*, int, unsigned*) = nullptr;
  int (*power_)(void*, unsigned*) = nullptr;
  int (*temperature_)(void*, int, unsigned*) = nullptr;
  int (*throttle_)(void*, unsigned long long*) = nullptr;
};

}  // namespace griffin::cuda

#endif
