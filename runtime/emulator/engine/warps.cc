// What the lanes of a warp do together. Each function is one meeting: the last lane computes for all.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "checks.h"
#include "execution.h"
#include "functions.h"
#include "report.h"

namespace gk_emu {
namespace {

template <typename T>
T& brought(Warp& w, uint32_t lane) {
  return *static_cast<T*>(w.first[lane].deposit);
}

template <typename F>
void each(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1) f(uint32_t(__builtin_ctz(mask)));
}

struct Shuffle {
  uint64_t value, result;
  int32_t argument, width;
};

// PTX shfl.sync: the source lane within the segment of `width` lanes; one that falls out of the segment is the lane itself.
void complete_shuffle(Execution& e, Warp& w, uint32_t mask, uint32_t kind) {
  each(mask, [&](uint32_t lane) {
    Shuffle& s = brought<Shuffle>(w, lane);
    const int width = s.width, segment = int(lane) & ~(width - 1), in = int(lane) & (width - 1);
    int source = int(lane);
    switch (kind) {
      case GK_EMU_SHFL_INDEX: source = segment + (s.argument & (width - 1)); break;
      case GK_EMU_SHFL_UP: source = in >= s.argument ? int(lane) - s.argument : int(lane); break;
      case GK_EMU_SHFL_DOWN: source = in + s.argument < width ? int(lane) + s.argument : int(lane); break;
      default: {
        const int other = int(lane) ^ s.argument;
        source = other < segment + width ? other : int(lane);
        break;
      }
    }
    if (source < 0 || source > 31 || !(mask >> source & 1)) {
      e.fault_of(w.first[lane], kLaunchFailed, "a shuffle reads lane " + std::to_string(source) + ", which is not in the mask " + hexadecimal(mask));
    }
    s.result = brought<Shuffle>(w, uint32_t(source)).value;
  });
}

struct Vote {
  uint32_t predicate, result;
};

void complete_vote(Execution&, Warp& w, uint32_t mask, uint32_t kind) {
  uint32_t ballot = 0;
  each(mask, [&](uint32_t lane) { ballot |= brought<Vote>(w, lane).predicate ? 1u << lane : 0; });
  const uint32_t result = kind == GK_EMU_VOTE_BALLOT ? ballot : kind == GK_EMU_VOTE_ANY ? ballot != 0 : ballot == mask;
  each(mask, [&](uint32_t lane) { brought<Vote>(w, lane).result = result; });
}

struct Match {
  uint64_t value;
  uint32_t result;
};

void complete_match(Execution&, Warp& w, uint32_t mask, uint32_t) {
  each(mask, [&](uint32_t lane) {
    Match& m = brought<Match>(w, lane);
    m.result = 0;
    each(mask, [&](uint32_t other) { m.result |= brought<Match>(w, other).value == m.value ? 1u << other : 0; });
  });
}

struct Reduce {
  uint32_t value, result;
};

float as_float(uint32_t x) {
  float y;
  memcpy(&y, &x, 4);
  return y;
}

uint32_t as_bits(float x) {
  uint32_t y;
  memcpy(&y, &x, 4);
  return y;
}

uint32_t combine(uint32_t kind, uint32_t a, uint32_t b) {
  switch (kind) {
    case GK_EMU_REDUCE_ADD: return a + b;
    case GK_EMU_REDUCE_MIN_UNSIGNED: return std::min(a, b);
    case GK_EMU_REDUCE_MAX_UNSIGNED: return std::max(a, b);
    case GK_EMU_REDUCE_MIN_SIGNED: return uint32_t(std::min(int32_t(a), int32_t(b)));
    case GK_EMU_REDUCE_MAX_SIGNED: return uint32_t(std::max(int32_t(a), int32_t(b)));
    case GK_EMU_REDUCE_AND: return a & b;
    case GK_EMU_REDUCE_OR: return a | b;
    default: return a ^ b;
  }
}

// Every lane adds what its partner has, at distance 16, 8, 4, 2, 1. Addition commutes, so that both of a pair get the same bits (but which
// NaN comes out may differ), and lane i of the first half stands for lane i + d.
void complete_reduce(Execution&, Warp& w, uint32_t mask, uint32_t kind) {
  uint32_t result;
  if (kind == GK_EMU_REDUCE_FLOAT_SUM || kind == GK_EMU_REDUCE_FLOAT_MAX) {
    float x[32];
    for (uint32_t lane = 0; lane < 32; ++lane) x[lane] = as_float(brought<Reduce>(w, lane).value);
    for (int d = 16; d > 0; d >>= 1) {
      for (int lane = 0; lane < d; ++lane) x[lane] = kind == GK_EMU_REDUCE_FLOAT_SUM ? x[lane] + x[lane + d] : fmaxf(x[lane], x[lane + d]);
    }
    result = as_bits(x[0]);
  } else {
    const uint32_t first = uint32_t(__builtin_ctz(mask));
    result = brought<Reduce>(w, first).value;
    each(mask & (mask - 1), [&](uint32_t lane) { result = combine(kind, result, brought<Reduce>(w, lane).value); });
  }
  each(mask, [&](uint32_t lane) { brought<Reduce>(w, lane).result = result; });
}

void complete_sync(Execution& e, Warp& w, uint32_t mask, uint32_t) {
  if (e.checks) e.checks->met_warp(w, mask);
}

}  // namespace

