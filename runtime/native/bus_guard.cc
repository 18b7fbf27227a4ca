#include "bus_guard.h"

#include <csetjmp>
#include <csignal>
#include <mutex>

namespace griffin {
namespace {

thread_local sigjmp_buf* landing = nullptr;
struct sigaction previous;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (landing != nullptr) siglongjmp(*landing, 1);
  // Not one of ours: whoever was there before decides, or the default action when the access is retried.
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    sigaction(SIGBUS, &previous, nullptr);
  }
}

void install() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  // The mask is not saved by the jump, so the signal must not be blocked while it is handled.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}

}  // namespace

bool run_bus_guarded(void (*body)(void*), void* context) {
  static std::once_flag once;
  std::call_once(once, install);
  sigjmp_buf here;
  if (sigsetjmp(here, 0) != 0) {
    landing = nullptr;
    return false;
  }
  landing = &here;
  body(context);
  landing = nullptr;
  return true;
}

}  // namespace griffin
