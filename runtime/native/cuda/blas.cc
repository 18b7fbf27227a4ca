#include "blas.h"

#include <dlfcn.h>

#include <algorithm>
#include <map>

namespace griffin::cuda {
namespace {

// Most workspace an algorithm may ask for: what NVIDIA recommends for Hopper.
constexpr uint64_t kMostVendorBytes = 32u << 20;
// Sums of fewer products than this take all parts of x.
constexpr uint64_t kFewProducts = 256;
// Of the plan's workspace, and the alignment that algorithms assume unless told.
constexpr uint64_t kAlignment = 256;
// Exported by a library that works on the emulated driver.
constexpr const char* kEmulatedMark = "gkEmulatedBlas";

uint64_t round_up(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint32_t alignment_of(CUdeviceptr address) {
  uint32_t alignment = kAlignment;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

const void* pointer(CUdeviceptr address) { return reinterpret_cast<const void*>(static_cast<uintptr_t>(address)); }

}  // namespace

std::shared_ptr<BlasLibrary> BlasLibrary::open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<BlasLibrary>> loaded;
  const std::lock_guard<std::mutex> lock(mutex);
  if (const auto known = loaded.find(path); known != loaded.end()) return known->second;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  auto blas = std::make_shared<BlasLibrary>();
  BlasApi& api = blas->api_;
#define GRIFFIN_BLAS_RESOLVE(result, name, parameters) \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name)); \
  if (api.name == nullptr) { \
    dlclose(library); \
    return nullptr; \
  }
  GRIFFIN_BLAS_FUNCTIONS(GRIFFIN_BLAS_RESOLVE)
#undef GRIFFIN_BLAS_RESOLVE
  api.cublasLtGetStatusName = reinterpret_cast<decltype(api.cublasLtGetStatusName)>(dlsym(library, "cublasLtGetStatusName"));
  blas->path_ = path;
  blas->emulated_ = dlsym(library, kEmulatedMark) != nullptr;
  blas->version_ = api.cublasLtGetVersion();
  loaded.emplace(path, blas);
  return blas;
}

std::shared_ptr<BlasLibrary> BlasLibrary::find(const std::vector<std::string>& paths, bool emulated) {
  for (const std::string& path : paths)
    if (std::shared_ptr<BlasLibrary> library = open(path); library && library->emulated_ == emulated) return library;
  return nullptr;
}

void BlasLibrary::check(int status, const std::string& doing) const {
  if (status == 0) return;
  const char* name = api_.cublasLtGetStatusName != nullptr ? api_.cublasLtGetStatusName(status) : nullptr;
  throw Failure(FailureKind::kDevice, doing + ": cuBLASLt answers " + (name != nullptr ? name + std::string(" (") : "status (") + std::to_string(status) + ")");
}

Blas::Blas(std::shared_ptr<Context> context, std::shared_ptr<BlasLibrary> library) : context_(std::move(context)), library_(std::move(library)) {
  context_->require_usable();
  const Context::Scope scope(*context_);
  library_->check(library_->api().cublasLtCreate(&handle_), context_->name() + ": starting " + library_->path());
}

Blas::~Blas() {
  context_->bury([library = library_, handle = handle_](const DriverApi&) { library->api().cublasLtDestroy(handle); });
}

BlasProduct::BlasProduct(std::shared_ptr<Blas> blas, std::string id, const BlasProblem& problem) : blas_(std::move(blas)), id_(std::move(id)), problem_(problem) {
  try {
    describe();
  } catch (const Failure&) {
    release();
    throw;
  }
}

BlasProduct::~BlasProduct() { release(); }

void BlasProduct::describe() {
  blas_->context()->require_usable();
  const Context::Scope scope(*blas_->context());
  const BlasLibrary& library = blas_->library();
  const BlasApi& api = library.api();
  const auto& [rows, in, out, bf16, out_major, x, w, bias, residual, y] = problem_;
  const int type = bf16 ? kBlasR16BF : kBlasR32F;
  if (bf16) part_bytes_ = round_up(2 * rows * in);
  vendor_at_ = kParts * part_bytes_;
  // The library's matrices are column-major: each of ours is its own transpose there, and yᵀ = w·xᵀ.
  const uint64_t height = out_major ? in : out, width = out_major ? out : in;
  library.check(api.cublasLtMatrixLayoutCreate(&w_, type, height, width, static_cast<int64_t>(height)), id_);
  library.check(api.cublasLtMatrixLayoutCreate(&x_, type, in, rows, static_cast<int64_t>(in)), id_);
  library.check(api.cublasLtMatrixLayoutCreate(&y_, kBlasR32F, out, rows, static_cast<int64_t>(out)), id_);
  // Small parts first: they are summed before they meet large ones.
  const unsigned parts = !bf16 ? 1 : in < kFewProducts ? kParts : kParts - 1;
  for (unsigned i = 0; i < parts; i++) add(i + 1 == parts, i == 0 ? residual : y, bf16 ? kAlignment : alignment_of(x));
  workspace_bytes_ = vendor_at_ + vendor_bytes_;
}

void BlasProduct::add(bool last, CUdeviceptr added, uint64_t alignment_of_x) {
  const BlasLibrary& library = blas_->library();
  const BlasApi& api = library.api();
  products_.emplace_back();
  Product& product = products_.back();
  product.beta = added != 0 ? 1.0f : 0.0f;
  product.added = added != 0 ? added : problem_.y;
  library.check(api.cublasLtMatmulDescCreate(&product.description, kBlasCompute32F, kBlasR32F), id_);
  const auto describe_as = [&](int attribute, const auto& value) {
    library.check(api.cublasLtMatmulDescSetAttribute(product.description, attribute, &value, sizeof value), id_);
  };
  describe_as(kBlasDescTransA, problem_.out_major ? kBlasOpT : kBlasOpN);
  describe_as(kBlasDescTransB, kBlasOpN);
  const bool biased = last && problem_.bias != 0;
  describe_as(kBlasDescEpilogue, biased ? kBlasEpilogueBias : kBlasEpilogueDefault);
  if (biased) {
    describe_as(kBlasDescBiasPointer, pointer(problem_.bias));
    describe_as(kBlasDescBiasDataType, int32_t{kBlasR32F});
  }

  struct Preference {
    const BlasApi& api;
    BlasPreference value = nullptr;
    ~Preference() {
      if (value != nullptr) api.cublasLtMatmulPreferenceDestroy(value);
    }
  } preference{api};
  library.check(api.cublasLtMatmulPreferenceCreate(&preference.value), id_);
  const auto prefer = [&](int attribute, const auto& value) {
    library.check(api.cublasLtMatmulPreferenceSetAttribute(preference.value, attribute, &value, sizeof value), id_);
  };
  prefer(kBlasPreferWorkspace, size_t{kMostVendorBytes});
  prefer(kBlasPreferReductionMask, kBlasReductionComputeType);
  prefer(kBlasPreferAlignmentA, alignment_of(problem_.w));
  prefer(kBlasPreferAlignmentB, static_cast<uint32_t>(alignment_of_x));
  prefer(kBlasPreferAlignmentC, alignment_of(product.added));
  prefer(kBlasPreferAlignmentD, alignment_of(problem_.y));

  BlasHeuristicResult best{};
  int found = 0;
  const int status = api.cublasLtMatmulAlgoGetHeuristic(blas_->handle(), product.description, w_, x_, y_, y_, preference.value, 1, &best, &found);
  if (status != 0 || found < 1 || best.status != 0) {
    throw Failure(FailureKind::kLibrary, id_ + ": cuBLASLt has no algorithm for " + std::to_string(problem_.rows) + " rows of " + std::to_string(problem_.in) +
                                             " to " + std::to_string(problem_.out) + " (status " + std::to_string(status != 0 ? status : best.status) + ")");
  }
  product.algorithm = best.algorithm;
  vendor_bytes_ = std::max<uint64_t>(vendor_bytes_, best.workspace_bytes);
}

void BlasProduct::release() {
  const BlasApi& api = blas_->library().api();
  for (const Product& product : products_)
    if (product.description != nullptr) api.cublasLtMatmulDescDestroy(product.description);
  products_.clear();
  for (BlasMatrixLayout* layout : {&w_, &x_, &y_}) {
    if (*layout != nullptr) api.cublasLtMatrixLayoutDestroy(*layout);
    *layout = nullptr;
  }
}

void BlasProduct::launch(CUstream stream) {
  const BlasLibrary& library = blas_->library();
  const float alpha = 1;
  const std::lock_guard<std::mutex> lock(blas_->mutex());
  for (size_t i = 0; i < products_.size(); i++) {
    const Product& product = products_[i];
    const CUdeviceptr x = problem_.bf16 ? part(static_cast<unsigned>(products_.size() - 1 - i)) : problem_.x;
    void* y = const_cast<void*>(pointer(problem_.y));
    void* scratch = vendor_bytes_ > 0 ? const_cast<void*>(pointer(workspace_ + vendor_at_)) : nullptr;
    const int status = library.api().cublasLtMatmul(blas_->handle(), product.description, &alpha, pointer(problem_.w), w_, pointer(x), x_, &product.beta,
                                                    pointer(product.added), y_, y, y_, &product.algorithm, scratch, vendor_bytes_, stream);
    library.check(status, "launching " + id_);
  }
}

}  // namespace griffin::cuda
