// Seeded random numbers for schedules: splitmix64.
#ifndef GK_EMULATOR_RANDOM_H
#define GK_EMULATOR_RANDOM_H
#include <cstdint>

namespace gk_emu {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Below n.
  uint32_t below(uint32_t n) { return uint32_t((uint64_t(uint32_t(next())) * n) >> 32); }

 private:
  uint64_t state_;
};

}  // namespace gk_emu

#endif
