// Small kernels for the device's own tests, compiled by test/runtime/native/fixture.ts.
#include <cstring>

#include "kernel_abi.h"

namespace {

uint64_t no_workspace(const gk_args*) { return 0; }

// saxpy: y = a·x + y in two phases (x·a into the workspace, then the sum). buffers x, y; ints n; floats a.
constexpr int64_t kBlock = 16;
int64_t saxpy_units(const gk_args* args, uint32_t) { return (args->ints[0] + kBlock - 1) / kBlock; }
uint64_t saxpy_workspace(const gk_args* args) { return static_cast<uint64_t>(args->ints[0]) * 4; }
void saxpy_run(const gk_args* args, uint32_t phase, int64_t begin, int64_t end, void*) {
  const int64_t n = args->ints[0], first = begin * kBlock, last = end * kBlock < n ? end * kBlock : n;
  const auto* x = static_cast<const float*>(args->buffers[0]);
  auto* y = static_cast<float*>(args->buffers[1]);
  auto* scaled = static_cast<float*>(args->workspace);
  // The second phase reads mirrored, so that it depends on what other threads wrote in the first one.
  for (int64_t i = first; i < last; i++) {
    if (phase == 0) scaled[n - 1 - i] = args->floats[0] * x[i];
    else y[i] += scaled[n - 1 - i];
  }
}

// count: every unit adds 1 to its own counter, atomically, in each of three phases. buffers counters (i32 [units]); ints units.
int64_t count_units(const gk_args* args, uint32_t) { return args->ints[0]; }
void count_run(const gk_args* args, uint32_t, int64_t begin, int64_t end, void* scratch) {
  auto* counters = static_cast<int32_t*>(args->buffers[0]);
  std::memset(scratch, 0xff, 4096);  // the whole promised scratch may be written
  for (int64_t i = begin; i < end; i++) __atomic_fetch_add(&counters[i], 1, __ATOMIC_RELAXED);
}

// append: writes its int at log[log[0]++]. buffers log (i32); ints value (dynamic).
int64_t one_unit(const gk_args*, uint32_t) { return 1; }
void append_run(const gk_args* args, uint32_t, int64_t, int64_t, void*) {
  auto* log = static_cast<int32_t*>(args->buffers[0]);
  log[++log[0]] = static_cast<int32_t>(args->ints[0]);
}

// busy: spins for ints[0] microseconds' worth of dependent arithmetic in each of ints[1] units. buffers sink (f32).
int64_t busy_units(const gk_args* args, uint32_t) { return args->ints[1]; }
void busy_run(const gk_args* args, uint32_t, int64_t begin, int64_t end, void*) {
  float x = 1;
  for (int64_t i = 0; i < args->ints[0] * 250 * (end - begin); i++) {
    x = x * 1.0001f + 0.5f;
    __asm__ volatile("" : "+m"(x));
  }
  if (x == 0) static_cast<float*>(args->buffers[0])[0] = x;
}

// grow: a workspace of ints[0] bytes, all of it written. No buffers.
uint64_t grow_workspace(const gk_args* args) { return static_cast<uint64_t>(args->ints[0]); }
void grow_run(const gk_args* args, uint32_t, int64_t, int64_t, void*) { std::memset(args->workspace, 1, static_cast<size_t>(args->ints[0])); }

// spill: writes one byte before (ints[0] < 0) or past the end of buffers[0], at byte ints[0].
void spill_run(const gk_args* args, uint32_t, int64_t, int64_t, void*) { static_cast<uint8_t*>(args->buffers[0])[args->ints[0]] ^= 0x5a; }

int64_t negative_units(const gk_args*, uint32_t) { return -3; }
// empty: many phases with two units that do nothing: what remains is the cost of a barrier. ints units.
void empty_run(const gk_args*, uint32_t, int64_t, int64_t, void*) {}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) const gk_kernel
EXPORT gk_saxpy, gk_count, gk_append, gk_busy, gk_grow, gk_spill, gk_negative, gk_empty, gk_old, gk_hollow;
const gk_kernel gk_saxpy = {GK_ABI_VERSION, 2, "saxpy", 0, saxpy_workspace, saxpy_units, saxpy_run};
const gk_kernel gk_count = {GK_ABI_VERSION, 3, "count", 4096, no_workspace, count_units, count_run};
const gk_kernel gk_append = {GK_ABI_VERSION, 1, "append", 0, no_workspace, one_unit, append_run};
const gk_kernel gk_busy = {GK_ABI_VERSION, 1, "busy", 0, no_workspace, busy_units, busy_run};
const gk_kernel gk_grow = {GK_ABI_VERSION, 1, "grow", 0, grow_workspace, one_unit, grow_run};
const gk_kernel gk_spill = {GK_ABI_VERSION, 1, "spill", 0, no_workspace, one_unit, spill_run};
const gk_kernel gk_negative = {GK_ABI_VERSION, 1, "negative", 0, no_workspace, negative_units, empty_run};
const gk_kernel gk_empty = {GK_ABI_VERSION, 200, "empty", 0, no_workspace, count_units, empty_run};
const gk_kernel gk_old = {GK_ABI_VERSION + 1, 1, "old", 0, no_workspace, one_unit, empty_run};
const gk_kernel gk_hollow = {GK_ABI_VERSION, 1, "hollow", 0, no_workspace, one_unit, nullptr};
