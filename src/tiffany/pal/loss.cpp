#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <tiffany/pal/loss.hpp>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace tiffany::pal {
namespace {

// A bound, so that memory does not grow with a trace that loses much: a record that comes later than so many gaps
// counts as a duplicate.
constexpr std::size_t kMaxGaps = 256;

constexpr std::uint64_t key_of(const WorkerId& id) {
    return id.instance << 16 | id.index;
}

bool is(const Record& record, EventId id) {
    return record.info != nullptr && record.info->id == id;
}

/// What is left of one discarded count. Signed: a single count can be negative, modulo 2^64.
struct Range {
    std::uint64_t begin_ns;
    std::uint64_t end_ns;
    std::int64_t left;
    bool counted;

    bool touches(std::uint64_t from_ns, std::uint64_t to_ns) const { return begin_ns <= to_ns && end_ns >= from_ns; }
};

struct SeqRange {
    std::uint64_t from;
    std::uint64_t to;
};

std::uint64_t clamped(std::uint64_t count) {
    return static_cast<std::int64_t>(count) < 0 ? 0 : count;
}

std::uint64_t minus(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

}  // namespace

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
    bool is_whole = false;                      // a log that lacks nothing, from the start of the process on
    std::unordered_set<std::uint64_t> stops{};  // workers that it has seen stop, and not start again
    std::uint64_t told_tail = 0;
    bool told_at_most = false;
    std::unordered_map<std::uint64_t, std::uint64_t> last;  // by worker: the last seq in this source
    std::unordered_map<std::uint64_t, std::uint64_t>
        told_to;                // by worker: the last seq that a Gap of this log tells of
    std::uint64_t missing = 0;  // jumps of seq in this source alone
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
    const std::uint64_t key = key_of(id);
    if (last_worker_ != nullptr && last_key_ == key && last_source_ == source) return *last_worker_;
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
    last_key_ = key;
    last_worker_ = worker.get();
    last_source_ = source;
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

void LossJudge::record(std::size_t source, const Record& record) {
    last_ts_ = record.ts_ns;
    if (waiting_ != 0) settle_old(record.ts_ns);
    Worker& worker = worker_of(source, record.worker);
    pass(source, worker, record);
    if (record.is_transition() && record.seq != 0)
        transition(source, worker, record);
    else {
        position(source, worker, record);
        push(record);
    }
    judge_passed(worker);
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
    const auto last_here = here.last.try_emplace(key_of(worker.id), seq).first;
    if (seq > last_here->second) {
        here.missing += seq - last_here->second - 1;
        last_here->second = seq;
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
        source.ranges[minus(taken.range, source.merged)].left += static_cast<std::int64_t>(taken.count);
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
            net += range.left;
        }
    return net <= 0 ? 0 : std::min(held.unexplained, static_cast<std::uint64_t>(net));
}

void LossJudge::take_discarded(Held& held) {
    std::uint64_t to_take = left_for(held);
    held.gap.lost += to_take;
    held.unexplained -= to_take;
    for (const std::size_t number : *held.worker->sources) {
        Source& source = *sources_[number];
        for (std::size_t i = 0; i < source.ranges.size(); ++i) {
            if (to_take == 0) return;
            Range& range = source.ranges[i];
            if (!range.touches(held.since_ns, held.gap.ts_ns) || range.left <= 0) continue;
            const std::uint64_t part = std::min(to_take, static_cast<std::uint64_t>(range.left));
            range.left -= static_cast<std::int64_t>(part);
            to_take -= part;
            held.taken.push_back({number, source.merged + i, part});
        }
    }
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
    next = {std::min(oldest.begin_ns, next.begin_ns), std::max(oldest.end_ns, next.end_ns), oldest.left + next.left,
            oldest.counted && next.counted};
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

/// Sources that tell of the same process are one group: what is lost in one may be there in another.
void LossJudge::add_tails(End& end) {
    std::vector<std::size_t> group(sources_.size());
    std::iota(group.begin(), group.end(), std::size_t{0});
    const auto find = [&group](std::size_t source) {
        while (group[source] != source)
            source = group[source];
        return source;
    };
    for (const auto& [instance, telling] : instances_)
        for (const std::size_t source : telling)
            group[find(source)] = find(telling.front());

    struct Group {
        std::uint64_t gaps = 0;     // lost in gaps
        std::uint64_t stopped = 0;  // tails that worker_stopped tells
        bool all_stopped = true;
        std::size_t traces = 0;
        std::size_t logs = 0;
        bool has_whole_log = false;
        std::uint64_t counted = 0;  // the tail that discarded counts tell
        bool counted_at_most = false;
        std::uint64_t told = 0;
        bool at_most = false;
    };
    std::unordered_map<std::size_t, Group> groups;
    for (const auto& [key, worker] : workers_) {
        Group& in = groups[find(worker->sources->front())];
        in.gaps += worker->lost;
        if (worker->judged && worker->has_stopped)
            in.stopped += minus(worker->stopped, std::max(worker->last, worker->gap_to));
        if (worker->known && !(worker->has_stopped && worker->stopped >= worker->last)) in.all_stopped = false;
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        Group& in = groups[find(i)];
        ++(sources_[i]->is_log ? in.logs : in.traces);
        // one that ends before the process did, as it was turned over, lacks what came later
        const bool to_the_end = std::ranges::all_of(workers_, [&](const auto& worker) {
            return find(worker.second->sources->front()) != find(i) || !worker.second->known ||
                   sources_[i]->stops.contains(worker.first);
        });
        in.has_whole_log = in.has_whole_log || (sources_[i]->is_whole && to_the_end);
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        const Source& source = *sources_[i];
        Group& in = groups[find(i)];
        std::uint64_t found_elsewhere = 0;
        std::uint64_t known_elsewhere = 0;  // to be there, or to be lost
        for (const auto& [key, last] : source.last) {
            const Worker& worker = *workers_.at(key);
            const auto told_to = source.told_to.find(key);
            const std::uint64_t here = std::max(last, told_to == source.told_to.end() ? 0 : told_to->second);
            found_elsewhere += minus(worker.last, last);
            known_elsewhere += minus(std::max(worker.last, worker.gap_to), here);
        }
        if (source.is_log) {
            in.told = std::max(in.told, minus(source.told_tail, known_elsewhere));
            in.at_most = in.at_most || source.told_at_most;
            continue;
        }
        const std::uint64_t mixed = in.all_stopped ? 0 : clamped(source.mixed);
        const std::uint64_t counted = clamped(source.exact) + mixed;
        if (in.traces == 1 && in.logs == 0) {
            in.counted = minus(counted, in.gaps);
            in.counted_at_most = mixed != 0;
        } else if (in.traces == 1) {
            // what of it the logs have is in none of its gaps here; a log that lacks nothing leaves nothing to count
            if (in.has_whole_log && in.all_stopped) continue;
            const std::uint64_t gaps = std::max(in.gaps, minus(source.missing, untraced_));
            in.counted = minus(minus(counted, gaps), found_elsewhere);
            in.counted_at_most = mixed != 0 || (untraced_ != 0 && groups.size() > 1);
        } else if (!in.all_stopped) {
            // parts or copies of one recording: each has a tail of its own, unless another goes on where it ends
            const std::uint64_t gaps = untraced_ == 0 ? source.missing : 0;
            in.counted = std::max(in.counted, minus(minus(counted, gaps), known_elsewhere));
            in.counted_at_most = true;
        }
    }
    for (const auto& [root, in] : groups) {
        end.tail += std::max({in.stopped, in.counted, in.told});
        end.at_most = end.at_most || in.at_most || (in.counted_at_most && in.counted > in.stopped);
    }
}

/// What logs say is missing after a worker's last transition is as true as what they say of the middle: these Gaps
/// stand at the end, because only now it is known that nothing follows them.
void LossJudge::tell_last_gaps() {
    std::vector<std::pair<Worker*, Gap>> last;
    for (const auto& [key, worker] : workers_)
        for (const Gap& said : worker->told)
            if (worker->judged && said.to_seq > worker->last) last.emplace_back(worker.get(), said);
    std::ranges::sort(last, {}, [](const auto& each) {
        return std::tuple{each.second.ts_ns, key_of(each.second.worker), each.second.from_seq, each.second.to_seq};
    });
    for (const auto& [worker, said] : last) {
        if (!worker->known) {
            worker->known = true;
            worker->first = said.from_seq;
            worker->last = said.from_seq - 1;
        }
        const std::uint64_t from = std::max(worker->last, worker->gap_to) + 1;
        if (said.to_seq < from) continue;
        last_ts_ = std::max(last_ts_, said.ts_ns);
        worker->gap_to = said.to_seq;
        jump(*worker, from, said.to_seq, last_ts_, false);
    }
    while (!held_.empty())
        settle_first();
}

End LossJudge::finish() {
    while (!held_.empty())
        settle_first();
    tell_last_gaps();
    End end;
    end.ts_ns = last_ts_;
    end.records = records_;
    end.at_most = late_;
    add_tails(end);
    end.lost = lost_ + end.tail;
    for (const auto& source : sources_)
        end.lost_others += clamped(source->others);
    out_.end(end);
    return end;
}

}  // namespace tiffany::pal
