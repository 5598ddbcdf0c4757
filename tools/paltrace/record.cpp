#include "record.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "buffer_files.hpp"
#include "end_signals.hpp"
#include "find_program.hpp"
#include "find_running.hpp"
#include "held_buffers.hpp"
#include "kept_child.hpp"
#include "last_word.hpp"
#include "notice.hpp"
#include "output_dir.hpp"
#include "record_file.hpp"
#include "record_judge.hpp"
#include "run_tool.hpp"
#include "salvage.hpp"
#include "session.hpp"
#include "session_daemon.hpp"
#include "shm_access.hpp"
#include "tools/babeltrace/recording_name.hpp"
#include "watch_command.hpp"

namespace tiffany::paltrace {
namespace {

constexpr char kForkLibrary[] = "liblttng-ust-fork.so.1";

constexpr std::chrono::seconds kPatienceWithHalf{2};  // when one of the daemons has died, or cannot write

constexpr std::uint64_t kLeastDisk = 64 * 1024;  // what a trace without an event takes

/// The recording of one command, step by step.
class Recording {
  public:
    Recording(const RecordOptions& options, Streams& streams)
        : options_{options}, talk_{streams.err}, directory_{options.directory} {}

    ExitCode run();

  private:
    bool joins() const noexcept { return options_.command.empty(); }
    void choose_buffers(std::uint64_t processes);
    Environment command_environment(const SessionDaemon& daemon) const;
    std::optional<int> run_under_session();
    CommandEnd watch(KeptChild& command, const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers);
    Session begin_session(SessionDaemon& daemon, const std::string& shm_path) const;
    std::optional<int> run_beside();
    void wait_beside(const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers);
    void end_session(Session& session, SessionDaemon& daemon, BufferKeeper& buffers);
    std::unique_ptr<BufferKeeper> hold_buffers(const SessionDaemon& daemon) const;
    void look_at_disk();
    void salvage(BufferKeeper& buffers);
    void save();
    void complain(ExitCode code, const std::string& sentence) { paltrace::complain(facts_, talk_, code, sentence); }
    std::string trace_path() const { return directory_.path("trace"); }
    std::string recovered_path() const { return directory_.path("recovered"); }

