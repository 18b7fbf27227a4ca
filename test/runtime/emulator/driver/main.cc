// driver-tests <library> <checked module> <fast module> <capability 8.0 module> <title>: runs one case. Prints nothing and exits with 0 when it passes.
#include <dlfcn.h>

#include <fstream>
#include <iterator>

#include "harness.h"

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
DriverApi& api() {
  static DriverApi table;
  return table;
}
static std::vector<char> modules[3];
const std::vector<char>& moduleBytes(Flavour flavour) { return modules[flavour]; }

// Whatever a case made, the end of its context takes along; graphs are to be destroyed by hand.
static void checkNothingIsLeft() {
  const GkEmulatedStatistics left = statistics();
  const uint64_t alive[] = {left.contexts, left.allocations, left.allocatedBytes, left.hostAllocations, left.streams, left.events, left.modules, left.graphs, left.graphExecs};
  const char* const names[] = {"contexts", "allocations", "bytes", "host allocations", "streams", "events", "modules", "graphs", "executable graphs"};
  for (int i = 0; i < 9; i++) {
    if (alive[i] != 0) throw std::runtime_error("left over: " + std::to_string(alive[i]) + " " + names[i]);
  }
}

int main(int count, char** arguments) {
  if (count != 6) return std::fprintf(stderr, "usage: driver-tests <library> <checked> <fast> <8.0> <title>\n"), 2;
  void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 2;
  const char* missing = fillDriverApi(api(), [library](const char* name) { return dlsym(library, name); });
  if (missing != nullptr) return std::fprintf(stderr, "missing: %s\n", missing), 2;
  for (int i = 0; i < 3; i++) {
    std::ifstream file(arguments[2 + i], std::ios::binary);
    modules[i].assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  for (const Case& one : cases()) {
    if (std::strcmp(one.title, arguments[5]) != 0) continue;
    try {
      one.run();
      checkNothingIsLeft();
      return 0;
    } catch (const std::exception& error) {
      return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
  }
  return std::fprintf(stderr, "no case '%s'\n", arguments[5]), 2;
}
