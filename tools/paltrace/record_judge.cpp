#include "record_judge.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ostream>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "notice.hpp"
#include "process_table.hpp"
#include "read_back.hpp"
#include "reading.hpp"
#include "record_notes.hpp"
#include "recorded_processes.hpp"

namespace tiffany::paltrace {
namespace {

constexpr std::chrono::seconds kLosslessWait{2};  // what a recording that was over earlier lost was not for want of it

class Judge {
  public:
    Judge(const RecordOptions& options, const OutputDir& directory, const RecordingEnd& end, RecordFacts& facts,
          std::ostream& talk)
        : options_{options}, directory_{directory}, end_{end}, facts_{facts}, talk_{talk} {}

    void run();
    void judge(const ctf::ReadSummary& found);

  private:
    void take_processes(const ctf::ReadSummary& read);
    std::vector<std::string> doubts_of(const ctf::ReadSummary& found) const;
    std::string of_what(const ctf::ReadSummary& found) const;
    bool may_lack_buffers() const;
    bool may_lack_end(pid_t process) const;
    std::string how_to_lose_less(const ctf::ReadSummary& found) const;
    std::optional<bool> has_ended(pid_t process) const;
    bool is_salvaged(const RecordedProcess& process) const;
    void judge_nothing();
    void judge_processes();
    void judge_missing(const ctf::ReadSummary& found);
    void judge_missed();
    void judge_room();
    void judge_disk();
    void judge_daemon();
    void complain(ExitCode code, const std::string& sentence) { paltrace::complain(facts_, talk_, code, sentence); }
    std::string failure() const { return failure_of(name_of(*facts_.failed_daemon()), !facts_.dead_daemon); }
    std::string trace_path() const { return directory_.path("trace"); }
    std::string recovered_path() const { return directory_.path("recovered"); }

