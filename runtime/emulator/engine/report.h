// Words for messages.
#ifndef GK_EMULATOR_REPORT_H
#define GK_EMULATOR_REPORT_H
#include <cstdint>
#include <string>

namespace gk_emu {

// Operations that lanes of a warp meet in, in the low byte; above it the kind (of shuffle, vote, …), which all callers must agree on as well.
enum CollectiveOperation : uint32_t {
  kMeetSyncWarp, kMeetShuffle, kMeetVote, kMeetMatch, kMeetReduce, kMeetMatrix, kMeetLoadMatrix,
};
const char* collective_name(uint32_t operation);
std::string hexadecimal(uint64_t x);
std::string lane_list(uint32_t lanes);  // "0-3, 7"

}  // namespace gk_emu

#endif