void Execution::meet(uint32_t operation, uint32_t mask, void* deposit, void (*complete)(Execution&, Warp&, uint32_t, uint32_t), uint32_t detail) {
  Thread& t = *current_;
  Warp& w = *t.warp;
  const uint32_t bit = 1u << t.lane;
  t.wait = Wait::kCollective;
  t.wait_detail = operation;
  t.wait_mask = mask;
  t.deposit = deposit;
  if (!(mask & bit)) fault(kLaunchFailed, std::string(collective_name(operation)) + ": the calling lane " + std::to_string(t.lane) + " is not in the mask " + hexadecimal(mask));
  if (mask & (~w.lanes | w.exited)) {
    fault(kLaunchFailed, std::string(collective_name(operation)) + ": the mask " + hexadecimal(mask) + " names lanes that " +
                             (mask & ~w.lanes ? "do not exist: " : "have ended: ") + lane_list(mask & (mask & ~w.lanes ? ~w.lanes : w.exited)));
  }
  uint32_t i = 0;
  while (i < w.open && (w.collectives[i].mask != mask || w.collectives[i].operation != operation)) ++i;
  if (i == w.open) w.collectives[w.open++] = Collective{mask, 0, operation};
  Collective& c = w.collectives[i];
  c.arrived |= bit;
  if (c.arrived == mask) {
    c = w.collectives[--w.open];
    complete(*this, w, mask, detail);
    if (mask == bit) {
      t.wait = Wait::kNone;
      return;
    }
    make_ready(*t.owner, t.number / 32, mask);
  } else if (w.open > 1) {
    // Two meetings that each wait for a lane which stands in the other never end.
    for (uint32_t j = 0; j < w.open; ++j) {
      const Collective& other = w.collectives[j];
      if (j != i && (other.arrived & c.mask) && (c.arrived & other.mask)) {
        fault(kLaunchFailed, "lanes of a warp wait for each other in different places: " + waiting_report());
      }
    }
  }
  suspend();
}

void sync_warp(uint32_t mask) { execution().meet(kMeetSyncWarp, mask, nullptr, complete_sync, 0); }

uint64_t shuffle(uint32_t kind, uint32_t mask, uint64_t value, int32_t argument, int32_t width) {
  Execution& e = execution();
  if (width < 1 || width > 32 || (width & (width - 1))) e.fault(kLaunchFailed, "a shuffle of width " + std::to_string(width) + ": a power of two up to 32 was expected");
  Shuffle s = {value, 0, argument, width};
  e.meet(kMeetShuffle + (kind << 8), mask, &s, complete_shuffle, kind);
  return s.result;
}

uint32_t vote(uint32_t kind, uint32_t mask, int predicate) {
  Vote v = {predicate != 0, 0};
  execution().meet(kMeetVote + (kind << 8), mask, &v, complete_vote, kind);
  return v.result;
}

uint32_t match_any(uint32_t mask, uint64_t value) {
  Match m = {value, 0};
  execution().meet(kMeetMatch, mask, &m, complete_match, 0);
  return m.result;
}

uint32_t reduce(uint32_t kind, uint32_t mask, uint32_t value) {
  Reduce r = {value, 0};
  execution().meet(kMeetReduce + (kind << 8), mask, &r, complete_reduce, kind);
  return r.result;
}

}  // namespace gk_emu
