#include "gpu_module.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace griffin::cuda {
namespace {

// Without opting in, a block may have this much dynamic shared memory, and a cluster this many blocks.
constexpr uint32_t kSharedWithoutAsking = 48u << 10;
constexpr uint32_t kClusterWithoutAsking = 8;
constexpr size_t kLogBytes = 16u << 10;

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Failure(FailureKind::kLibrary, path + ": " + what); }

std::vector<char> read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
  struct Closer {
    std::FILE* f;
    ~Closer() { std::fclose(f); }
  } closer{file};
  struct stat status {};
  if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) fail(path, "is not a regular file");
  if (status.st_size == 0) fail(path, "is empty");
  // PTX is text and must end in a zero.
  std::vector<char> bytes(static_cast<size_t>(status.st_size) + 1, '\0');
  if (std::fread(bytes.data(), 1, bytes.size() - 1, file) != bytes.size() - 1) fail(path, "cannot be read to its end");
  return bytes;
}

// The loader maps an emulated object's segments without looking at the file's length, and a driver trusts its input: a file that was
// cut short must not get that far.
void check_whole_elf(const std::string& path, const std::vector<char>& bytes) {
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const uint64_t length = bytes.size() - 1;
  if (length < 64 || std::memcmp(data, "\x7f" "ELF", 4) != 0 || data[4] != 2) return;
  uint64_t sections_at = 0;
  uint16_t section_bytes = 0, sections = 0;
  std::memcpy(&sections_at, data + 0x28, 8);
  std::memcpy(&section_bytes, data + 0x3a, 2);
  std::memcpy(&sections, data + 0x3c, 2);
  const uint64_t end = sections_at + uint64_t{section_bytes} * sections;
  if (end > length || end < sections_at)
    fail(path, "is truncated (" + std::to_string(length) + " bytes, its section table ends at " + std::to_string(end) + ")");
}

}  // namespace

GpuModule::GpuModule(std::shared_ptr<Context> context, const std::string& path) : context_(std::move(context)), path_(path) {
  const std::vector<char> image = read_file(path);
  check_whole_elf(path, image);
  std::vector<char> log(kLogBytes, '\0');
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log.data(), reinterpret_cast<void*>(log.size() - 1)};
  context_->require_usable();
  const Context::Scope scope(*context_);
  const CUresult result = context_->api().cuModuleLoadDataEx(&module_, image.data(), 2, options, values);
  if (result == CUDA_SUCCESS) return;
  module_ = nullptr;
  if (is_fatal(result)) throw context_->failure_of(result, "loading " + path);
  std::string why = context_->driver().describe(result);
  log.back() = '\0';
  if (log[0] != '\0') why += std::string("\n") + log.data();
  else if (const std::string fault = context_->driver().last_fault(); !fault.empty()) why += "\n" + fault;
  if (result == CUDA_ERROR_OUT_OF_MEMORY) throw Failure(FailureKind::kDevice, path + ": cannot be loaded: " + why);
  fail(path, "cannot be loaded for capability " + std::to_string(context_->capability() / 10) + "." +
                 std::to_string(context_->capability() % 10) + ": " + why);
}

GpuModule::~GpuModule() {
  if (module_ != nullptr) context_->bury([module = module_](const DriverApi& api) { api.cuModuleUnload(module); });
}

std::string GpuModule::text(const std::string& symbol) const {
  context_->require_usable();
  const Context::Scope scope(*context_);
  CUdeviceptr address = 0;
  size_t bytes = 0;
  const CUresult found = context_->api().cuModuleGetGlobal_v2(&address, &bytes, module_, symbol.c_str());
  if (found == CUDA_ERROR_NOT_FOUND) fail(path_, "has no " + symbol);
  context_->check(found, path_ + ": looking up " + symbol);
  std::string text(bytes, '\0');
  if (bytes > 0) context_->check(context_->api().cuMemcpyDtoH_v2(text.data(), address, bytes), path_ + ": reading " + symbol);
  return text.substr(0, text.find('\0'));
}

CUfunction GpuModule::function(const std::string& entry) const {
  context_->require_usable();
  const Context::Scope scope(*context_);
  CUfunction function = nullptr;
  const CUresult found = context_->api().cuModuleGetFunction(&function, module_, entry.c_str());
  if (found == CUDA_ERROR_NOT_FOUND) fail(path_, "has no entry " + entry);
  context_->check(found, path_ + ": looking up " + entry);
  return function;
}

void GpuKernel::allow(size_t index, uint32_t shared_bytes, uint32_t cluster) {
  Phase& phase = phases.at(index);
  Context& context = *module->context();
  const Context::Scope scope(context);
  if (shared_bytes > kSharedWithoutAsking && shared_bytes > phase.shared_allowed) {
    const CUresult result =
        context.api().cuFuncSetAttribute(phase.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, static_cast<int>(shared_bytes));
    if (result == CUDA_ERROR_INVALID_VALUE)
      throw Failure(FailureKind::kDevice,
                    phase.entry + ": asks for " + std::to_string(shared_bytes) + " bytes of dynamic shared memory per block, " + context.name() +
                        " has " + std::to_string(context.attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)));
    context.check(result, phase.entry + ": asking for " + std::to_string(shared_bytes) + " bytes of dynamic shared memory");
    phase.shared_allowed = shared_bytes;
  }
  if (cluster > kClusterWithoutAsking && !phase.large_clusters) {
    context.check(context.api().cuFuncSetAttribute(phase.function, CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1),
                  phase.entry + ": asking for clusters of " + std::to_string(cluster) + " blocks");
    phase.large_clusters = true;
  }
}

}  // namespace griffin::cuda
