#include "cpu_info.h"

#include <sys/utsname.h>

#include <cctype>
#include <cstring>

#include "text_file.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace griffin {
namespace {

#if defined(__x86_64__)

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return Registers{};
  return r;
}

bool bit(unsigned word, unsigned index) { return ((word >> index) & 1u) != 0; }

// The register state that the operating system saves at a context switch (XCR0). A processor feature whose registers are not
// saved must not be used, whatever cpuid says.
uint64_t saved_state() {
  if (!bit(cpuid(1).ecx, 27)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

std::vector<std::string> detect_isas() {
  std::vector<std::string> isas{"portable"};
  const Registers one = cpuid(1), seven = cpuid(7), seven_one = seven.eax >= 1 ? cpuid(7, 1) : Registers{};
  const uint64_t state = saved_state();
  const bool ymm = (state & 0x06) == 0x06;
  const bool zmm = (state & 0xe6) == 0xe6;
  const bool fma = bit(one.ecx, 12), f16c = bit(one.ecx, 29), avx = bit(one.ecx, 28), avx2 = bit(seven.ebx, 5);
  if (!(ymm && avx && avx2 && fma && f16c)) return isas;
  isas.emplace_back("avx2");
  const bool f = bit(seven.ebx, 16), dq = bit(seven.ebx, 17), bw = bit(seven.ebx, 30), vl = bit(seven.ebx, 31);
  if (!(zmm && f && dq && bw && vl)) return isas;
  isas.emplace_back("avx512");
  if (bit(seven_one.eax, 5)) isas.emplace_back("avx512bf16");
  return isas;
}

std::string vendor_and_model() {
  const Registers zero = cpuid(0), one = cpuid(1);
  char vendor[13] = {};
  std::memcpy(vendor, &zero.ebx, 4);
  std::memcpy(vendor + 4, &zero.edx, 4);
  std::memcpy(vendor + 8, &zero.ecx, 4);
  unsigned family = (one.eax >> 8) & 0xf, model = (one.eax >> 4) & 0xf;
  const unsigned stepping = one.eax & 0xf;
  if (family == 0x6 || family == 0xf) model |= ((one.eax >> 16) & 0xf) << 4;
  if (family == 0xf) family += (one.eax >> 20) & 0xff;
  return std::string(vendor) + "-f" + std::to_string(family) + "-m" + std::to_string(model) + "-s" + std::to_string(stepping);
}

#else

std::vector<std::string> detect_isas() { return {"portable"}; }

std::string vendor_and_model() {
  utsname system{};
  std::string text = uname(&system) == 0 ? system.machine : "unknown";
  const std::string info = read_text("/proc/cpuinfo").value_or("");
  for (const char* field : {"CPU implementer", "CPU part", "CPU variant", "CPU revision"})
    if (const auto value = find_field(info, field)) text += "-" + *value;
  return text;
}

#endif

// Letters, digits and hyphens only, so that a key can be a file name or a JSON key anywhere.
std::string to_key(const std::string& text) {
  std::string key;
  for (const char c : text) key += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '-';
  return key;
}

std::string model_name() {
  const std::string info = read_text("/proc/cpuinfo").value_or("");
  if (const auto name = find_field(info, "model name"); name && !name->empty()) return *name;
  utsname system{};
  return uname(&system) == 0 ? std::string(system.machine) + " processor" : "unknown processor";
}

void read_caches(CpuInfo& info) {
  // Where the kernel hides the topology (some containers), assume the smallest sizes of the last decade's server processors.
  info.l1d_bytes = 32u << 10;
  info.l2_bytes = 256u << 10;
  info.l3_bytes = 8u << 20;
  for (int index = 0; index < 8; index++) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const auto level = read_number(folder + "level"), size = read_number(folder + "size");
    const auto type = read_text(folder + "type");
    if (!level || !size || !type || type->compare(0, 4, "Inst") == 0) continue;
    if (*level == 1) info.l1d_bytes = *size;
    if (*level == 2) info.l2_bytes = *size;
    if (*level == 3) info.l3_bytes = *size;
  }
}

}  // namespace

CpuInfo read_cpu_info() {
  CpuInfo info;
  info.name = model_name();
  info.isas = detect_isas();
  info.key = "cpu-" + to_key(vendor_and_model()) + "-" + info.isas.back();
  read_caches(info);
  return info;
}

}  // namespace griffin
