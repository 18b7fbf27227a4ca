// What silicon would not forgive, found in the checked flavour: accesses outside of what exists, of bytes nobody wrote, at wrong addresses,
// and accesses of two threads that nothing orders (clocks.h).
#ifndef GK_EMULATOR_CHECKS_H
#define GK_EMULATOR_CHECKS_H
#include <cstdint>
#include <memory>

#include "execution.h"

namespace gk_emu {

class Clocks;

class Checks {
 public:
  explicit Checks(Execution& execution);
  ~Checks();

  void begin_launch();
  void end_launch();
  void begin_cluster();
  void end_cluster();
  void begin_thread(Thread& t);

  // ---- accesses of a thread: `kind` are GK_EMU_* bits
  void access(Thread& t, const void* p, uint64_t bytes, uint32_t kind);
  void atomic(Thread& t, void* p, uint32_t bytes);
  void shared_declared(const SharedArray& array);
  void shared_row(Thread& t, const void* row);  // of a matrix load
  void copy_started(Thread& t, const PendingCopy& copy);
  void copy_landed(Thread& t, const PendingCopy& copy);

  // ---- order
  void fence(Thread& t);
  void met_block(Block& b);
  void met_lanes(Block& b, const uint32_t (&lanes)[32]);
  void met_warp(Warp& w, uint32_t mask);
  void met_cluster();

  // ---- transaction barriers
  void barrier_made(Thread& t, uint64_t* address, bool fresh);
  void used(Thread& t, const Transaction& x, const char* what);
  void arrived(Thread& t, Transaction& x);
  void completed(Transaction& x);
  void waited(Thread& t, Transaction& x);
  void bulk_started(Thread& t, Transaction& x, const PendingCopy& copy);
  void bulk_landed(Transaction& x, const PendingCopy& copy);

 private:
  Execution& e_;
  std::unique_ptr<Clocks> clocks_;
};

}  // namespace gk_emu

#endif
