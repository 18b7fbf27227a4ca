// An error on its way to JavaScript, where runtime/device/addon.ts turns it into the typed error of the same kind.
#ifndef GRIFFIN_FAILURE_H
#define GRIFFIN_FAILURE_H
#include <exception>
#include <string>
#include <utility>

namespace griffin {

enum class FailureKind { kDevice, kFile, kLibrary, kRange };

class Failure : public std::exception {
 public:
  Failure(FailureKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  FailureKind kind() const { return kind_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  FailureKind kind_;
  std::string message_;
};

inline const char* name_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kDevice: return "DEVICE";
    case FailureKind::kFile: return "FILE";
    case FailureKind::kLibrary: return "LIBRARY";
    case FailureKind::kRange: return "RANGE";
  }
  return "DEVICE";
}

}  // namespace griffin

#endif
