#include "merge_inputs.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tiffany/pal/loss.hpp>
#include <utility>
#include <vector>

#include "anchors.hpp"
#include "duplicates.hpp"
#include "record_heap.hpp"
#include "source_counts.hpp"

namespace tiffany::ctf {
namespace {

// Records that wait in the heap, of all sources together, and the fewest of one source.
constexpr std::size_t kWindow = 4096;
constexpr std::size_t kLeastWindow = 16;
// Children that are started before the first of them is waited for. A short trace is done when it is first read, so
// that a thousand short processes do not need a thousand children at once.
constexpr std::size_t kStartAhead = 32;

void add(Counts& to, const Counts& more) {
    for (const auto& [name, count] : more)
        to[name] += count;
}

/// One reading: its sources, and what goes from them into one log.
class Reading {
  public:
    Reading(const FoundInputs& inputs, const ReadOptions& options, const OpenSource& open, pal::EntrySink& sink)
        : inputs_{inputs.inputs}, found_{inputs.found}, options_{options}, open_{open}, judge_{sink} {
        for (const Error& error : inputs.bad)
            unread(error);
    }

    ReadSummary run() {
        for (const InputPart& found : found_)
            if (found.stand_in)
                summary_.lent.push_back("the metadata of " + found.name + " is cut: read with that of " +
                                        found.stand_in->lender);
        window_ = std::max(kLeastWindow, kWindow / std::max<std::size_t>(1, found_.size()));
        for (std::size_t i = 0; i < found_.size() + kStartAhead; ++i) {
            if (i < found_.size()) start(found_[i]);
            if (i >= kStartAhead) fill(i - kStartAhead);
        }
        judge_without_tiffany();
        if (whole_ == 0 && heap_.empty()) throw first_failure();
        begin();
        if (found_.size() == 1 && found_.front().is_trace) give_in_the_order_of_time(*sources_.front());
        while (!heap_.empty()) {
            const RecordHeap::Place next = give_first();
            Source& source = *sources_[next.source];
            --source.waiting;
            fill(next.source);
            if (source.next == nullptr && source.waiting == 0) judge_.ended(next.source);
        }
        if (whole_ == 0) throw first_failure();
        finish();
        return std::move(summary_);
    }

  private:
    struct Source : FrameHandler {
        Source(Reading& of, std::size_t number, std::size_t of_input, std::string label)
            : reading{of},
              index{number},
              input{of_input},
              batch{of.pool_, of.found_.size() == 1 ? RecordBatch::kMost : 1} {
            begin_.trace = std::move(label);
        }

        void facts(const TraceFacts& facts) override {
            tiffany = facts.tiffany;
            begin_.clock = facts.clock;
            begin_.events = facts.events;
            if (facts.from_start) reading.judge_.mark_from_start(index);
            if (!facts.selection) return;
            some = true;  // that nothing of what was selected happened is an answer
            reading.judge_.mark_selection(index);
        }
        void begin(const pal::Begin& begin) override {
            tiffany = some = true;
            begin_ = begin;
            for (const pal::FirstSeq& first : begin.first)
                anchors.begin(first);
            if (!begin.first.empty()) reading.judge_.mark_from_the_middle(index);
            if (!begin.events.empty()) reading.judge_.mark_selection(index);
        }
        void discarded(const pal::Discarded& discarded) override {
            some = true;
            reading.judge_.discarded(index, discarded);
        }
        void gap(const pal::Gap& gap) override { reading.judge_.told(index, gap); }
        void end(const pal::End& end) override {
            reading.judge_.told(index, end);
            add_sentences(reading.summary_.uncounted, end.uncounted);
            if (end.bad_parts == 0) return;
            reading.unread_ += end.bad_parts;
            reading.bad_part(Error{ErrorKind::content, bad_parts_remark(reading.found_[index].name, end.bad_parts)});
        }
        void left_out(std::uint64_t ticks) override { reading.summary_.ticks_left_out += ticks; }
        void lacks(const std::string& what) override {
            some = true;
            ++reading.summary_.without_buffers;
            reading.bad_part(Error{ErrorKind::content, what});
        }
        void cut(const std::string& what) override {
            some = true;
            reading.cut(*this, what);
        }
        void unknown(const Counts& events, const Counts& fields) override {
            some = some || !events.empty();
            add(reading.summary_.unknown_events, events);
            add(reading.summary_.unknown_fields, fields);
        }

