#pragma once
/// Loss accounting: what is missing from a log, by the workers' `seq`.
///
///     LossJudge judge{writer};
///     const std::size_t source = judge.add_source();
///     judge.begin(begin);
///     judge.discarded(source, {...});    // as soon as it is known
///     judge.expect(source, record);      // of several sources: when it is read, ahead of its time
///     judge.record(source, record);      // in time order, all sources together
///     const End end = judge.finish();
///
/// Gaps are found here, once, for everything that goes into one log; duplicates of a transition (the same instance,
/// worker and seq) are dropped, the first is kept. `Gap`s and `End`s of logs that are merged are evidence, not output;
/// a `Gap` that no transition of its worker follows is found at the end, and stands there.
///
/// What one source lacks another may have, stamped a little later: two tracers of one process do not share a clock
/// read. So a jump is judged when every source that tells of the worker has come past it or ended, at the latest
/// kLateNs after it; a record that comes meanwhile makes the gap smaller. That a source tells of a worker in another
/// order than that of `seq` is known only of what was expected so far: what comes from behind that, or later than
/// kLateNs, follows the gap that it is in, each once, and the End is an upper bound.
///
/// Lost = gaps of `seq` + the tail after the last record of each worker. The tail comes from `worker_stopped.seq`, or
/// else from the discarded counts: exactly where a channel carries transitions only, as an upper bound elsewhere.
/// Between two dumps of different generation (or the start and the first dump) a session may have been off: there only
/// what the discarded counts say was lost, once the jumps that nothing excuses have had theirs; the rest was not
/// traced. What precedes a worker's first `seq` is no jump unless its `worker_started` is there, or the source was to
/// have everything from the start of each process: then a dump or a start that is the first of a worker tells of a
/// session that was not ready yet, as between two dumps, and where the first is anything else it is a jump like any
/// other. A source that is a selection has no jumps.
///
/// Memory: grows with workers and sources, not with records. A jump that no discarded count explains waits for a dump
/// that may excuse it, and an excused one for jumps that need a count more than it does; what follows it, and what
/// follows one that waits for other sources, is held back meanwhile, at most kHeldRecords or kHeldNs.
///
/// Not shared between threads. Errors: those of the sink.

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::pal {

/// What a tracer says it discarded in one stream, in a time range.
struct Discarded {
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
    /// Modulo 2^64: single counts can be near 2^64, when a counter that two writers share went down; their sum is
    /// right.
    std::uint64_t count = 0;
    bool only_transitions = false;  ///< nothing but transitions goes through this channel
    bool counted = true;            ///< false: it does not know how many (packets that were overwritten)
    bool only_others = false;       ///< nothing of what is discarded can be a transition
};

class LossJudge {
  public:
    static constexpr std::size_t kHeldRecords = 65'536;
    static constexpr std::uint64_t kHeldNs = 2'000'000'000;
    static constexpr std::uint64_t kLateNs = 200'000'000;  ///< a record that is later than that may find its gap told
    static constexpr std::size_t kMaxRanges = 4096;        ///< discarded counts of a source; then the oldest are merged

    explicit LossJudge(EntrySink& out);
    ~LossJudge();
    LossJudge(const LossJudge&) = delete;
    LossJudge& operator=(const LossJudge&) = delete;

    /// An input: one trace, or one log. Returns its number.
    std::size_t add_source();
    /// Not every transition of this source was recorded, on purpose. To be said before its first record.
    void mark_selection(std::size_t source);
    /// The tracer was there before any process of this source, so what precedes a worker's first seq is missing. To be
    /// said before its first record.
    void mark_from_start(std::size_t source);

    /// The source begins in the middle of a process's life: there may have been workers that it does not know. To be
    /// said before its first record.
    void mark_from_the_middle(std::size_t source);

    void begin(const Begin& begin);
    /// A record of several sources was read, and is given later: in its source's own order.
    void expect(std::size_t source, const Record& record);
    void record(std::size_t source, const Record& record);
    /// A record without a seq of its own that another source gave already; it is not told again.
    void copy(std::size_t source, const Record& record);
    void discarded(std::size_t source, const Discarded& discarded);
    /// What a log that is merged says itself.
    void told(std::size_t source, const Gap& gap);
    void told(std::size_t source, const End& end);
    /// Nothing comes from this source any more.
    void ended(std::size_t source);
    /// Pushes what is held, and the End.
    /// @param bad_parts  sources that could not be read, or not to their end
    /// @param uncounted  what else may be missing, a sentence each
    End finish(std::uint64_t bad_parts = 0, std::vector<std::string> uncounted = {});

    std::uint64_t transitions() const { return transitions_; }
    std::uint64_t duplicates() const { return duplicates_; }
    /// The first seq of a source that cannot be, a sentence; empty: there is none. What has such a one is damaged: it
    /// is left out, and counts for nothing.
    const std::string& impossible(std::size_t source) const;
    /// Transitions lost that no discarded count accounts for.
    std::uint64_t unexplained() const { return unexplained_; }
    /// Transitions that were not traced: the tracer was off, or not ready yet.
    std::uint64_t untraced() const { return untraced_; }

  private:
    struct Source;
    struct Worker;
    struct Held;
    struct Taken;
    struct Teller;
    using HeldPlace = std::list<Held>::iterator;

    Worker& worker_of(std::size_t source, const WorkerId& id);
    void judged_record(std::size_t source, const Record& record);
    bool is_possible(std::size_t source, const Worker& worker, const Record& record);
    void transition(std::size_t source, Worker& worker, const Record& record);
    void position(std::size_t source, Worker& worker, const Record& record);
    void meet(std::size_t source, Worker& worker, std::uint64_t next, std::uint64_t ts_ns, bool excused);
    void jump(Worker& worker, std::uint64_t from, std::uint64_t to, std::uint64_t ts_ns, bool excused);
    bool fills_an_open_gap(Worker& worker, std::uint64_t seq);
    bool fills_a_told_gap(Worker& worker, std::uint64_t seq);
    static void remember(Worker& worker, std::uint64_t from, std::uint64_t to);
    static bool is_over(const Worker& worker, const Gap& said);
    std::vector<Teller>& tellers_of(const WorkerId& id);
    void pass(std::size_t source, Worker& worker, const Record& record);
    bool awaits_others(const Worker& worker, const Gap& gap) const;
    void judge_passed(Worker& worker);
    void judge(Held& held);
    void push(const Record& record);
    void excuse(Held& held);
    void settle(Held& held);
    void settle_first();
    void settle_old(std::uint64_t now_ns);
    void flush();
    void emit(const Held& held);
    std::uint64_t left_for(Held& held) const;
    void take_discarded(Held& held);
    void tell_last_gaps();
    void add_tails(End& end);

    EntrySink& out_;
    std::vector<std::unique_ptr<Source>> sources_;
    // ordered, not hashed: a log may hold any numbers
    std::map<std::uint64_t, std::unique_ptr<Worker>> workers_;     // by instance and index
    std::map<std::uint64_t, std::vector<std::size_t>> instances_;  // which sources tell of it
    std::map<std::uint64_t, std::vector<Teller>> tellers_;         // by instance and index
    std::list<Held> held_;
    std::size_t waiting_ = 0;  // held gaps that are not settled yet
    std::uint64_t expected_key_ = 0;
    std::vector<Teller>* expected_ = nullptr;
    /// A worker that was looked for lately.
    struct Near {
        WorkerId id;
        std::size_t source = 0;
        Worker* worker = nullptr;
        std::uint64_t* here = nullptr;  // its last seq in that source, once it was looked for
        std::uint64_t next = 0;         // the seq that needs no judgement while nothing is held; 0: none
        bool is(std::size_t of_source, const WorkerId& of) const { return id == of && source == of_source; }
    };
    static constexpr std::size_t kNear = 16;
    Near& near_of(const WorkerId& id) { return near_[(id.instance + id.index) % kNear]; }
    std::array<Near, kNear> near_{};
    std::uint64_t last_ts_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t transitions_ = 0;
    std::uint64_t duplicates_ = 0;
    std::uint64_t unexplained_ = 0;
    std::uint64_t untraced_ = 0;
    std::uint64_t lost_ = 0;
    bool late_ = false;  // a record came after its gap had been told
};

}  // namespace tiffany::pal
