#include "text_file.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace griffin {

std::optional<std::string> read_text(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return std::nullopt;
  std::string text;
  char chunk[4096];
  for (size_t n; (n = std::fread(chunk, 1, sizeof chunk, file)) > 0;) text.append(chunk, n);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return std::nullopt;
  return text;
}

std::optional<uint64_t> read_number(const std::string& path) {
  const auto text = read_text(path);
  if (!text || text->empty() || (*text)[0] < '0' || (*text)[0] > '9') return std::nullopt;
  char* rest = nullptr;
  uint64_t value = std::strtoull(text->c_str(), &rest, 10);
  if (*rest == 'K') value <<= 10;
  if (*rest == 'M') value <<= 20;
  if (*rest == 'G') value <<= 30;
  return value;
}

std::optional<std::string> find_field(const std::string& text, const std::string& key) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, key.size(), key) == 0) {
      size_t value = at + key.size();
      const size_t separator = value;
      while (value < end && std::strchr(" \t:", text[value]) != nullptr) value++;
      if (value > separator || value == end) return text.substr(value, end - value);
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::vector<ControlGroup> control_groups(const std::string& controller) {
  std::vector<ControlGroup> found;
  const std::string groups = read_text("/proc/self/cgroup").value_or("");
  for (size_t at = 0; at < groups.size();) {
    const size_t end = std::min(groups.find('\n', at), groups.size());
    const std::string line = groups.substr(at, end - at);  // number:controllers:path, no controllers in version 2
    at = end + 1;
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 >= line.size() || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    for (; !path.empty(); path.resize(path.rfind('/'))) found.push_back({root + path, v2});
    found.push_back({root, v2});
  }
  return found;
}

}  // namespace griffin