        Reading& reading;
        std::size_t index;  // in sources_, and in the judge
        std::size_t input;
        NextRecords next;  // empty: it is read, or it failed
        RecordBatch batch;
        std::size_t taken = 0;  // of the batch
        bool tiffany = false;   // events of ours are declared in it
        bool some = false;      // there were some, beside the records in the heap
        bool failed = false;
        bool is_cut = false;      // and counted among those of which not all is there
        std::size_t waiting = 0;  // its records in the heap
        pal::Begin begin_;
        Anchors anchors;
        SourceCounts counts;
    };

    void start(const InputPart& found) {
        auto source = std::make_unique<Source>(*this, judge_.add_source(), found.input, found.label);
        try {
            source->next = open_(found, pool_);
        } catch (const Error& error) {
            source->failed = true;
            unread(error);
        }
        sources_.push_back(std::move(source));
    }

    /// Asks a source for its next records. Returns false if there are none.
    bool read(Source& source) {
        source.batch.clear();
        source.taken = 0;
        if (source.next == nullptr) return false;
        try {
            if (source.next(source.batch, source)) return true;
            ++whole_;
        } catch (const Error& error) {
            source.failed = true;
            if (source.is_cut) {
                bad_part(error);
                // where nothing could be read, this is why, and not that it is cut
                if (first_failed_ == &source)
                    first_failure_ = Error{error.kind(), first_failure_->one_line() + "; " + error.one_line()};
            } else {
                unread(error);
            }
        }
        source.next = nullptr;
        return false;
    }

    /// Brings so many records of a source into the heap that its order can be trusted.
    void fill(std::size_t index) {
        Source& source = *sources_[index];
        while (source.waiting < window_ && (source.taken < source.batch.records().size() || read(source))) {
            pal::Record& record = *std::exchange(source.batch.records()[source.taken++], &pool_.fresh());
            source.counts.add(record);
            // in the source's own order: the heap has those of one time by seq
            heap_.add(index, record, found_.size() > 1 ? source.anchors.of(record) : kNoAnchor);
            if (found_.size() > 1) judge_.expect(index, record);
            ++source.waiting;
        }
    }

    /// All of an only trace. A tracer's records come in the order of time: only those of one time, up to kWindow, are
    /// put into another order, in the heap.
    void give_in_the_order_of_time(Source& source) {
        pal::Record* last = nullptr;  // read, and not given: there may be more of its time; not in the heap, if alone
        pal::Record* spare = &pool_.fresh();
        do {
            for (pal::Record*& place : source.batch.records().subspan(source.taken)) {
                pal::Record* const next = std::exchange(place, spare);
                source.counts.add(*next);
                if (last != nullptr && last->ts_ns < next->ts_ns) {
                    judge_.record(source.index, *last);
                    spare = std::exchange(last, next);
                    continue;
                }
                if (last != nullptr) heap_.add(source.index, *std::exchange(last, nullptr), kNoAnchor);
                while (!heap_.empty() && (heap_.first().ts_ns < next->ts_ns || heap_.size() >= kWindow))
                    give_first();
                if (heap_.empty())
                    last = next;
                else
                    heap_.add(source.index, *next, kNoAnchor);
                spare = &pool_.fresh();
            }
        } while (read(source));
        pool_.recycle(*spare);
        if (last != nullptr) heap_.add(source.index, *last, kNoAnchor);
        source.waiting = heap_.size();
    }

    /// An input with traces in which there is nothing of ours was not what its user meant. (Beside traces that have
    /// something it is a process without a scheduler.)
    void judge_without_tiffany() {
        if (options_.empty) return;
        for (std::size_t input = 0; input < inputs_.size(); ++input) {
            const auto of_input = [&](const auto& source) { return source->input == input; };
            const auto has_ours = [&](const auto& source) {
                return of_input(source) && (source->failed || source->some || source->waiting != 0);
            };
            if (std::none_of(sources_.begin(), sources_.end(), of_input) ||
                std::any_of(sources_.begin(), sources_.end(), has_ours))
                continue;
            bad_part(Error{ErrorKind::content, "cannot read " + inputs_[input] + ": it holds no tiffany events"});
            whole_ -= static_cast<std::size_t>(std::count_if(sources_.begin(), sources_.end(), of_input));
        }
    }

    void bad_part(const Error& error) {
        if (!first_failure_) first_failure_ = error;
        summary_.bad_parts.push_back(error.one_line());
        summary_.refused = summary_.refused || error.kind() == ErrorKind::system;
    }

    /// Of an input, or a trace in it, not all is in the log.
    void unread(const Error& error) {
        ++unread_;
        bad_part(error);
    }

    void cut(Source& source, const std::string& what) {
        if (!std::exchange(source.is_cut, true) && !source.failed) ++unread_;
        if (!first_failure_) first_failed_ = &source;
        bad_part(Error{ErrorKind::content, what});
    }

