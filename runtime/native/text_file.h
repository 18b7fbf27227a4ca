// Reads small text files of /proc and /sys.
#ifndef GRIFFIN_TEXT_FILE_H
#define GRIFFIN_TEXT_FILE_H
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace griffin {

// The whole file, or nothing when it cannot be read.
std::optional<std::string> read_text(const std::string& path);

// The first line's unsigned number with an optional K, M or G suffix; nothing when the file is missing or says something else ("max").
std::optional<uint64_t> read_number(const std::string& path);

// The value after `key` and a colon or blanks, at the start of a line, up to the end of the line.
std::optional<std::string> find_field(const std::string& text, const std::string& key);

// The folders of this process's control group for a version 1 controller such as "cpu" and for version 2, each with all its
// ancestors: a limit on any of them binds. Empty where control groups are not mounted.
struct ControlGroup {
  std::string folder;
  bool v2;
};
std::vector<ControlGroup> control_groups(const std::string& controller);

}  // namespace griffin

#endif
