#include "module.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "failure.h"

namespace griffin {
namespace {

constexpr uint64_t kMaxScratch = uint64_t{1} << 30;

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Failure(FailureKind::kLibrary, path + ": " + what); }

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#else
constexpr uint16_t kMachine = EM_NONE;  // unknown here: left to the loader
#endif

// The loader maps segments without looking at the file's length: a truncated object ends the process instead of giving an error.
void check_whole_object(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
  struct Closer {
    std::FILE* f;
    ~Closer() { std::fclose(f); }
  } closer{file};
  struct stat status {};
  if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) fail(path, "is not a regular file");
  const auto length = static_cast<uint64_t>(status.st_size);
  Elf64_Ehdr header{};
  if (std::fread(&header, sizeof header, 1, file) != 1 || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN)
    fail(path, "is not a 64-bit shared object");
  if (kMachine != EM_NONE && header.e_machine != kMachine) fail(path, "was built for another processor architecture");
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0) fail(path, "has no program headers");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (header.e_phoff > length || std::fseek(file, static_cast<long>(header.e_phoff), SEEK_SET) != 0 ||
      std::fread(segments.data(), sizeof(Elf64_Phdr), segments.size(), file) != segments.size())
    fail(path, "is truncated (" + std::to_string(length) + " bytes)");
  for (const Elf64_Phdr& segment : segments)
    if (segment.p_type == PT_LOAD && (segment.p_offset > length || segment.p_filesz > length - segment.p_offset))
      fail(path, "is truncated (" + std::to_string(length) + " bytes, a segment ends at " +
                     std::to_string(segment.p_offset + segment.p_filesz) + ")");
}

}  // namespace

std::shared_ptr<Module> Module::open(const std::string& path) {
  check_whole_object(path);
  std::shared_ptr<Module> module(new Module());
  module->path_ = path;
  module->handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module->handle_ == nullptr) {
    const char* why = dlerror();
    fail(path, std::string("cannot be loaded: ") + (why != nullptr ? why : "unknown reason"));
  }
  return module;
}

Module::~Module() {
  if (handle_ != nullptr) dlclose(handle_);
}

const gk_kernel* Module::find(const std::string& symbol) const {
  dlerror();
  const auto* kernel = static_cast<const gk_kernel*>(dlsym(handle_, symbol.c_str()));
  if (kernel == nullptr) {
    const char* why = dlerror();
    fail(path_, "has no kernel " + symbol + (why != nullptr ? std::string(" (") + why + ")" : ""));
  }
  if (kernel->abi_version != GK_ABI_VERSION)
    fail(path_, symbol + " has kernel ABI version " + std::to_string(kernel->abi_version) + ", this build runs version " +
                    std::to_string(GK_ABI_VERSION));
  if (kernel->phases == 0 || kernel->id == nullptr || kernel->workspace_bytes == nullptr || kernel->units == nullptr ||
      kernel->run == nullptr)
    fail(path_, symbol + " lacks phases, id or a function");
  if (kernel->scratch_bytes > kMaxScratch)
    fail(path_, symbol + " asks for " + std::to_string(kernel->scratch_bytes) + " bytes of scratch per thread");
  return kernel;
}

}  // namespace griffin
