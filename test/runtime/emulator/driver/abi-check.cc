// Compiles only if our declarations of the driver's binary interface are those of the toolkit's cuda.h.
// Ours stand in a namespace, so that both can be seen at once.
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ours {
#include "driver_api.h"
}
// cuda.h has macros of these names.
constexpr unsigned int kHostAllocFlags[] = {ours::CU_MEMHOSTALLOC_PORTABLE, ours::CU_MEMHOSTALLOC_DEVICEMAP, ours::CU_MEMHOSTALLOC_WRITECOMBINED};
#undef CU_STREAM_LEGACY
#undef CU_STREAM_PER_THREAD
#undef CU_LAUNCH_PARAM_END
#undef CU_LAUNCH_PARAM_BUFFER_POINTER
#undef CU_LAUNCH_PARAM_BUFFER_SIZE
#include <cuda.h>
#ifdef cuEventElapsedTime  // since 12.8 the name stands for a newer form with the same parameters; drivers export both
#undef cuEventElapsedTime
extern "C" decltype(::cuEventElapsedTime_v2) cuEventElapsedTime;
#endif

namespace {

// Same number of parameters, each of the same size and kind.
template <typename A, typename B>
constexpr bool alike() {
  return sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B> && std::is_signed_v<A> == std::is_signed_v<B>;
}
template <typename>
struct Signature;
template <typename R, typename... P>
struct Signature<R (*)(P...)> {
  template <typename>
  struct Same : std::false_type {};
  template <typename S, typename... Q>
  struct Same<S (*)(Q...)> {
    template <bool SameCount, typename = void>
    struct Each : std::false_type {};
    template <typename V>
    struct Each<true, V> : std::bool_constant<(alike<P, Q>() && ...)> {};
    static constexpr bool value = Each<sizeof...(P) == sizeof...(Q)>::value && sizeof(R) == sizeof(S);
  };
};

#define CHECK_FUNCTION(name, parameters) \
  static_assert(Signature<decltype(ours::DriverApi::name)>::Same<decltype(&::name)>::value, #name);
GRIFFIN_CUDA_FUNCTIONS(CHECK_FUNCTION)

// CHECKED_NUMBERS(X) comes from the command line: X(name) for every enumerator of driver_types.h.
#define SAME_NUMBER(name) static_assert(long(ours::name) == long(::name), #name);
CHECKED_NUMBERS(SAME_NUMBER)
static_assert(kHostAllocFlags[0] == CU_MEMHOSTALLOC_PORTABLE && kHostAllocFlags[1] == CU_MEMHOSTALLOC_DEVICEMAP &&
              kHostAllocFlags[2] == CU_MEMHOSTALLOC_WRITECOMBINED);

static_assert(sizeof(ours::CUlaunchConfig) == sizeof(::CUlaunchConfig));
static_assert(offsetof(ours::CUlaunchConfig, sharedMemBytes) == offsetof(::CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(ours::CUlaunchConfig, hStream) == offsetof(::CUlaunchConfig, hStream));
static_assert(offsetof(ours::CUlaunchConfig, attrs) == offsetof(::CUlaunchConfig, attrs));
static_assert(offsetof(ours::CUlaunchConfig, numAttrs) == offsetof(::CUlaunchConfig, numAttrs));
static_assert(sizeof(ours::CUlaunchAttribute) == sizeof(::CUlaunchAttribute));
static_assert(offsetof(ours::CUlaunchAttribute, value) == offsetof(::CUlaunchAttribute, value));
static_assert(sizeof(ours::CUlaunchAttributeValue) == sizeof(::CUlaunchAttributeValue));
static_assert(offsetof(ours::CUlaunchAttributeValue, clusterDim.z) == offsetof(::CUlaunchAttributeValue, clusterDim.z));
static_assert(sizeof(ours::CUDA_MEMCPY2D) == sizeof(::CUDA_MEMCPY2D));
static_assert(offsetof(ours::CUDA_MEMCPY2D, srcPitch) == offsetof(::CUDA_MEMCPY2D, srcPitch));
static_assert(offsetof(ours::CUDA_MEMCPY2D, dstXInBytes) == offsetof(::CUDA_MEMCPY2D, dstXInBytes));
static_assert(offsetof(ours::CUDA_MEMCPY2D, dstPitch) == offsetof(::CUDA_MEMCPY2D, dstPitch));
static_assert(offsetof(ours::CUDA_MEMCPY2D, Height) == offsetof(::CUDA_MEMCPY2D, Height));
static_assert(sizeof(ours::CUuuid) == sizeof(::CUuuid));

}  // namespace