    const RecordOptions& options_;
    const OutputDir& directory_;
    const RecordingEnd& end_;
    RecordFacts& facts_;
    std::ostream& talk_;
};

void Judge::run() try {
    if (!holds_trace(trace_path())) {
        complain(ExitCode::bad_content,
                 facts_.failed_daemon() ? "no tiffany events in " + directory_.name() + ": " + failure() +
                                              " before any process had registered with it"
                 : options_.command.empty()
                     ? "no tiffany events in " + directory_.name() +
                           ": no instrumented process is registered with this session daemon, or none of them did "
                           "anything"
                     : "no tiffany events in " + directory_.name() + ": no process of " + options_.command.front() +
                           " registered with LTTng; it makes no scheduler, or TIFFANY_LTTNG=0 is set, or "
                           "libtiffany-lttng.so "
                           "or liblttng-ust is missing");
        judge_missed();
        judge_room();
        return;
    }
    Notice{talk_} << "reading the trace back";
    facts_.processes = recorded_processes(trace_path(), {});
    std::vector<std::string> inputs{trace_path()};
    if (holds_trace(recovered_path())) inputs.push_back(recovered_path());
    const auto uncounted = [this](const ctf::ReadSummary& read) {
        take_processes(read);
        return doubts_of(read);
    };
    const ReadBackOptions wish{.ticks = options_.ticks, .recording = directory_.name(), .uncounted = uncounted};
    try {
        facts_.found = read_back(inputs, options_.convert ? directory_.path("tiffany.pal") : std::string{}, wish);
    } catch (const Error& error) {
        if (!options_.convert) throw;
        facts_.found = read_back(inputs, {}, wish);  // without a log what was recorded is known all the same
        complain(exit_code(error.kind()), error.one_line());
    }
    // The session has no filter. With --lossless a worker leaves out by itself what it would have to wait for too long:
    // ADR 46.
    if (facts_.found->unexplained != 0 && !options_.lossless && !may_lack_buffers())
        facts_.found->bad_parts.push_back(std::to_string(facts_.found->unexplained) +
                                          " transitions are missing that the tracer did not discard, and nothing that "
                                          "was seen of the recording explains it");
    judge(*facts_.found);
} catch (const Error& error) {
    complain(exit_code(error.kind()), error.one_line());
    facts_.processes_unknown = facts_.processes.empty();
    judge_daemon();
    judge_missed();
    judge_room();
    judge_disk();
}

void Judge::take_processes(const ctf::ReadSummary& read) {
    facts_.processes = recorded_processes(trace_path(), read.traces);
    for (RecordedProcess& process : facts_.processes) {
        process.ended = has_ended(process.pid);
        process.unread = process.ended == false && may_lack_end(process.pid);
    }
}

/// Of processes that go on. A consumer daemon that does not read leaves them with buffers that may have been full, and
/// what found no room after the last packet is in no count; without a session daemon LTTng records nothing any more.
/// Where that one alone hung, the consumer daemon went on to the end, and what it had not taken was in the buffers: of
/// whom they were read.
bool Judge::may_lack_end(pid_t process) const {
    if (facts_.dead_daemon) return !options_.command.empty();  // else the recording ended with it
    return facts_.hung_daemon && (*facts_.hung_daemon != Daemon::session || !end_.salvaged.contains(process));
}

/// As whoever reads the recording later is told.
std::vector<std::string> Judge::doubts_of(const ctf::ReadSummary& found) const {
    RecordFacts told = facts_;
    told.found = found;
    told.read_back = true;
    return doubts_in(record_text(options_, told));
}

/// Nothing: it is COMMAND, and was killed, which is said.
std::optional<bool> Judge::has_ended(pid_t process) const {
    const bool told = facts_.command_wait_status == SIGKILL;
    if (process == end_.command && told && !facts_.failed_daemon() && !facts_.disk_was_full) return std::nullopt;
    if (end_.registered) return std::ranges::find(*end_.registered, process) == end_.registered->end();
    return is_dead(process);  // or is not there: its parent has waited for it
}

/// It is COMMAND, and a signal ended it while its workers worked: the default action of any kills in the middle of an
/// event as SIGKILL does. Its buffers were read, and what that leaves out is said.
bool Judge::is_salvaged(const RecordedProcess& process) const {
    return end_.salvaged.contains(process.pid) && !facts_.failed_daemon() && !facts_.disk_was_full &&
           process.pid == end_.command && process.tail_unknown();
}

/// There are traces, and nothing of ours in them.
void Judge::judge_nothing() {
    const std::string where = "no tiffany events in " + directory_.name() + ": ";
    const std::size_t count = facts_.processes.size();
    if (count == 0)
        complain(ExitCode::bad_content,
                 where +
                     "what registered with LTTng has no tracepoints of Tiffany: it makes no scheduler, or "
                     "TIFFANY_LTTNG=0 is set, or libtiffany-lttng.so is missing");
    else
        complain(ExitCode::bad_content, where + titles_of(facts_.processes) +
                                            (count == 1 ? " was there, and made none while LTTng was ready for it"
                                                        : " were there, and made none while LTTng was ready for them"));
}

/// Of which processes nothing, or perhaps not all, is there.
void Judge::judge_processes() {
    std::vector<RecordedProcess> silent;
    std::vector<RecordedProcess> cut;
    for (const RecordedProcess& process : facts_.processes) {
        if (process.transitions == 0) silent.push_back(process);
        if (process.tail_unknown() && !is_salvaged(process)) cut.push_back(process);
    }
    if (!silent.empty() && silent.size() < facts_.processes.size())
        Notice{talk_} << "no transition was recorded of " << titles_of(silent);
    const bool of_others = std::ranges::any_of(cut, [this](const auto& one) { return one.pid != end_.command; });
    if (facts_.hangs_on)
        Notice{talk_} << unwritten_is_missing(failure());
    else if (!cut.empty() && facts_.failed_daemon())
        Notice{talk_} << rest_is_missing(titles_of(cut), failure());
    if (facts_.failed_daemon())
        Notice{talk_} << later_ones_are_missing(failure());
    else if (!cut.empty() && facts_.disk_was_full)
        Notice{talk_} << full_disk_took_the_rest(titles_of(cut));
    else if (!cut.empty())
        Notice{talk_} << untold_end(titles_of(cut)) << ": of the last second, as a rule up to "
                      << human_bytes(facts_.buffers.transitions.bytes)
                      << " on each CPU may be missing and not counted; so is what it did after exit()"
                      << (options_.crash_safe && of_others
                              ? "; --crash-safe keeps the last buffers of COMMAND itself alone"
                              : "");
}

/// Whether some were not read in full, so that what was in them shows as a gap that no discarded count explains:
/// LTTng's consumer reads no sub-buffer that a process left in the middle of an event.
bool Judge::may_lack_buffers() const {
    return facts_.failed_daemon() || facts_.disk_was_full || WIFSIGNALED(facts_.command_wait_status) ||
           std::ranges::any_of(facts_.processes, &RecordedProcess::tail_unknown);
}

std::string Judge::how_to_lose_less(const ctf::ReadSummary& found) const {
    if (found.without_buffers != 0 || facts_.failed_daemon() || facts_.disk_was_full)
        return "";  // larger ones would not help
    const std::string larger = "give --buffers more than " + facts_.buffers.transitions.text();
    const bool half_written = found.unexplained != 0 && may_lack_buffers();
    constexpr std::string_view kHalfWritten =
        "perhaps a process ended in the middle of an event, and nobody reads what it left half written";
    if (options_.lossless) {
        const bool waited_in_vain = found.unexplained != found.lost || *facts_.ended - facts_.started >= kLosslessWait;
        std::string said{": "};
        if (half_written) said += kHalfWritten;
        if (half_written && !waited_in_vain) return said;
        if (half_written) said += ", which no larger --buffers would help; or ";
        return said +
               "a full buffer was not served, or a worker had no CPU in the middle of an event, for 2 s, and "
               "--lossless waits no longer: " +
               larger + ", or the machine less to do";
    }
    std::string said;
    if (half_written)
        said =
            "; LTTng did not discard " + std::to_string(found.unexplained) + " of them: " + std::string{kHalfWritten};
    if (found.unexplained == found.lost) return said;
    return said + (half_written ? "; for the rest " : ": ") + larger + ", or --lossless";
}

/// What no transition was lost of: what else there was, or may have been, is said beside that, and is in no count.
std::string Judge::of_what(const ctf::ReadSummary& found) const {
    if (found.untraced != 0 || found.without_buffers != 0) return " of what was traced";
    if (!found.bad_parts.empty()) return " of what can be read";
    const bool all = facts_.own == ExitCode::good && !facts_.failed_daemon() && facts_.consumer_found &&
                     !facts_.disk_was_full && end_.refused_channels == 0 && !end_.passed_over;
    return all ? "" : " of what was recorded";
}

void Judge::judge(const ctf::ReadSummary& found) {
    if (found.records == 0 && found.lost == 0 && found.lost_others == 0 && found.bad_parts.empty()) {
        judge_nothing();
        judge_processes();
        judge_missed();
        judge_room();
        judge_disk();
        return;
    }
    Notice{talk_} << "recorded " << found.records << " records, " << found.transitions << " transitions, in "
                  << directory_.name();
    const std::string bound =
        bound_of_lost(found, std::ranges::any_of(doubts_of(found), is_known_to_be_missing));  // as `check` has it
    if (found.lost == 0 && bound.empty())
        Notice{talk_} << "lost no transition" << of_what(found);
    else
        Notice{talk_} << "lost " << bound << found.lost << " transitions"
                      << (found.lost == 0 ? "" : how_to_lose_less(found));
    if (found.lost_others != 0)
        Notice{talk_} << "lost at least " << found.lost_others
                      << " events that are no transitions (parks, notes, state dumps"
                      << (options_.ticks ? ", ticks" : "") << ")";
    const bool killed = facts_.command_wait_status == SIGKILL;
    if (killed || std::ranges::any_of(facts_.processes, [this](const auto& process) { return is_salvaged(process); }))
        Notice{talk_}  // in the middle of an event, perhaps
            << (!killed                    ? "COMMAND was ended by a signal while its workers worked: "
                : facts_.command_end_known ? "COMMAND was killed: "
                                           : "COMMAND may have been killed: ")
            << (end_.salvaged.contains(end_.command)
                    ? "what was in its buffers is here, too, but for what found no room in its last moments, or lies "
                      "behind an event that a worker had half written on the same CPU, which is not counted"
                    : "of its last second, as a rule up to " + human_bytes(facts_.buffers.transitions.bytes) +
                          " on each CPU may be missing and not counted");
    judge_processes();
    print_remarks(found, true, talk_);
    facts_.own = worse(facts_.own, exit_code(found));
    judge_missing(found);
    if (!found.bad_parts.empty()) judge_daemon();
    judge_missed();
    judge_room();
    if (facts_.disk_was_full || found.lost > 0 || !found.bad_parts.empty() || found.records == 0) judge_disk();
}

/// What was not lost, and is not there all the same.
void Judge::judge_missing(const ctf::ReadSummary& found) {
    if (found.untraced != 0 && facts_.private_daemon) {
        const char* const bound = std::getenv("LTTNG_UST_REGISTER_TIMEOUT");
        complain(ExitCode::lost,
                 std::string{"cannot record a process from its start: it did not wait until LTTng was ready ("} +
                     (bound != nullptr ? "LTTNG_UST_REGISTER_TIMEOUT is set to " + std::string{bound}
                                       : "at most 3000 ms; smaller --buffers are ready earlier") +
                     ")");
    }
    if (found.without_buffers != 0 && end_.refused_channels == 0)
        complain(ExitCode::lost, "cannot record a process that LTTng makes no buffers for (" +
                                     human_bytes(facts_.buffers.process_bytes) +
                                     "): there was no room, or it ended, or went on, before they were ready");
    if (found.records == 0 && found.without_buffers == 0)
        complain(ExitCode::bad_content,
                 "no tiffany events in " + directory_.name() +
                     (options_.command.empty() ? std::string{": no instrumented process did anything"}
                                               : ": " + options_.command.front() +
                                                     " made no scheduler, or was killed before its first one"));
}

/// With --crash-safe LTTng removes each empty directory when a process ends, also one just made for the next process;
/// any other cause is the system's.
void Judge::judge_missed() {
    for (const auto& [cause, count] : facts_.missed_processes)
        complain(cause == kDirectoryRemoved ? ExitCode::lost : ExitCode::system,
                 "cannot tell of every process: " + missed(count, cause));
}

/// LTTng's commands succeed whether or not there was room for the buffers.
void Judge::judge_room() {
    const std::string where = options_.crash_safe ? directory_.name() : "/dev/shm";
    if (end_.refused_channels != 0)
        complain(ExitCode::system, "cannot record every process: " + where + " had room for the buffers of " +
                                       std::to_string(facts_.buffers.processes) + " at a time, " +
                                       human_bytes(facts_.buffers.process_bytes) + " each; give --buffers less than " +
                                       facts_.buffers.transitions.text() + ", or " + where + " more room");
    if (facts_.shm_was_full)
        complain(ExitCode::system,
                 "cannot tell of every process: /dev/shm was full while COMMAND ran, and one that started then was not "
                 "recorded, nor is it counted");
}

/// A disk that is full shows as parts that are cut, or missing; the daemons do not tell.
void Judge::judge_disk() {
    if (end_.disk_left < facts_.buffers.transitions.bytes)
        complain(ExitCode::system, "cannot hold the trace in " + directory_.name() + ": its disk is full (" +
                                       human_bytes(end_.disk_left) + " left)");
    else if (facts_.disk_was_full)
        complain(ExitCode::system, "cannot hold the trace in " + directory_.name() +
                                       ": its disk was full for a while, or a limit was reached");
}

/// What a process's events mean is on disk a moment after its start. With --crash-safe the buffers have it, too.
void Judge::judge_daemon() {
    if (!facts_.failed_daemon() || options_.crash_safe) return;
    complain(ExitCode::bad_content, "cannot read all that was recorded: " + failure() +
                                        " before it had written what the events of a process mean, or in the middle of "
                                        "that; " +
                                        (facts_.hangs_on            ? "if it goes on it may still write it"
                                         : options_.command.empty() ? "with COMMAND, --crash-safe would keep it"
                                                                    : "--crash-safe would keep it"));
}

}  // namespace

void complain(RecordFacts& facts, std::ostream& talk, ExitCode code, const std::string& sentence) {
    facts.own = worse(facts.own, code);
    Notice{talk} << sentence;
}

void judge_recording(const RecordOptions& options, const OutputDir& directory, const RecordingEnd& end,
                     RecordFacts& facts, std::ostream& talk) {
    Judge{options, directory, end, facts, talk}.run();
    facts.read_back = true;
}

void judge_found(const RecordOptions& options, const OutputDir& directory, const RecordingEnd& end, RecordFacts& facts,
                 std::ostream& talk) {
    Judge{options, directory, end, facts, talk}.judge(*facts.found);
}

}  // namespace tiffany::paltrace
