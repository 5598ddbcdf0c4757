// What comes in: records are passed on, jumps of seq become gaps, which become smaller when others have what is
// missing.

#include <tiffany/pal/loss.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include "loss_parts.hpp"

namespace tiffany::pal {
namespace {

// A bound, so that memory does not grow with a trace that loses much: a record that comes later than so many gaps
// counts as a duplicate.
constexpr std::size_t kMaxGaps = 256;

}  // namespace

LossJudge::LossJudge(EntrySink& out) : out_{out} {}
LossJudge::~LossJudge() = default;

std::size_t LossJudge::add_source() {
    sources_.push_back(std::make_unique<Source>());
    return sources_.size() - 1;
}

void LossJudge::mark_selection(std::size_t source) {
    sources_[source]->selection = true;
}

void LossJudge::mark_from_start(std::size_t source) {
    sources_[source]->from_start = true;
}

void LossJudge::mark_from_the_middle(std::size_t source) {
    sources_[source]->from_the_middle = true;
}

void LossJudge::begin(const Begin& begin) {
    out_.begin(begin);
}

LossJudge::Worker& LossJudge::worker_of(std::size_t source, const WorkerId& id) {
    Near& near = near_of(id);
    if (near.worker != nullptr && near.is(source, id)) return *near.worker;
    const std::uint64_t key = key_of(id);
    std::unique_ptr<Worker>& worker = workers_[key];
    if (worker == nullptr) {
        worker = std::make_unique<Worker>();
        worker->id = id;
    }
    std::vector<std::size_t>& telling = instances_[id.instance];
    if (std::find(telling.begin(), telling.end(), source) == telling.end()) telling.push_back(source);
    worker->sources = &telling;  // a map's values stay where they are
    worker->tellers = &tellers_of(id);
    worker->judged =
        std::any_of(telling.begin(), telling.end(), [&](std::size_t s) { return !sources_[s]->selection; });
    near = {id, source, worker.get(), nullptr, 0};
    return *worker;
}

std::vector<LossJudge::Teller>& LossJudge::tellers_of(const WorkerId& id) {
    const std::uint64_t key = key_of(id);
    if (expected_ == nullptr || expected_key_ != key) {
        expected_key_ = key;
        expected_ = &tellers_[key];
    }
    return *expected_;
}

void LossJudge::expect(std::size_t source, const Record& record) {
    near_of(record.worker).next = 0;
    std::vector<Teller>& tellers = tellers_of(record.worker);
    const auto found = std::ranges::find(tellers, source, &Teller::source);
    Teller& teller = found != tellers.end() ? *found : tellers.emplace_back(Teller{source, record.ts_ns});
    const bool in_order = record.seq > teller.newest_seq ? record.ts_ns >= teller.newest_ns : !record.is_transition();
    teller.newest_seq = std::max(teller.newest_seq, record.seq);
    teller.newest_ns = std::max(teller.newest_ns, record.ts_ns);
    if (!in_order) teller.mixed_ns = teller.newest_ns;
}

void LossJudge::ended(std::size_t source) {
    sources_[source]->ended = true;
}

/// The usual case is in short here: nothing is missing anywhere, and this is a worker's next transition, which one
/// source tells of. `judged_record` would do the same.
void LossJudge::record(std::size_t source, const Record& record) {
    last_ts_ = record.ts_ns;
    Near& near = near_of(record.worker);
    if (near.next != record.seq || record.seq == 0 || !near.is(source, record.worker) || record.info == nullptr ||
        !record.info->is_transition() || !held_.empty())
        return judged_record(source, record);
    Worker& worker = *near.worker;
    *near.here = worker.last = record.seq;
    near.next = record.seq + 1;
    worker.last_ns = record.ts_ns;
    ++transitions_;
    ++records_;
    out_.record(record);
}

void LossJudge::judged_record(std::size_t source, const Record& record) {
    if (waiting_ != 0) settle_old(record.ts_ns);
    Worker& worker = worker_of(source, record.worker);
    if (!is_possible(source, worker, record)) return;
    pass(source, worker, record);
    if (record.is_transition() && record.seq != 0)
        transition(source, worker, record);
    else {
        position(source, worker, record);
        push(record);
    }
    judge_passed(worker);
    Near& near = near_of(record.worker);
    const bool goes_on = worker.known && worker.tellers->empty() && near.here != nullptr && *near.here == worker.last;
    near.next = goes_on ? worker.last + 1 : 0;
}

/// The source is at this record.
void LossJudge::pass(std::size_t source, Worker& worker, const Record& record) {
    std::vector<Teller>& tellers = *worker.tellers;
    const auto found = std::ranges::find(tellers, source, &Teller::source);
    if (found != tellers.end()) found->passed = std::max(found->passed, record.seq);
    if (is(record, EventId::WorkerStopped))
        sources_[source]->stops.insert(key_of(record.worker));
    else if (is(record, EventId::WorkerStarted))
        sources_[source]->stops.erase(key_of(record.worker));
}

/// Whether a source may still have what is missing, and not too late.
bool LossJudge::awaits_others(const Worker& worker, const Gap& gap) const {
    return std::ranges::any_of(*worker.tellers, [&](const Teller& teller) {
        if (sources_[teller.source]->ended) return false;
        if (teller.passed >= gap.to_seq) return teller.mixed_ns >= last_ts_;
        return teller.passed != 0 || teller.first_ns <= gap.ts_ns + kLateNs;
    });
}

/// Judges the gaps that no source can make smaller any more.
void LossJudge::judge_passed(Worker& worker) {
    if (worker.open.empty()) return;
    while (!worker.open.empty()) {
        Held& held = *worker.open.begin()->second;
        if (awaits_others(worker, held.gap) && last_ts_ < held.gap.ts_ns + kLateNs) break;
        judge(held);
    }
    flush();
}

void LossJudge::copy(std::size_t source, const Record& record) {
    last_ts_ = record.ts_ns;
    Worker& worker = worker_of(source, record.worker);
    pass(source, worker, record);
    judge_passed(worker);
    // what this source alone misses counts from here
    if (is(record, EventId::WorkerStarted) && !sources_[source]->selection)
        sources_[source]->last.try_emplace(key_of(record.worker), record.seq);
}

void LossJudge::transition(std::size_t source, Worker& worker, const Record& record) {
    const std::uint64_t seq = record.seq;
    Source& here = *sources_[source];
    Near& near = near_of(worker.id);
    if (near.here == nullptr) near.here = &here.last.try_emplace(key_of(worker.id), seq).first->second;
    if (seq > *near.here) {
        here.missing += seq - *near.here - 1;
        *near.here = seq;
    }
    if (!worker.known) {
        meet(source, worker, seq, record.ts_ns, false);
    } else if (seq <= worker.last) {
        if (seq >= worker.first && !fills_an_open_gap(worker, seq) && !fills_a_told_gap(worker, seq)) {
            ++duplicates_;
            return;
        }
        if (seq < worker.first) {
            const std::uint64_t before = std::exchange(worker.first, seq);
            if (seq + 1 < before && worker.tellers->size() > 1 && worker.judged)
                jump(worker, seq + 1, before - 1, record.ts_ns, false);  // one source has this, another that
            else if (seq + 1 < before)
                remember(worker, seq + 1, before - 1);
        }
        ++transitions_;
        push(record);
        return;
    } else if (seq > worker.last + 1 && worker.judged) {
        jump(worker, worker.last + 1, seq - 1, record.ts_ns, false);
    }
    worker.last = seq;
    worker.last_ns = record.ts_ns;
    ++transitions_;
    push(record);
}

void LossJudge::position(std::size_t source, Worker& worker, const Record& record) {
    if (sources_[source]->selection) return;
    if (is(record, EventId::WorkerStopped)) {
        if (!worker.known) {
            meet(source, worker, record.seq + 1, record.ts_ns, false);
            worker.last = record.seq;
        }
        worker.has_stopped = true;
        worker.stopped = std::max(worker.stopped, record.seq);
        return;
    }
    const bool started = is(record, EventId::WorkerStarted);
    if (started) sources_[source]->last.try_emplace(key_of(worker.id), record.seq);
    if (!started && !is(record, EventId::WorkerDumped)) return;
    bool excused = false;
    if (!started) {
        const std::uint64_t generation = record.number("generation");
        excused = !worker.dumped || generation > worker.generation;
        worker.dumped = true;
        worker.generation = std::max(worker.generation, generation);
        if (excused && waiting_ != 0)
            for (Held& held : held_)
                if (!held.settled && held.worker == &worker) excuse(held);
    }
    if (!worker.known) {
        meet(source, worker, record.seq + 1, record.ts_ns, true);
        worker.last = record.seq;
    } else if (record.seq > worker.last) {
        jump(worker, worker.last + 1, record.seq, record.ts_ns, excused);
        worker.last = record.seq;
    }
    worker.last_ns = record.ts_ns;
    if (started) worker.has_stopped = false;
    flush();
}

/// The first that is known of a worker: its next transition is, or would be, `next`.
/// @param excused  what precedes it was not traced, but for what the tracer discarded: a worker that finds a tracer
/// late
///                 says so before its next transition. Where it did not, records are missing that once were there (what
///                 is left of a ring).
void LossJudge::meet(std::size_t source, Worker& worker, std::uint64_t next, std::uint64_t ts_ns, bool excused) {
    worker.known = true;
    worker.first = next;
    std::uint64_t from = sources_[source]->from_start ? 1 : next;
    for (const Gap& told : worker.told)  // a log that was made from such a source
        if (told.from_seq < from && told.to_seq + 1 >= from) from = told.from_seq;
    if (from >= next || !worker.judged) return;
    worker.first = from;
    jump(worker, from, next - 1, ts_ns, excused);
}

/// One that is not told yet: it becomes smaller, or two.
bool LossJudge::fills_an_open_gap(Worker& worker, std::uint64_t seq) {
    auto found = worker.open.upper_bound(seq);
    if (found == worker.open.begin()) return false;
    --found;
    const HeldPlace place = found->second;
    Gap& gap = place->gap;
    if (seq > gap.to_seq) return false;
    const std::uint64_t to = std::exchange(gap.to_seq, seq - 1);
    if (seq < to) {
        Held after;
        after.gap = gap;
        after.gap.from_seq = seq + 1;
        after.gap.to_seq = to;
        after.worker = place->worker;
        after.awaits = true;
        after.settled = false;
        after.since_ns = place->since_ns;
        after.excused = place->excused;
        ++waiting_;
        worker.open.emplace(seq + 1, held_.insert(std::next(place), std::move(after)));
    }
    if (gap.from_seq > gap.to_seq) {
        worker.open.erase(found);
        place->awaits = false;
        place->settled = true;  // nothing is left to tell
        --waiting_;
        std::erase_if(worker.told, [&](const Gap& said) { return is_over(worker, said); });
        flush();
    }
    return true;
}

/// Transitions that come late are looked for there.
void LossJudge::remember(Worker& worker, std::uint64_t from, std::uint64_t to) {
    worker.gaps.push_back({from, to});
    if (worker.gaps.size() > kMaxGaps) worker.gaps.pop_front();
}

bool LossJudge::fills_a_told_gap(Worker& worker, std::uint64_t seq) {
    for (auto gap = worker.gaps.rbegin(); gap != worker.gaps.rend(); ++gap) {
        if (seq < gap->from || seq > gap->to) continue;
        const SeqRange after{seq + 1, gap->to};
        gap->to = seq - 1;  // empty, and never found again, if it was the first
        if (after.from <= after.to) remember(worker, after.from, after.to);
        late_ = true;
        return true;
    }
    return false;
}

void LossJudge::jump(Worker& worker, std::uint64_t from, std::uint64_t to, std::uint64_t ts_ns, bool excused) {
    Held made;
    made.gap = {ts_ns, worker.id, from, to, 0, true};
    made.worker = &worker;
    made.awaits = true;
    made.settled = false;
    made.since_ns = worker.last_ns;
    made.excused = excused;
    ++waiting_;
    held_.push_back(std::move(made));
    worker.open.emplace(from, std::prev(held_.end()));
    if (!awaits_others(worker, held_.back().gap)) judge_passed(worker);
}

void LossJudge::discarded(std::size_t source, const Discarded& discarded) {
    Source& here = *sources_[source];
    if (discarded.only_others) {
        here.others += discarded.counted ? discarded.count : 0;
        return;
    }
    (discarded.only_transitions ? here.exact : here.mixed) += discarded.counted ? discarded.count : 0;  // modulo 2^64
    here.ranges.push_back({discarded.begin_ns, discarded.end_ns,
                           discarded.counted ? static_cast<std::int64_t>(discarded.count) : 0, discarded.counted});
    if (here.ranges.size() <= kMaxRanges) return;
    const Range oldest = here.ranges.front();
    here.ranges.pop_front();
    ++here.merged;
    Range& next = here.ranges.front();
    next = {std::min(oldest.begin_ns, next.begin_ns), std::max(oldest.end_ns, next.end_ns),
            add_capped(oldest.left, next.left), oldest.counted && next.counted};
}

/// What a log says of these seqs is of no use any more: each is there, or was judged.
bool LossJudge::is_over(const Worker& worker, const Gap& said) {
    if (!worker.known || said.from_seq < worker.first || said.to_seq > worker.last) return false;
    const auto after = worker.open.upper_bound(said.to_seq);
    return after == worker.open.begin() || std::prev(after)->second->gap.to_seq < said.from_seq;
}

void LossJudge::told(std::size_t source, const Gap& gap) {
    sources_[source]->is_log = true;
    Worker& worker = worker_of(source, gap.worker);
    std::uint64_t& told_to = sources_[source]->told_to[key_of(gap.worker)];
    told_to = std::max(told_to, gap.to_seq);
    if (is_over(worker, gap)) return;
    std::vector<Gap>& told = worker.told;
    const bool known = std::any_of(told.begin(), told.end(), [&](const Gap& other) {
        return other.from_seq == gap.from_seq && other.to_seq == gap.to_seq;
    });
    if (!known) told.push_back(gap);
}

void LossJudge::told(std::size_t source, const End& end) {
    sources_[source]->is_log = true;
    sources_[source]->told_tail = end.tail;
    sources_[source]->told_at_most = end.at_most;
    sources_[source]->is_whole = end.lost == 0 && !sources_[source]->selection && !sources_[source]->from_the_middle;
    sources_[source]->others = end.lost_others;
}

void LossJudge::push(const Record& record) {
    ++records_;
    if (held_.empty()) {
        out_.record(record);
        return;
    }
    Held held;
    held.record = std::make_unique<Record>(record);
    held_.push_back(std::move(held));
}

}  // namespace tiffany::pal
