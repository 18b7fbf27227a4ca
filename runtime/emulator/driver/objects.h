// What handles of the emulated driver stand for. All of it is used under the driver's lock (state.h), except where said.
#ifndef GK_EMULATED_OBJECTS_H
#define GK_EMULATED_OBJECTS_H
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "../include/emulation_abi.h"
#include "elf_image.h"
#include "failure.h"

namespace gk_emu_driver {

class Context;
struct Capture;
struct Exec;

using Clock = std::chrono::steady_clock;

struct Function;

// A loaded module. The shared object is closed with the last owner: work in flight and graphs keep it loaded after cuModuleUnload.
struct Module {
  ~Module();
  void* library = nullptr;
  ElfImage image;
  std::weak_ptr<Context> context;
  bool unloaded = false;
  struct Variable {
    unsigned char* address;
    size_t bytes;
    bool writable;
  };
  std::unordered_map<std::string, Variable> variables;    // those that were asked for
  std::unordered_map<std::string, CUfunction> functions;
};

struct Function {
  std::weak_ptr<Module> module;
  std::string name;
  void (*entry)(const void* params);
  const gk_emu_kernel* info;
  int most_dynamic_shared;
  int carveout = -1;
  bool large_clusters = false;  // more than 8 blocks
};

// ---- work ----------------------------------------------------------------------------------------------------------------------

// One place that a copy reads or writes.
struct Place {
  enum Kind { kDevice, kModule, kPinned, kPageable } kind;
  void* address;
  std::shared_ptr<Module> module;  // of a module's variable
};

struct MarkWork {};  // nothing to do: events

struct KernelWork {
  std::shared_ptr<Module> module;
  std::shared_ptr<Function> function;
  uint32_t grid[3];
  uint32_t block;
  uint32_t cluster;
  uint32_t shared_bytes;
  std::vector<uint64_t> params;  // as words, for their alignment
  bool dependent;
};

// `rows` rows of `bytes`, which begin `to_pitch` and `from_pitch` bytes apart.
struct CopyWork {
  Place to, from;
  size_t bytes;
  std::shared_ptr<std::vector<unsigned char>> staged;  // the bytes of a pageable source as they were at the call
  size_t rows, to_pitch, from_pitch;

  size_t toExtent() const { return (rows - 1) * to_pitch + bytes; }
  size_t fromExtent() const { return (rows - 1) * from_pitch + bytes; }
};

struct FillWork {
  Place to;
  uint32_t value;
  uint32_t width;  // 1 or 4 bytes
  size_t count;
};

struct GraphWork {
  std::shared_ptr<Exec> exec;
};

using Work = std::variant<MarkWork, KernelWork, CopyWork, FillWork, GraphWork>;

struct Completion {
  bool done = false;
  Clock::time_point at;
};

struct Operation {
  uint64_t sequence;  // in order of submission
  Work work;
  std::vector<std::shared_ptr<Completion>> after;  // beside the stream's own order
  std::shared_ptr<Completion> completion;
};

// ---- streams, events, graphs ---------------------------------------------------------------------------------------------------

struct Stream {
  std::weak_ptr<Context> context;
  bool blocking = true;
  bool is_default = false;
  bool destroyed = false;
  std::deque<std::shared_ptr<Operation>> queue;   // the first one may be running
  std::shared_ptr<Completion> last;               // of the newest operation; null when there was none
  bool last_is_kernel = false;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> frontier;  // nodes of the capture that the next one comes after
};

struct Event {
  std::weak_ptr<Context> context;
  bool timing = true;
  std::shared_ptr<Completion> recorded;  // null: never
  bool captured = false;                 // last recorded in a capturing stream
  std::weak_ptr<Capture> capture;
  std::vector<size_t> frontier;
};

struct Node {
  CUgraphNode handle;
  Work work;  // a kernel, a copy or a fill
  std::vector<size_t> after;
};

struct Graph {
  std::weak_ptr<Context> context;
  std::vector<Node> nodes;  // every node comes after those that it depends on
};

struct Capture {
  std::shared_ptr<Graph> graph;
  CUstreamCaptureMode mode;
  std::thread::id thread;
  std::weak_ptr<Stream> origin;
  bool invalid = false;
};

struct Exec {
  std::weak_ptr<Context> context;
  std::vector<Work> steps;            // in the order that they run in
  std::shared_ptr<Completion> last;   // of the newest launch: launches of one graph never overlap
};

}  // namespace gk_emu_driver

#endif
