// cp.async: copies that a thread starts, groups, and waits for. They land as late as the program allows: at the wait.
#include <cstring>

#include "checks.h"
#include "execution.h"
#include "functions.h"

namespace gk_emu {

void copy_async(void* shared, const void* global, uint32_t bytes, int valid) {
  Execution& e = execution();
  Thread& t = e.thread();
  t.copies.push_back(PendingCopy{static_cast<unsigned char*>(shared), static_cast<const unsigned char*>(global), bytes, valid != 0, t.groups});
  if (e.checks) e.checks->copy_started(t, t.copies.back());
}

void copy_async_commit() { ++execution().thread().groups; }

void copy_async_wait(int pending) {
  Execution& e = execution();
  Thread& t = e.thread();
  e.look_at_cancel();
  size_t landed = 0;
  for (; landed < t.copies.size(); ++landed) {
    const PendingCopy& c = t.copies[landed];
    if (int64_t(c.group) + pending >= int64_t(t.groups)) break;  // it or a later one may be among the pending
    if (c.valid) {
      memcpy(c.to, c.from, c.bytes);
    } else {
      memset(c.to, 0, c.bytes);
    }
    if (e.checks) e.checks->copy_landed(t, c);
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + ptrdiff_t(landed));
}

}  // namespace gk_emu
