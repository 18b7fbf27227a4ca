// A read-only mapping of a regular file.
#ifndef GRIFFIN_MAPPED_FILE_H
#define GRIFFIN_MAPPED_FILE_H
#include <cstdint>
#include <memory>
#include <string>

namespace griffin {

class MappedFile {
 public:
  // Throws Failure(kFile) naming the path when it is missing, unreadable, not a regular file, or empty.
  static std::shared_ptr<MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const uint8_t* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

  // Throws Failure(kFile) when the file has become shorter than its mapping.
  void check_length() const;
  [[noreturn]] void fail_truncated() const;
  // Copies [offset, offset + length), which the caller has checked to lie inside. Throws Failure(kFile) as above.
  void read(uint64_t offset, uint64_t length, void* target) const;
  // Asks for the pages of a range to be brought in ahead of use, or dropped from this process; both are only advice.
  void prefetch(uint64_t offset, uint64_t length) const;
  void drop(uint64_t offset, uint64_t length) const;

 private:
  MappedFile() = default;
  std::string path_;
  int fd_ = -1;
  const uint8_t* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace griffin

#endif
