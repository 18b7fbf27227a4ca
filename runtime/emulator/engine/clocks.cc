#include "clocks.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace gk_emu {

Clocks::~Clocks() {
  end_launch();
  for (Knowledge* k : spare_) {
    k->~Knowledge();
    free(k);
  }
}

// ---- knowledge -------------------------------------------------------------------------------------------------------------------

Knowledge* Clocks::make() {
  if (!spare_.empty()) {
    Knowledge* const k = spare_.back();
    spare_.pop_back();
    k->references = 1;
    return k;
  }
  void* const p = malloc(sizeof(Knowledge) + size_ * sizeof(uint32_t));
  if (!p) throw std::bad_alloc();
  Knowledge* const k = new (p) Knowledge();
  k->references = 1;
  k->size = size_;
  return k;
}

Knowledge* Clocks::copy(const Knowledge& from) {
  Knowledge* const k = make();
  memcpy(k->clocks, from.clocks, size_ * sizeof(uint32_t));
  k->foreign = from.foreign;
  return k;
}

void Clocks::drop(Knowledge*& k) {
  if (k && --k->references == 0) {
    k->foreign.reset();
    if (k->size == size_) {
      spare_.push_back(k);
    } else {
      k->~Knowledge();
      free(k);
    }
  }
  k = nullptr;
}

void Clocks::assign(Knowledge*& to, Knowledge* from) {
  if (from) ++from->references;
  drop(to);
  to = from;
}

void Clocks::join(Knowledge& into, const Knowledge& from) {
  uint32_t* const a = into.clocks;
  const uint32_t* const b = from.clocks;
  for (uint32_t i = 0; i < size_; ++i) a[i] = std::max(a[i], b[i]);
  into.foreign = merge(into.foreign, from.foreign);
}

std::shared_ptr<const Foreign> Clocks::merge(const std::shared_ptr<const Foreign>& a, const std::shared_ptr<const Foreign>& b) {
  if (!b || a == b) return a;
  if (!a) return b;
  auto result = std::make_shared<Foreign>();
  size_t i = 0, j = 0;
  while (i < a->size() || j < b->size()) {
    if (j == b->size() || (i < a->size() && (*a)[i].first < (*b)[j].first)) {
      result->push_back((*a)[i++]);
    } else if (i == a->size() || (*b)[j].first < (*a)[i].first) {
      result->push_back((*b)[j++]);
    } else {
      result->emplace_back((*a)[i].first, std::max((*a)[i].second, (*b)[j].second));
      ++i;
      ++j;
    }
  }
  return result;
}

// ---- launches --------------------------------------------------------------------------------------------------------------------

void Clocks::begin_launch() {
  stride_ = e_.request->block + 1;
  const uint32_t size = stride_ * e_.cluster;
  if (size != size_) {
    for (Knowledge* k : spare_) {
      k->~Knowledge();
      free(k);
    }
    spare_.clear();
    size_ = size;
  }
  nothing_ = make();
  memset(nothing_->clocks, 0, size_ * sizeof(uint32_t));
  copy_clocks_.assign(e_.cluster, 0);
}

void Clocks::end_launch() {
  e_.each_thread([this](Thread& t) {
    drop(t.knowledge);
    drop(t.released);
  });
  for (Block& b : e_.blocks) {
    for (Transaction& x : b.transactions) forget(x);
    b.transactions.clear();
  }
  drop(nothing_);
  drop(join_left_);
  drop(join_right_);
  drop(join_result_);
  clear_logs(false);
}

void Clocks::clear_logs(bool only_shared) {
  if (only_shared) {
    for (const auto& [offset, log] : shared_logs_) {
      for (Entry& entry : logs_[log].entries) drop(entry.knowledge);
      logs_[log] = Log();
    }
    shared_logs_.clear();
    return;
  }
  for (Log& log : logs_) {
    for (Entry& entry : log.entries) drop(entry.knowledge);
  }
  logs_.clear();
  shared_logs_.clear();
  global_logs_.clear();
}

void Clocks::begin_cluster() {
  first_serial_ = e_.blocks[0].serial;
  std::fill(copy_clocks_.begin(), copy_clocks_.end(), 0);
  if (!shared_logs_.empty()) clear_logs(true);
}

void Clocks::begin_thread(Thread& t) {
  assign(t.knowledge, nothing_);
  drop(t.released);
  t.clock = 1;
  t.acquired.clear();
}

// ---- order -----------------------------------------------------------------------------------------------------------------------

void Clocks::meet(const std::vector<Thread*>& threads) {
  Knowledge* k = copy(*threads[0]->knowledge);
  const Knowledge* last = threads[0]->knowledge;
  for (Thread* t : threads) {
    if (t->knowledge != last && t->knowledge != threads[0]->knowledge) {
      join(*k, *t->knowledge);
      last = t->knowledge;
    }
  }
  for (Thread* t : threads) k->clocks[index_of(*t)] = t->clock;
  for (Thread* t : threads) {
    assign(t->knowledge, k);
    advance(*t);
  }
  drop(k);
}

