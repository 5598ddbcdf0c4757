#pragma once
/// The model of a PAL (Process Activity Log): what a log consists of, wherever it came from.
///
/// A log is one `Begin`, then `Record`s and `Gap`s in time order, then one `End`. A reader of anything (a log, a trace)
/// pushes these into an `EntrySink`; a writer, a checker and every analysis is an `EntrySink`.
///
/// The values here are plain: not shared between threads unless somebody locks.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::pal {

inline constexpr std::uint32_t kVersion = 1;  ///< "v" of every record

/// Names one worker: `instance` is the random part of the worker id (48 bits), `index` its low 16 bits.
struct WorkerId {
    std::uint64_t instance = 0;
    std::uint16_t index = 0;

    static constexpr WorkerId from_event(std::uint64_t worker) {
        return {worker >> 16, static_cast<std::uint16_t>(worker & 0xffff)};
    }
    // clang-tidy 14 takes the 0 of a rewritten `<` for a pointer
    friend constexpr auto operator<=>(const WorkerId&, const WorkerId&) = default;  // NOLINT(modernize-use-nullptr)
};

inline constexpr std::size_t kMaxFields = 12;  ///< of one event
inline constexpr std::size_t kMaxTexts = 2;    ///< strings of one event

/// One event of the catalogue, or one that this version does not know, with its values.
struct Record {
    const catalogue::EventInfo* info = nullptr;  ///< null: an event that this version does not know
    std::string unknown;                         ///< its name, if `info` is null; a `task_*` name counts for `seq`
    std::uint64_t ts_ns = 0;                     ///< since 1970-01-01 UTC, ns
    std::string host;                            ///< a label; may be empty
    std::uint32_t pid = 0;                       ///< a label; 0 = not known
    WorkerId worker;
    std::uint64_t seq = 0;   ///< transitions: this one; WorkerStarted, WorkerStopped, WorkerDumped: a position
    std::uint64_t tid = 0;   ///< 0 = no task
    std::uint64_t step = 0;  ///< 0 = the event has none
    std::array<std::uint64_t, kMaxFields> numbers{};  ///< [i] is the value of info->fields[i], if it is an own number
    std::array<std::string, kMaxTexts> texts;         ///< [i] is the value of the event's i-th string

    bool is_transition() const {
        return info != nullptr ? info->is_transition() : std::string_view{unknown}.starts_with("task_");
    }
    /// An own number by its field's name; 0 if the event has no such field.
    std::uint64_t number(std::string_view field) const;
    /// A string by its field's name; empty if the event has no such field.
    std::string_view text(std::string_view field) const;
    /// Sets a value by its field's name. Returns false, and does nothing, if the event has no such field.
    bool set_number(std::string_view field, std::uint64_t value);
    bool set_text(std::string_view field, std::string_view value);
};

/// Where a worker's part of a log begins.
struct FirstSeq {
    WorkerId worker;
    std::uint64_t seq = 0;  ///< of its first transition in this log, which may still come
};

/// First entry of a log.
struct Begin {
    std::uint64_t ts_ns = 0;          ///< of the first record; 0 = there is none
    std::string tool;                 ///< "paltrace 0.1.0"
    std::string trace;                ///< what the log was made from
    std::string clock;                ///< "monotonic"; empty = not known
    std::vector<std::string> events;  ///< the selection, as tracepoint names; empty = every transition was recorded
    std::uint16_t catalogue = 0;      ///< version of the catalogue in the trace; 0 = not known
    /// A log that begins in the middle of a process's life (it was turned over, or its reader came late): the workers
    /// that were there already. What precedes these seqs is not missing.
    std::vector<FirstSeq> first{};
};

/// Transitions of a worker that are missing from the log.
struct Gap {
    std::uint64_t ts_ns = 0;  ///< of the record after the gap
    WorkerId worker;
    std::uint64_t from_seq = 0;  ///< first missing
    std::uint64_t to_seq = 0;    ///< last missing
    std::uint64_t lost = 0;      ///< how many of them were lost; the rest was not traced
    bool explained = true;       ///< false: the trace's discarded counts do not account for it (a filter?)
};

/// Last entry of a log: without it the log was cut.
struct End {
    std::uint64_t ts_ns = 0;        ///< of the last record
    std::uint64_t records = 0;      ///< records in the log, without Begin, Gap and End
    std::uint64_t lost = 0;         ///< transitions lost: all gaps, and the tail
    std::uint64_t tail = 0;         ///< the part of `lost` that no Gap tells: after the last record seen of each worker
    bool at_most = false;           ///< `lost` is an upper bound (events that are no transitions share the channel)
    std::uint64_t lost_others = 0;  ///< at least so many events were lost that are no transitions
    std::uint64_t bad_parts = 0;    ///< logs and traces it was made from that could not be read, or not to their end
    std::vector<std::string> uncounted{};  ///< what may be missing and is in no count: a sentence each
};

/// Where the entries of one log go, in order: begin, then records and gaps, then end.
///
/// Errors: each may throw `Error`; the reader that pushes passes it on.
class EntrySink {
  public:
    virtual ~EntrySink() = default;
    virtual void begin(const Begin& begin) = 0;
    virtual void record(const Record& record) = 0;
    virtual void gap(const Gap& gap) = 0;
    virtual void end(const End& end) = 0;
};

}  // namespace tiffany::pal
