#pragma once
/// What the loss judge knows of sources, workers and gaps. loss.cpp: what comes in, and jumps of seq;
/// loss_judgement.cpp: what a jump was; loss_tail.cpp: the end. Private to pal.

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tiffany/pal/loss.hpp>
#include <vector>

namespace tiffany::pal {

constexpr std::uint64_t key_of(const WorkerId& id) {
    return id.instance << 16 | id.index;
}

inline bool is(const Record& record, EventId id) {
    return record.info != nullptr && record.info->id == id;
}

constexpr std::uint64_t kCountedLateNs = 1'000'000;

/// What is left of one discarded count. Signed: a single count can be negative, modulo 2^64.
struct Range {
    std::uint64_t begin_ns;
    std::uint64_t end_ns;
    std::int64_t left;
    bool counted;

    /// Whether some of it may have been discarded in that time. Where a large event did not fit into the rest of a
    /// packet, and a smaller one behind it did, LTTng was seen to count it in the next packet, which began 4 to 16 us
    /// later.
    bool touches(std::uint64_t from_ns, std::uint64_t to_ns) const {
        return begin_ns <= to_ns + kCountedLateNs && end_ns >= from_ns;
    }
};

struct SeqRange {
    std::uint64_t from;
    std::uint64_t to;
};

constexpr std::uint64_t clamped(std::uint64_t count) {
    return static_cast<std::int64_t>(count) < 0 ? 0 : count;
}

constexpr std::uint64_t minus(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

/// A damaged trace may tell of any numbers.
constexpr std::int64_t add_capped(std::int64_t a, std::int64_t b) {
    using Limits = std::numeric_limits<std::int64_t>;
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? Limits::min() : Limits::max();
}

struct LossJudge::Source {
    bool selection = false;
    bool from_start = false;
    bool from_the_middle = false;
    bool is_log = false;
    std::deque<Range> ranges;
    std::size_t merged = 0;    // how many older ranges are in the first one
    std::uint64_t exact = 0;   // discarded in channels of transitions only; modulo 2^64
    std::uint64_t mixed = 0;   // in other channels that carry transitions
    std::uint64_t others = 0;  // in channels that carry none; modulo 2^64
    bool ended = false;
    bool is_whole = false;            // a log that lacks nothing, from the start of the process on
    std::set<std::uint64_t> stops{};  // workers that it has seen stop, and not start again
    std::uint64_t told_tail = 0;
    bool told_at_most = false;
    using SeqByWorker = std::map<std::uint64_t, std::uint64_t>;  // of each worker
    SeqByWorker last;                                            // the last seq in this source
    SeqByWorker told_to;                                         // the last seq that a Gap of this log tells of
    std::uint64_t missing = 0;                                   // jumps of seq in this source alone
    std::string impossible{};                                    // of the first record that was left out
};

/// How far a source is that tells of a worker.
struct LossJudge::Teller {
    std::size_t source;
    std::uint64_t first_ns;        // of its first record
    std::uint64_t passed = 0;      // it has told of this seq, or said that it is behind it
    std::uint64_t newest_seq = 0;  // of what was read
    std::uint64_t newest_ns = 0;   // likewise; so a record with a greater seq may have a lesser time:
    std::uint64_t mixed_ns = 0;    // up to here its records do not come in the order of their seq
};

struct LossJudge::Worker {
    WorkerId id;
    const std::vector<std::size_t>* sources = nullptr;
    std::vector<Teller>* tellers = nullptr;
    std::map<std::uint64_t, HeldPlace> open{};  // gaps that wait for other sources, by their first seq
    bool judged = false;                        // some source has every transition
    bool known = false;                         // some seq of it is known, so that a jump can be seen
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t last_ns = 0;
    std::uint64_t stopped = 0;
    bool has_stopped = false;
    bool dumped = false;
    std::uint64_t generation = 0;
    std::uint64_t lost = 0;
    std::deque<SeqRange> gaps;  // the latest ones
    std::vector<Gap> told;      // what logs say of the seqs to come
    std::uint64_t gap_to = 0;   // not 0: a Gap after the last transition goes up to here
};

/// A part of a discarded count that a jump has got.
struct LossJudge::Taken {
    std::size_t source;
    std::size_t range;  // its number in that source, from 0
    std::uint64_t count;
};

/// An entry that waits for the judgement on a jump before it; or that jump's gap.
struct LossJudge::Held {
    std::unique_ptr<Record> record;  // null: it is a gap
    Gap gap;
    Worker* worker = nullptr;
    bool awaits = false;  // a source may still have it
    bool settled = true;
    std::uint64_t unexplained = 0;       // missing transitions that no discarded count accounts for yet
    std::uint64_t since_ns = 0;          // time of the record before the gap
    bool unsure = false;                 // some discarded count is there that cannot be trusted as a number
    bool excused = false;                // a dump says why it was not traced: it gets what the other jumps leave
    std::uint64_t told_unexplained = 0;  // lost, and a log says that its tracer did not discard it
    std::uint64_t not_explained = 0;     // lost, and no discarded count accounts for it
    std::vector<Taken> taken;            // until it is settled
};

}  // namespace tiffany::pal
