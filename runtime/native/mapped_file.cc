#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bus_guard.h"
#include "failure.h"

namespace griffin {
namespace {

constexpr uint64_t kPage = 4096;

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Failure(FailureKind::kFile, path + ": " + what); }

struct Copy {
  void* target;
  const void* source;
  size_t bytes;
};
void copy(void* context) {
  const auto* c = static_cast<const Copy*>(context);
  std::memcpy(c->target, c->source, c->bytes);
}

}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path) {
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->path_ = path;
  // Non-blocking, so that a named pipe is refused below instead of waited for.
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd_ < 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status {};
  if (fstat(file->fd_, &status) != 0) fail(path, std::string("cannot be examined: ") + std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail(path, "is a directory, expected a file");
  if (!S_ISREG(status.st_mode)) fail(path, "is not a regular file");
  if (status.st_size <= 0) fail(path, "is empty");
  file->bytes_ = static_cast<uint64_t>(status.st_size);
  void* data = mmap(nullptr, file->bytes_, PROT_READ, MAP_SHARED, file->fd_, 0);
  if (data == MAP_FAILED) fail(path, "cannot be mapped (" + std::to_string(file->bytes_) + " bytes): " + std::strerror(errno));
  file->data_ = static_cast<const uint8_t*>(data);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), bytes_);
  if (fd_ >= 0) close(fd_);
}

void MappedFile::fail_truncated() const {
  struct stat status {};
  const bool known = fstat(fd_, &status) == 0;
  fail(path_, "was " + std::to_string(bytes_) + " bytes when it was opened and is " +
                  (known ? std::to_string(status.st_size) + " bytes now" : "unreadable now"));
}

void MappedFile::check_length() const {
  struct stat status {};
  if (fstat(fd_, &status) != 0 || static_cast<uint64_t>(status.st_size) < bytes_) fail_truncated();
}

void MappedFile::read(uint64_t offset, uint64_t length, void* target) const {
  check_length();
  Copy request{target, data_ + offset, length};
  if (!run_bus_guarded(copy, &request)) fail_truncated();
}

void MappedFile::prefetch(uint64_t offset, uint64_t length) const {
  const uint64_t begin = offset / kPage * kPage;
  madvise(const_cast<uint8_t*>(data_ + begin), offset + length - begin, MADV_WILLNEED);
}

void MappedFile::drop(uint64_t offset, uint64_t length) const {
  // Only pages that lie wholly inside: a neighbour may still be read by another thread.
  const uint64_t begin = (offset + kPage - 1) / kPage * kPage, end = (offset + length) / kPage * kPage;
  if (end > begin) madvise(const_cast<uint8_t*>(data_ + begin), end - begin, MADV_DONTNEED);
}

}  // namespace griffin
