#include "pal_log.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel_time.hpp"

namespace tiffany::detail {
namespace {

// With what may wait in the rings and the time that the writer sleeps this stays well below 200 ms.
constexpr std::uint64_t kTendNs = 120'000'000;

std::uint16_t index_of(const std::byte* event) noexcept {
    std::uint64_t worker = 0;
    std::memcpy(&worker, event, sizeof worker);  // every struct begins with it
    return static_cast<std::uint16_t>(worker & 0xffff);
}

}  // namespace

PalLog::PalLog(std::unique_ptr<PalTarget> target, std::shared_ptr<PalLines> lines)
    : lines_{std::move(lines)},
      target_{std::move(target)},
      batch_bytes_{target_->batch_bytes()},
      text_{new char[batch_bytes_ + PalLines::kMaxLine]},
      end_{text_.get()},
      wanted_{target_->wants()} {}

void PalLog::worker(pal::WorkerId id, std::uint64_t position) noexcept {
    PalWorkerState& state = workers_.state[id.index];
    workers_.instance = id.instance;
    if (state.known) return;  // its index goes on
    state.known = true;
    state.position = position;
    workers_.known.push_back(id.index);
    target_->meet(id.index, position);
}

bool PalLog::event(const PalEvent& event) noexcept {
    if (last_ts_ns_ == 0) target_->tend(workers_, event.ts_ns);  // a log begins with its first event
    const bool transition = static_cast<std::size_t>(event.id) < kTransitions;
    if (transition) {
        const std::uint64_t seq = reinterpret_cast<const tiffany_task_done*>(event.payload)->seq;
        touch(index_of(event.payload), seq, seq);
    } else {
        learn(event);
    }
    last_ts_ns_ = std::max(last_ts_ns_, event.ts_ns);
    if (!wanted_) return true;
    stamp(event.ts_ns);
    end_ = lines_->put(end_, event);
    ++batch_.records;
    batch_.transitions += transition ? 1 : 0;
    batch_.states += event.id == EventId::State ? 1 : 0;
    if (static_cast<std::size_t>(end_ - text_.get()) >= batch_bytes_) hand_over();
    return true;
}

bool PalLog::gap(const pal::Gap& gap) noexcept {
    touch(gap.worker.index, gap.from_seq, gap.to_seq);
    if (!wanted_) return true;
    stamp(gap.ts_ns);
    end_ = lines_->put(end_, gap);
    batch_.lost += gap.lost;
    if (static_cast<std::size_t>(end_ - text_.get()) >= batch_bytes_) hand_over();
    return true;
}

/// These seqs of a worker are in the batch, or would be.
void PalLog::touch(std::size_t index, std::uint64_t from, std::uint64_t to) noexcept {
    PalWorkerState& state = workers_.state[index];
    state.position = to;
    if (!wanted_ || state.batch_from != 0) return;
    state.batch_from = from;
    workers_.touched.push_back(static_cast<std::uint16_t>(index));
}

void PalLog::learn(const PalEvent& event) noexcept {
    PalWorkerState& state = workers_.state[index_of(event.payload)];
    if (event.id == EventId::WorkerStarted) {
        std::memcpy(&state.started, event.payload, sizeof state.started);
        state.live = true;
    } else if (event.id == EventId::WorkerDumped && !state.live) {
        const auto& dumped = *reinterpret_cast<const tiffany_dump_worker*>(event.payload);
        state.started.worker = dumped.worker;
        std::memcpy(state.started.scheduler, dumped.scheduler, sizeof state.started.scheduler);
        state.started.pid = dumped.pid;
        state.started.thread = dumped.thread;
        state.started.catalogue = dumped.catalogue;
        state.live = true;
    } else if (event.id == EventId::WorkerStopped) {
        state.live = false;
        state.stopped_at = state.position;
    }
}

void PalLog::stamp(std::uint64_t ts_ns) noexcept {
    if (end_ == text_.get()) batch_.first_ts_ns = ts_ns;
    batch_.last_ts_ns = ts_ns;
}

void PalLog::hand_over() noexcept {
    if (end_ != text_.get()) {
        batch_.lines = {text_.get(), static_cast<std::size_t>(end_ - text_.get())};
        target_->take(batch_, workers_);
        batch_ = {};
        end_ = text_.get();
    }
    for (const std::uint16_t index : workers_.touched)
        workers_.state[index].batch_from = 0;
    workers_.touched.clear();
}

bool PalLog::looked(bool /*told*/, bool flush) noexcept {
    const std::uint64_t now_ns = coarse_kernel_ns();
    if (!flush && !target_->is_live() && now_ns - tended_ns_ < kTendNs) return true;
    tended_ns_ = now_ns;
    hand_over();
    target_->tend(workers_, last_ts_ns_);
    wanted_ = target_->wants();
    return true;
}

void PalLog::end() noexcept {
    hand_over();
    target_->end(workers_, last_ts_ns_);
}

}  // namespace tiffany::detail