void Clocks::fence(Thread& t) {
  if (!t.acquired.empty()) {
    Knowledge* k = copy(*t.knowledge);
    for (const auto& [number, entries] : t.acquired) {
      Log& log = logs_[number];
      const auto own = log.by_cluster.find(first_serial_);
      if (own != log.by_cluster.end()) {
        for (const uint32_t i : own->second) {
          if (i >= entries) break;
          const Entry& entry = log.entries[i];
          join(*k, *entry.knowledge);
          uint32_t& clock = k->clocks[(entry.serial - first_serial_) * stride_ + entry.thread];
          clock = std::max(clock, entry.clock);
        }
      }
      auto seen = std::make_shared<const Foreign>(Foreign{{number, entries}});
      k->foreign = merge(merge(k->foreign, log.entries[entries - 1].seen), seen);
    }
    t.acquired.clear();
    drop(t.knowledge);
    t.knowledge = k;
  }
  assign(t.released, t.knowledge);
  t.released_clock = t.clock;
  advance(t);
}

void Clocks::atomic(Thread& t, uint64_t offset, bool shared) {
  auto& numbers = shared ? shared_logs_ : global_logs_;
  const auto found = numbers.find(offset);
  if (found == numbers.end() && !t.released) return;
  uint32_t number;
  if (found == numbers.end()) {
    number = uint32_t(logs_.size());
    logs_.emplace_back();
    numbers[offset] = number;
  } else {
    number = found->second;
  }
  Log& log = logs_[number];
  if (!log.entries.empty()) {
    const auto known = std::find_if(t.acquired.begin(), t.acquired.end(), [number](const auto& a) { return a.first == number; });
    if (known == t.acquired.end()) {
      t.acquired.emplace_back(number, uint32_t(log.entries.size()));
    } else {
      known->second = uint32_t(log.entries.size());
    }
  }
  if (!t.released) return;
  if (!log.entries.empty()) {
    const Entry& last = log.entries.back();
    if (last.serial == t.owner->serial && last.thread == t.number && last.clock == t.released_clock) return;
  }
  Entry entry = {first_serial_, t.owner->serial, t.number, t.released_clock, nullptr, nullptr};
  assign(entry.knowledge, t.released);
  std::shared_ptr<const Foreign> others = t.released->foreign;
  if (others && others->size() == 1 && (*others)[0].first == number) others = nullptr;  // the log itself
  entry.seen = merge(log.entries.empty() ? nullptr : log.entries.back().seen, others);
  log.by_cluster[first_serial_].push_back(uint32_t(log.entries.size()));
  log.entries.push_back(std::move(entry));
}

bool Clocks::knows_of_other(const Knowledge& k, uint64_t stamp) const {
  if (!k.foreign) return false;
  // Clusters are numbered without gaps, so that the first block of the stamp's follows from any.
  const uint32_t serial = serial_of(stamp), first = serial - (serial - e_.launch_serial) % e_.cluster;
  const uint32_t thread = thread_of(stamp), clock = clock_of(stamp), index = (serial - first) * stride_ + thread;
  for (const auto& [number, entries] : *k.foreign) {
    const Log& log = logs_[number];
    const auto found = log.by_cluster.find(first);
    if (found == log.by_cluster.end()) continue;
    for (const uint32_t i : found->second) {
      if (i >= entries) break;
      const Entry& entry = log.entries[i];
      if (entry.knowledge->clocks[index] >= clock || (entry.serial == serial && entry.thread == thread && entry.clock >= clock)) return true;
    }
  }
  return false;
}

// ---- transaction barriers ---------------------------------------------------------------------------------------------------------

void Clocks::arrive(Thread& t, Transaction& x) {
  if (!x.knowledge) {
    x.knowledge = copy(*t.knowledge);
  } else {
    join(*x.knowledge, *t.knowledge);
  }
  x.knowledge->clocks[index_of(t)] = t.clock;
  advance(t);
}

void Clocks::forget(Transaction& x) {
  drop(x.knowledge);
  drop(x.completed);
}

void Clocks::complete(Transaction& x) {
  drop(x.completed);
  x.completed = x.knowledge;
  x.knowledge = nullptr;
}

void Clocks::wait(Thread& t, Transaction& x) {
  if (!x.completed || t.knowledge == x.completed) return;
  if (t.knowledge != join_left_ || x.completed != join_right_) {
    Knowledge* k = copy(*t.knowledge);
    join(*k, *x.completed);
    assign(join_left_, t.knowledge);
    assign(join_right_, x.completed);
    drop(join_result_);
    join_result_ = k;
  }
  assign(t.knowledge, join_result_);
}

uint64_t Clocks::landed(Block& b, Transaction& x) {
  const uint32_t rank = b.cluster_rank, thread = stride_ - 1;
  const uint32_t clock = std::min(++copy_clocks_[rank], kMostClock);
  x.knowledge->clocks[rank * stride_ + thread] = clock;
  return make_stamp(b.serial, thread, clock, false);
}

}  // namespace gk_emu