    const RecordOptions& options_;
    std::ostream& talk_;
    OutputDir directory_;
    RecordFacts facts_;
    RecordingEnd end_;
    bool cannot_save_ = false;
};

ExitCode Recording::run() {
    if (directory_.free_bytes() < kLeastDisk)
        throw Error{ErrorKind::system, "cannot record into " + directory_.name() + ": its disk is full (" +
                                           human_bytes(directory_.free_bytes()) + " left)"};
    if (const std::optional<int> signal = joins() ? run_beside() : run_under_session())
        return static_cast<ExitCode>(128 + *signal);
    const LastWord interrupted{"interrupted while it read the trace back: what was recorded is in " +
                               directory_.name() + ", and is read by: paltrace check " + directory_.name() +
                               "; paltrace convert " + directory_.name() + " -o FILE"};
    directory_.keep_to_owner();
    // Again without the counts: reading a long trace takes a while, in which we may be ended.
    save();
    judge_recording(options_, directory_, end_, facts_, talk_);
    save();
    const int command_status = facts_.command_end_known ? shell_status(facts_.command_wait_status) : 0;
    return command_status != 0 ? static_cast<ExitCode>(command_status) : facts_.own;
}

/// @param processes  that are to be recorded from the begin
void Recording::choose_buffers(std::uint64_t processes) {
    const std::string where = options_.crash_safe ? directory_.path() : "/dev/shm";
    const BufferRoom room = look_at_room(where);
    facts_.cpus = room.cpus;
    facts_.buffers = plan_buffers({.asked = options_.buffers,
                                   .ticks = options_.ticks,
                                   .lossless = options_.lossless,
                                   .processes = std::max<std::uint64_t>(processes, 1)},
                                  room);
    const BufferPlan& plan = facts_.buffers;
    Notice notice{talk_};
    notice << "buffers: transitions " << plan.transitions.text() << ", others " << plan.others.text() << ", workers "
           << plan.workers.text();
    if (plan.ticks) notice << ", ticks " << plan.ticks->text();
    notice << " on each of " << room.cpus << " CPUs: " << human_bytes(plan.process_bytes) << " of " << where
           << " a process, room for " << plan.processes << " at a time";
    if (plan.shrunk) notice << "; no more than that because " << plan.limit << ", so a fast program may lose events";
}

Environment Recording::command_environment(const SessionDaemon& daemon) const {
    Environment variables = daemon.environment();
    if (options_.lossless) variables.emplace_back("LTTNG_UST_ALLOW_BLOCKING", "1");
    if (options_.follow_fork) {
        const char* const before = std::getenv("LD_PRELOAD");
        const std::string others = before != nullptr && before[0] != '\0' ? std::string{":"} + before : "";
        variables.emplace_back("LD_PRELOAD", kForkLibrary + others);
    }
    return variables;
}

/// Returns the signal that ended the recording before the command was run, if one did.
std::optional<int> Recording::run_under_session() {
    choose_buffers(1);
    EndSignals signals;
    SessionDaemon daemon{talk_};
    std::unique_ptr<BufferFiles> files;
    if (options_.crash_safe)
        files = std::make_unique<BufferFiles>(directory_.path("shm"),
                                              [&daemon] { return daemon.complaints_so_far().failed_writes; });
    facts_.private_daemon = daemon.is_private();
    facts_.lttng_version = daemon.version();
    Session session = begin_session(daemon, files ? files->shm_path() : "");
    facts_.consumer_found = daemon.consumer() != 0;
    const std::unique_ptr<BufferKeeper> buffers =
        files ? std::unique_ptr<BufferKeeper>{std::move(files)} : hold_buffers(daemon);
    if (const auto got = signals.take()) return got->number;
    if (options_.crash_safe)
        Notice{talk_} << "should this be killed, as a whole or alone: " << rescue_command(directory_.name());
    facts_.started = std::chrono::system_clock::now();
    save();  // without an end: should we be killed, who reads the trace learns that it has none
    {
        KeptChild command{{.argv = options_.command,
                           .environment = command_environment(daemon),
                           .own_group = false,
                           .keeps_leftovers = true,
                           .outlives_us = true,
                           .callers_signals = true}};
        directory_.keep();
        end_.command = command.pid();
        const CommandEnd ended = watch(command, daemon, signals, *buffers);
        facts_.command_wait_status = ended.status;
        facts_.command_end_known = ended.known;
        facts_.dead_daemon = ended.dead_daemon;
        if (ended.dead_daemon) facts_.own = ended.dead_daemon == Daemon::consumer ? ExitCode::lost : ExitCode::system;
        facts_.shm_was_full = ended.shm_was_full;
        if (ended.forced)
            Notice{talk_} << "COMMAND did not end when asked, and was killed";
        else if (!ended.known)
            complain(ExitCode::system, "cannot tell how COMMAND ended: its keeper was killed before it could say");
        else if (WIFSIGNALED(ended.status))
            Notice{talk_} << "COMMAND was ended by signal " << WTERMSIG(ended.status) << " ("
                          << strsignal(WTERMSIG(ended.status)) << ")";
    }
    end_session(session, daemon, *buffers);
    look_at_disk();
    const bool incomplete = facts_.failed_daemon() || facts_.disk_was_full || WIFSIGNALED(facts_.command_wait_status);
    if (incomplete && !facts_.hangs_on) salvage(*buffers);
    return std::nullopt;
}

/// What an exception ends is the recording alone.
CommandEnd Recording::watch(KeptChild& command, const SessionDaemon& daemon, EndSignals& signals,
                            BufferKeeper& buffers) try {
    return watch_command(command, daemon, signals, buffers, talk_);
} catch (...) {
    if (!command.wait({})) Notice{talk_} << "COMMAND (process " << command.pid() << ") goes on, and is not recorded";
    throw;
}

/// LTTng writes no stream any further that the disk did not take a packet of; what is in its buffers stays there.
void Recording::look_at_disk() {
    end_.disk_left = directory_.free_bytes();
    if (facts_.failed_daemon() || !facts_.private_daemon) return;  // another's may write still
    for (const std::filesystem::path& process : process_directories(trace_path()))
        if (cut_half_packets(process)) facts_.disk_was_full = true;
}

/// What the daemons did not write out is still in the buffers.
void Recording::salvage(BufferKeeper& buffers) try {
    end_.salvaged =
        buffers.salvage(trace_path(), recovered_path(),
                        facts_.failed_daemon() || facts_.disk_was_full ? std::nullopt : std::optional{end_.command});
} catch (const Error& error) {
    complain(exit_code(error.kind()), error.one_line());
}

Session Recording::begin_session(SessionDaemon& daemon, const std::string& shm_path) const {
    return Session{daemon,
                   {.name = ctf::recording_name(daemon.is_private(), getpid()),
                    .output = trace_path(),
                    .shm_path = shm_path,
                    .blocking = options_.lossless,
                    .early_metadata = daemon.is_private(),
                    .channels = recording_channels(facts_.buffers)}};
}

std::unique_ptr<BufferKeeper> Recording::hold_buffers(const SessionDaemon& daemon) const {
    return std::make_unique<HeldBuffers>(trace_path(), directory_.path("shm-kept"), daemon.consumer());
}

std::string how_it_hangs(Daemon daemon, bool stopped) {
    if (stopped && daemon == Daemon::either)
        return "LTTng's daemons hang (both were stopped, by a signal or a debugger)";
    return daemon_title(name_of(daemon)) + " hangs" + (stopped ? " (it was stopped, by a signal or a debugger)" : "");
}

void Recording::end_session(Session& session, SessionDaemon& daemon, BufferKeeper& buffers) {
    facts_.ended = std::chrono::system_clock::now();
    if (facts_.dead_daemon) daemon.end(kPatienceWithHalf);  // the other one waits for it
    std::optional<Daemon> stopped;
    const std::string trouble = session.end([&] {
        stopped = daemon.stopped();
        return stopped || directory_.has_no_room();
    });
    facts_.disk_was_full = session.given_up() && !stopped && directory_.has_no_room();
    if (session.given_up() && !facts_.disk_was_full) facts_.hung_daemon = stopped.value_or(Daemon::either);
    if (facts_.hung_daemon && daemon.is_ours()) buffers.daemon_died();  // before it is ended
    const bool answers = !facts_.dead_daemon && !session.given_up();
    // later than the end of the recording: who is gone now may have gone before it
    if (answers) end_.registered = daemon.instrumented_processes();
    daemon.end(answers ? SessionDaemon::kPatience : kPatienceWithHalf);
    facts_.hangs_on = facts_.hung_daemon && !daemon.was_ended();
    facts_.missed_processes = daemon.complaints().missed;
    if (daemon.complaints().failed_writes != 0) facts_.disk_was_full = true;
    if (!facts_.failed_daemon())
        end_.refused_channels = daemon.complaints().refused_channels;  // else it was not for want of room
    if (facts_.hung_daemon)
        complain(facts_.hung_daemon == Daemon::consumer ? ExitCode::lost : ExitCode::system,
                 "cannot end the recording in good order: " + how_it_hangs(*facts_.hung_daemon, stopped.has_value()) +
                     (facts_.hangs_on ? ""
                                      : std::string{": what "} + (stopped == Daemon::either ? "they" : "it") +
                                            " did not write is read from the buffers, as far as they are still there"));
    else if (!trouble.empty() && facts_.own == ExitCode::good)
        complain(ExitCode::system, "cannot end the recording: " + trouble);
}

/// Without a command: beside other people's sessions, on the daemon that the processes are registered with. Returns the
/// signal that ended it before it began.
std::optional<int> Recording::run_beside() {
    EndSignals signals;
    SessionDaemon daemon{talk_, SessionDaemon::OfUser{}};
    Notice{talk_} << "no COMMAND: every instrumented process of this daemon is to be recorded, into "
                  << directory_.name() << "; Ctrl-C ends it";
    facts_.private_daemon = false;
    facts_.lttng_version = daemon.version();
    const auto [processes, all] = find_running(daemon, signals, talk_);
    end_.passed_over = !all;
    choose_buffers(processes);
    Session session = begin_session(daemon, "");
    facts_.consumer_found = daemon.consumer() != 0;
    if (const auto got = signals.take()) return got->number;
    facts_.started = std::chrono::system_clock::now();
    save();
    directory_.keep();
    Notice{talk_} << "recording " << processes << (processes == 1 ? " process that runs" : " processes that run")
                  << ", and those that start, " << (options_.seconds ? "for a while" : "until Ctrl-C or SIGTERM");
    const std::unique_ptr<BufferKeeper> buffers = hold_buffers(daemon);
    wait_beside(daemon, signals, *buffers);
    end_session(session, daemon, *buffers);
    look_at_disk();
    if (facts_.failed_daemon() && !facts_.hangs_on) salvage(*buffers);
    return std::nullopt;
}

/// Until a signal, the time is over, or the daemon has ended.
void Recording::wait_beside(const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers) {
    using Clock = std::chrono::steady_clock;
    constexpr int kDaemonFollowsMs = 5000;
    constexpr int kLookMs = 200;  // at a consumer daemon of which there is no descriptor
    const auto begin = Clock::now();
    std::array<pollfd, 3> waiting{
        {{signals.fd(), POLLIN, 0}, {daemon.fd(), POLLIN, 0}, {daemon.consumer_fd(), POLLIN, 0}}};
    for (;;) {
        const bool look = daemon.consumer() != 0 && daemon.consumer_fd() < 0;
        int timeout_ms = look ? kLookMs : -1;
        if (options_.seconds) {
            const double left = *options_.seconds - std::chrono::duration<double>(Clock::now() - begin).count();
            if (left <= 0) return;
            timeout_ms = static_cast<int>(std::min(left, look ? kLookMs / 1e3 : 3600.0) * 1000) + 1;
        }
        poll(waiting.data(), waiting.size(), timeout_ms);
        if (signals.take()) return;
        if (waiting[1].revents == 0 && waiting[2].revents == 0 && !(look && daemon.consumer_is_dead())) continue;
        buffers.daemon_died();
        // a session daemon that is told to end ends its consumer first
        const bool session_daemon = waiting[1].revents != 0 || daemon.is_dead() ||
                                    poll(&waiting[1], 1, kDaemonFollowsMs) > 0 || daemon.is_dead();
        facts_.dead_daemon = session_daemon ? Daemon::session : Daemon::consumer;
        complain(session_daemon ? ExitCode::system : ExitCode::lost,
                 std::string{"the "} + name_of(*facts_.dead_daemon) + " daemon ended, and with it the recording");
        return;
    }
}

void Recording::save() try {
    write_record_file(directory_.path("record.json"), options_, facts_);
} catch (const Error& error) {
    if (std::exchange(cannot_save_, true)) return;        // it was said the first time
    complain(exit_code(error.kind()), error.one_line());  // COMMAND's own status still goes first
}

/// What is wrong with the value; empty if nothing is.
std::string no_such_seconds(const std::string& text) {
    double seconds = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, seconds);
    const bool number = read.ec == std::errc{} && read.ptr == end;
    return number && seconds >= 0.1 && seconds <= 1e7 ? ""
                                                      : "'" + text + "' is no number of seconds from 0.1 to 10000000";
}

/// Without COMMAND others, and a daemon of root's, may have what this user has not.
void need_shm() {
    if (const std::optional<ShmTrouble> trouble = shm_trouble())
        throw Error{ErrorKind::system, "cannot record: " + trouble->why +
                                           ", and without it COMMAND runs without LTTng; mend: " + trouble->mend};
}

}  // namespace

