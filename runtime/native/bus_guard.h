// Reads from a file mapping that survive the file being cut short by another process: the kernel then raises SIGBUS at the first
// page past the new end, which would otherwise end the process.
#ifndef GRIFFIN_BUS_GUARD_H
#define GRIFFIN_BUS_GUARD_H

namespace griffin {

// Runs `body(context)`; false when it touched a page that is not there any more. The body is left by a jump, so it must own nothing
// that needs a destructor and must only copy bytes.
bool run_bus_guarded(void (*body)(void*), void* context);

}  // namespace griffin

#endif
