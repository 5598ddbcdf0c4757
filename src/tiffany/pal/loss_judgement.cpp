// Whether a seq can be. What a jump of seq was: lost, as a log or a discarded count says, or not traced. Gaps wait here
// for what may excuse them, and entries behind them.

#include <algorithm>
#include <string>
#include <tiffany/pal/loss.hpp>
#include <vector>

#include "loss_parts.hpp"

namespace tiffany::pal {

/// A seq counts a worker's transitions, each of which is a call and several stores: more than 1 ns on any processor.
/// What is further from the last one than there were ns in between was not written by a worker. kLateNs more, because
/// records come out of order by that, and stamps may stand still for a while.
bool LossJudge::is_possible(std::size_t source, const Worker& worker, const Record& record) {
    const bool tells_seq = (record.is_transition() && record.seq != 0) || is(record, EventId::WorkerStopped) ||
                           is(record, EventId::WorkerStarted) || is(record, EventId::WorkerDumped);
    if (!tells_seq || !worker.judged || !worker.known) return true;
    const std::uint64_t most = minus(record.ts_ns, worker.last_ns) + kLateNs;
    if (record.seq <= worker.last || record.seq - worker.last <= most) return true;
    if (std::string& said = sources_[source]->impossible; said.empty())
        said = "worker " + std::to_string(record.worker.index) + " has seq " + std::to_string(record.seq) + " in its " +
               std::string{record.info != nullptr ? record.info->name : record.unknown} + ", and " +
               std::to_string(worker.last) + " was its last " + std::to_string(minus(record.ts_ns, worker.last_ns)) +
               " ns before: it is damaged";
    return false;
}

const std::string& LossJudge::impossible(std::size_t source) const {
    return sources_[source]->impossible;
}

/// No source has it.
void LossJudge::judge(Held& held) {
    Gap& gap = held.gap;
    Worker& worker = *held.worker;
    held.awaits = false;
    worker.open.erase(gap.from_seq);
    remember(worker, gap.from_seq, gap.to_seq);

    // what a log says of these seqs was judged when that log was made, with the discarded counts at hand
    const std::uint64_t missing = gap.to_seq - gap.from_seq + 1;
    std::uint64_t told = 0;
    std::uint64_t told_unexplained = 0;
    for (Gap& said : worker.told) {
        if (said.from_seq > gap.to_seq || said.to_seq < gap.from_seq) continue;
        const std::uint64_t overlap = std::min(gap.to_seq, said.to_seq) - std::max(gap.from_seq, said.from_seq) + 1;
        const std::uint64_t lost = std::min(overlap, said.lost);
        told += overlap;
        gap.lost += lost;
        said.lost -= lost;  // another part of what it tells of may be judged, too
        if (!said.explained) told_unexplained += lost;
        gap.explained = gap.explained && said.explained;
    }
    std::erase_if(worker.told, [&](const Gap& said) { return said.to_seq <= gap.to_seq; });
    gap.lost = std::min(gap.lost, missing);
    held.unexplained = minus(missing, told);
    held.told_unexplained = std::min(told_unexplained, gap.lost);

    // Settled at once, unless a dump still to come may excuse it, or a jump still to come may need what it would take.
    if (held.excused) {
        excuse(held);
    } else {
        take_discarded(held);
        if (held.unexplained == 0) settle(held);
    }
}

/// What was not traced is missing without having been discarded, and the same count may account for what another worker
/// really lost. So an excused jump gives back what it took, and takes again when it is settled, after the others.
void LossJudge::excuse(Held& held) {
    held.excused = true;
    if (held.awaits) return;
    for (const Taken& taken : held.taken) {
        Source& source = *sources_[taken.source];
        Range& range = source.ranges[minus(taken.range, source.merged)];
        range.left = add_capped(range.left, static_cast<std::int64_t>(taken.count));  // merged since, perhaps
        held.gap.lost -= taken.count;
        held.unexplained += taken.count;
    }
    held.taken.clear();
    if (held.unexplained == 0 || left_for(held) == 0) settle(held);
}

/// What the discarded counts of its time have left, at most what it is short of.
std::uint64_t LossJudge::left_for(Held& held) const {
    std::int64_t net = 0;
    for (const std::size_t source : *held.worker->sources)
        for (const Range& range : sources_[source]->ranges) {
            if (!range.touches(held.since_ns, held.gap.ts_ns)) continue;
            if (range.left < 0 || !range.counted) held.unsure = true;
            net = add_capped(net, range.left);
        }
    return net <= 0 ? 0 : std::min(held.unexplained, static_cast<std::uint64_t>(net));
}

/// From the count first that ends first: gaps are judged in the order of their ends, so of two counts that touch this
/// one that which goes on for longer is of more use to those that follow.
void LossJudge::take_discarded(Held& held) {
    std::uint64_t to_take = left_for(held);
    if (to_take == 0) return;
    held.gap.lost += to_take;
    held.unexplained -= to_take;
    struct Touching {
        Range* range;
        std::size_t source;
        std::size_t number;
    };
    std::vector<Touching> touching;
    for (const std::size_t number : *held.worker->sources) {
        Source& source = *sources_[number];
        for (std::size_t i = 0; i < source.ranges.size(); ++i)
            if (Range& range = source.ranges[i]; range.left > 0 && range.touches(held.since_ns, held.gap.ts_ns))
                touching.push_back({&range, number, source.merged + i});
    }
    std::ranges::stable_sort(touching, {}, [](const Touching& each) { return each.range->end_ns; });
    for (const Touching& each : touching) {
        if (to_take == 0) return;
        const std::uint64_t part = std::min(to_take, static_cast<std::uint64_t>(each.range->left));
        each.range->left -= static_cast<std::int64_t>(part);
        to_take -= part;
        held.taken.push_back({each.source, each.number, part});
    }
}

/// Nothing changes what is known of it any more.
void LossJudge::settle(Held& held) {
    if (held.excused) {
        take_discarded(held);  // the rest was not traced
    } else {
        // no dump excuses it: all of it was lost, whether or not the tracer says so
        if (!held.unsure) held.not_explained = held.unexplained;
        held.gap.lost += held.unexplained;
    }
    held.gap.explained = held.gap.explained && held.not_explained == 0;
    held.settled = true;
    held.taken = {};
    --waiting_;
}

/// Settles the first of the held entries, a gap.
void LossJudge::settle_first() {
    Held& first = held_.front();
    if (first.awaits) judge(first);
    if (first.settled) {
        flush();
        return;
    }
    if (!first.excused)
        take_discarded(first);
    else if (left_for(first) != 0)
        for (Held& other : held_)
            if (!other.settled && !other.excused) take_discarded(other);
    settle(first);
    flush();
}

void LossJudge::settle_old(std::uint64_t now_ns) {
    while (!held_.empty()) {
        Held& first = held_.front();
        if (held_.size() >= kHeldRecords || now_ns >= first.gap.ts_ns + kHeldNs) {
            settle_first();
        } else if (first.awaits && now_ns >= first.gap.ts_ns + kLateNs) {
            judge(first);
            flush();
        } else {
            return;
        }
    }
}

/// Afterwards the first of the held entries, if there is one, is a gap that is not settled.
void LossJudge::flush() {
    while (!held_.empty() && held_.front().settled) {
        const Held& front = held_.front();
        if (front.record != nullptr) {
            out_.record(*front.record);
        } else if (front.gap.from_seq <= front.gap.to_seq) {
            front.worker->lost += front.gap.lost;
            emit(front);
        }
        held_.pop_front();
    }
}

void LossJudge::emit(const Held& held) {
    const Gap& gap = held.gap;
    lost_ += gap.lost;
    untraced_ += gap.to_seq - gap.from_seq + 1 - gap.lost;
    unexplained_ += std::min(held.told_unexplained + held.not_explained, gap.lost);
    out_.gap(gap);
}

}  // namespace tiffany::pal
