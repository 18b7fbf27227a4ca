// What every thread of the addon does first.
#ifndef GRIFFIN_THREAD_SETUP_H
#define GRIFFIN_THREAD_SETUP_H
#include <pthread.h>
#include <signal.h>

#include <string>

namespace griffin {

// Names the thread for `top` and debuggers, and leaves signals such as Ctrl-C to Node's threads.
inline void set_up_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int synchronous : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, synchronous);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
}

}  // namespace griffin

#endif
