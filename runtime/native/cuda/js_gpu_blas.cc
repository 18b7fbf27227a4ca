// Products of a vendor's BLAS in plans.
#include "gpu_plan.h"
#include "js_gpu.h"

namespace griffin::cuda {
namespace {

// (device, paths): [handle, version, path], or null where no library is found
Napi::Value open_blas(const Napi::CallbackInfo& info) {
  Gpu& gpu = gpu_argument(info)->gpu();
  gpu.check_running();
  const Napi::Array list = to_array(info[1], "paths");
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < list.Length(); i++) paths.push_back(to_text(list.Get(i), "path"));
  std::shared_ptr<BlasLibrary> library = BlasLibrary::find(paths, gpu.context()->driver().emulated());
  if (!library) return info.Env().Null();
  const double version = static_cast<double>(library->version());
  const std::string path = library->path();
  Napi::Array result = Napi::Array::New(info.Env(), 3);
  result.Set(0u, wrap(info.Env(), std::make_shared<Blas>(gpu.context(), std::move(library))));
  result.Set(1u, version);
  result.Set(2u, path);
  return result;
}

// The address of a buffer of at least that many f32 or bf16 numbers, or 0 for null where that is allowed.
CUdeviceptr operand(const Napi::Value& value, const char* what, uint64_t bytes, bool optional, std::vector<std::shared_ptr<DeviceMemory>>& memory) {
  if (optional && value.IsNull()) return 0;
  const BufferRef& buffer = buffer_argument(value);
  if (buffer.bytes < bytes)
    throw Failure(FailureKind::kRange, std::string(what) + " (" + buffer.label + ") has " + std::to_string(buffer.bytes) + " bytes, needed are " + std::to_string(bytes));
  memory.push_back(buffer.memory);
  return buffer.address();
}

// (plan, blas, label, id, [rows, in, out], w is bf16, w is [out, in], [x, w, bias, residual, y], kernel of split_bf16 or null, its launches)
Napi::Value add_product(const Napi::CallbackInfo& info) {
  const auto& plan = unwrap<GpuPlan>(info[0], "GPU plan");
  const auto& blas = unwrap<Blas>(info[1], "BLAS");
  if (plan->context() != blas->context().get()) throw Failure(FailureKind::kDevice, "the plan belongs to another device than the BLAS");
  const Napi::Array sizes = to_array(info[4], "sizes"), tensors = to_array(info[7], "tensors");
  BlasProblem problem{};
  problem.rows = to_size(sizes.Get(0u), "rows");
  problem.in = to_size(sizes.Get(1u), "in");
  problem.out = to_size(sizes.Get(2u), "out");
  problem.bf16 = info[5].ToBoolean();
  problem.out_major = info[6].ToBoolean();
  for (const uint64_t size : {problem.rows, problem.in, problem.out})
    if (size < 1 || size > INT32_MAX) throw Failure(FailureKind::kRange, "a product's sizes must be 1 to 2147483647, found " + std::to_string(size));
  const uint64_t cells = problem.rows * problem.in;
  std::vector<std::shared_ptr<DeviceMemory>> memory;
  problem.x = operand(tensors.Get(0u), "x", 4 * cells, false, memory);
  problem.w = operand(tensors.Get(1u), "w", (problem.bf16 ? 2 : 4) * problem.in * problem.out, false, memory);
  problem.bias = operand(tensors.Get(2u), "bias", 4 * problem.out, true, memory);
  problem.residual = operand(tensors.Get(3u), "residual", 4 * problem.rows * problem.out, true, memory);
  problem.y = operand(tensors.Get(4u), "y", 4 * problem.rows * problem.out, false, memory);
  GpuArguments arguments;
  std::shared_ptr<GpuKernel> split;
  if (problem.bf16) {
    if (cells > INT32_MAX) throw Failure(FailureKind::kRange, "a product of bf16 weights takes at most 2147483647 activations, found " + std::to_string(cells));
    split = unwrap<GpuKernel>(info[8], "GPU kernel");
    arguments.tensors = {problem.x, 0, 0, 0};  // the parts lie in the workspace, whose place is known when the plan is finished
    arguments.ints.push_back({static_cast<int32_t>(cells), std::nullopt, false});
  }
  auto product = std::make_shared<BlasProduct>(blas, to_text(info[3], "id"), problem);
  const uint64_t workspace = product->workspace_bytes();
  plan->add(GpuPlan::Step{split, to_text(info[2], "label"), ParameterBlock(arguments), split ? launches_argument(info[9]) : std::vector<LaunchShape>(),
                          std::move(memory), std::move(product)},
            workspace, 0);
  return info.Env().Undefined();
}

}  // namespace

void add_gpu_blas_functions(Napi::Object exports) {
  add_function<open_blas>(exports, "gpuOpenBlas");
  add_function<add_product>(exports, "gpuAddProduct");
}

}  // namespace griffin::cuda