ExitCode run_record(const RecordOptions& options, Streams& streams) {
    if (!options.command.empty()) {
        need_program(options.command.front());
        need_shm();
    }
    if (options.follow_fork) need_preload(kForkLibrary);
    return Recording{options, streams}.run();
}

void add_record(CLI::App& app, Command& chosen) {
    CLI::App* const command =
        app.add_subcommand("record", "run a command, or watch what runs, and record the tasks' transitions");
    const auto options = std::make_shared<RecordOptions>();
    const auto buffers = std::make_shared<std::string>();
    command->footer(
        "Without COMMAND: every instrumented process that the user's session daemon sees, those that run already and\n"
        "those that start, until Ctrl-C; beside other people's sessions.\n\n"
        "Exit status: COMMAND's own (128+n for signal n) or, if that is 0: 1 nothing or not all of it can be read,\n"
        "3 the system refused, 4 events were lost. DIR/record.json has both.\n\n"
        "Example: paltrace record -o run1 --convert -- tiffany-demo --tasks 100 --seconds 2");
    command->add_option("-o,--output", options->directory, "directory to make (default: tiffany-<date-time>)")
        ->type_name("DIR")
        ->check([](const std::string& name) { return name.empty() ? "the directory has no name" : std::string{}; });
    command->add_flag("--convert", options->convert, "also write the PAL log DIR/tiffany.pal");
    command->add_flag("--ticks", options->ticks, "also record each iteration of the schedulers' loops");
    command
        ->add_option("--buffers", *buffers,
                     "ring of each CPU and process: COUNT sub-buffers of SIZE bytes (default: 4Mx16, or what fits)")
        ->type_name("SIZExCOUNT");
    command->add_flag("--lossless", options->lossless, "COMMAND waits up to 2 s for room instead of losing an event");
    command->add_flag("--crash-safe", options->crash_safe, "keep the buffers in files: they survive every process");
    command->add_flag("--follow-fork", options->follow_fork, "also record children that COMMAND forks without exec");
    command->add_option("COMMAND", options->command, "the command and its arguments, after --");
    command->add_option("--seconds", options->seconds, "without COMMAND: how long (default: until Ctrl-C)")
        ->type_name("N")
        ->check(no_such_seconds);
    command->callback([options, buffers, &chosen] {
        chosen = [options, buffers](Streams& streams) {
            const bool with_command = !options->command.empty();
            if (with_command && options->seconds)
                throw Error{ErrorKind::usage, "cannot use --seconds with COMMAND: it is recorded until it ends"};
            if (!with_command && (options->lossless || options->crash_safe || options->follow_fork))
                throw Error{ErrorKind::usage,
                            "cannot use --lossless, --crash-safe or --follow-fork without COMMAND: they are for "
                            "processes that paltrace starts"};
            if (!buffers->empty()) options->buffers = parse_buffers(*buffers);
            return run_record(*options, streams);
        };
    });
}

}  // namespace tiffany::paltrace