    Error first_failure() const { return first_failure_.value_or(Error{ErrorKind::usage, "no input"}); }

    void begin() {
        pal::Begin begin;
        begin.tool = "paltrace " TIFFANY_VERSION;
        if (!heap_.empty()) begin.ts_ns = heap_.first().ts_ns;
        std::set<std::string> names;
        std::set<std::string> clocks;
        std::set<std::string> selected;
        for (const std::unique_ptr<Source>& source : sources_) {
            if (!source->tiffany) continue;
            names.insert(source->begin_.trace);
            if (!source->begin_.clock.empty()) clocks.insert(source->begin_.clock);
            selected.insert(source->begin_.events.begin(), source->begin_.events.end());
            begin.catalogue = std::max(begin.catalogue, source->begin_.catalogue);
        }
        for (const std::string& name : names)
            begin.trace += (begin.trace.empty() ? "" : ", ") + name;
        if (clocks.size() == 1) begin.clock = *clocks.begin();
        begin.events.assign(selected.begin(), selected.end());
        begin.catalogue = std::max(begin.catalogue, catalogue_version());
        if (sources_.size() == 1) begin.first = sources_.front()->begin_.first;
        summary_.selection = begin.events;
        judge_.begin(begin);
    }

    /// As the records say that are in the heap already: workers are told of early.
    std::uint16_t catalogue_version() const {
        std::uint64_t version = 0;
        heap_.for_each(
            [&version](const pal::Record& record) { version = std::max(version, record.number("catalogue")); });
        return static_cast<std::uint16_t>(version);
    }

    bool is_copy(const RecordHeap::Place& next) {
        const std::uint64_t until = sources_[next.source]->anchors.until(*next.record, next.anchor);
        return duplicates_.seen(next.source, *next.record, next.anchor, until);
    }

    void give(const RecordHeap::Place& next) {
        const bool named_by_seq = next.record->is_transition() && next.record->seq != 0;
        SourceCounts& counts = sources_[next.source]->counts;
        if (sources_.size() > 1 && !named_by_seq && is_copy(next)) {
            ++summary_.duplicates;
            judge_.copy(next.source, *next.record);
            counts.take_back(*next.record);
            return;
        }
        const std::uint64_t duplicates = judge_.duplicates();
        judge_.record(next.source, *next.record);
        if (judge_.duplicates() != duplicates) counts.take_back(*next.record);
    }

    RecordHeap::Place give_first() {
        const RecordHeap::Place next = heap_.take();
        give(next);
        pool_.recycle(*next.record);
        return next;
    }

    void finish() {
        for (std::size_t i = 0; i < found_.size(); ++i)
            if (const SourceCounts& counts = sources_[i]->counts; found_[i].is_trace)
                summary_.traces.push_back({found_[i].name, counts.records, counts.transitions, counts.open_workers()});
        for (std::size_t i = 0; i < found_.size(); ++i)
            if (const std::string& why = judge_.impossible(i); !why.empty())
                cut(*sources_[i], "cannot read all of " + found_[i].name + ": " + why);
        if (options_.uncounted) add_sentences(summary_.uncounted, options_.uncounted(summary_));
        const pal::End end = judge_.finish(unread_, summary_.uncounted);
        summary_.records = end.records;
        summary_.transitions = judge_.transitions();
        summary_.duplicates += judge_.duplicates();
        summary_.lost = end.lost;
        summary_.tail = end.tail;
        summary_.at_most = end.at_most;
        summary_.lost_others = end.lost_others;
        summary_.unexplained = judge_.unexplained();
        summary_.untraced = judge_.untraced();
        if (options_.strict && summary_.unexplained != 0)
            bad_part(Error{ErrorKind::content, unexplained_remark(summary_.unexplained)});
    }

    const std::vector<std::string>& inputs_;
    const std::vector<InputPart>& found_;
    const ReadOptions& options_;
    const OpenSource& open_;
    pal::LossJudge judge_;
    ReadSummary summary_;
    RecordPool pool_;
    std::vector<std::unique_ptr<Source>> sources_;
    RecordHeap heap_;
    Duplicates duplicates_;
    std::size_t window_ = kWindow;
    std::optional<Error> first_failure_;
    const Source* first_failed_ = nullptr;  // whose that is, if it is that a source is cut
    std::size_t whole_ = 0;                 // sources that were read to their end
    std::uint64_t unread_ = 0;              // those that were not, and what logs say that they lack
};

}  // namespace

ReadSummary merge_inputs(const FoundInputs& inputs, const ReadOptions& options, const OpenSource& open,
                         pal::EntrySink& sink) {
    return Reading{inputs, options, open, sink}.run();
}

}  // namespace tiffany::ctf
