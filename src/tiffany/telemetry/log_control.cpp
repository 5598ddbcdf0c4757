#include "log_control.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <tiffany/telemetry/configure.hpp>

#include "pal_file.hpp"
#include "pal_hub.hpp"
#include "pal_log.hpp"
#include "pal_socket.hpp"
#include "process.hpp"
#include "setting_values.hpp"
#include "stay_loaded.hpp"

namespace tiffany {

void configure(const Settings& settings) {
    detail::Process::get().log().configure(settings);
}

PalStatus pal_status() {
    detail::Process& process = detail::Process::get();
    return process.log().status(process.pal(detail::PalExit::log));
}

StallStatus stall_status() {
    return detail::Process::get().log().stall_status();
}

bool flush_pal() noexcept {
    return detail::Process::get().pal(detail::PalExit::log).flush();
}

namespace detail {
namespace {

// With the look every poll and the hand-over every 120 ms this stays below 200 ms.
constexpr std::chrono::milliseconds kPoll{5};
constexpr std::chrono::milliseconds kPatience{5000};  // with a disk that does not answer, at the end of the process
constexpr PalPace kPace{.busy_poll = std::chrono::milliseconds{1}, .hold = std::chrono::milliseconds{10}};

}  // namespace

void LogControl::configure(const Settings& settings) {
    if (const std::string why = why_bad(settings); !why.empty()) throw std::invalid_argument{why};
    const std::lock_guard lock{mutex_};
    if (started_.load(std::memory_order_relaxed) || asked_environment_)
        throw std::logic_error{"cannot configure: there has been a scheduler already"};
    settings_ = settings;
}

void LogControl::start_once(PalHub& hub) noexcept {
    {
        const std::lock_guard lock{mutex_};
        if (started_.load(std::memory_order_relaxed)) return;
        try {
            open(hub);
        } catch (const std::system_error& error) {
            problem_ = PalProblem::refused;
            error_ = error.code().value();
        } catch (...) {
            problem_ = PalProblem::refused;
            error_ = ENOMEM;
        }
        started_.store(true, std::memory_order_release);
        if (!active_) return;
    }
    // A plugin that is opened again would begin the log anew, in place of what it has told. Without the lock: a
    // constructor that another thread's dlopen runs, with the loader's lock, may make a scheduler, or fork.
    stay_loaded();
}

void LogControl::open(PalHub& hub) {
    if (!asked_environment_) {
        ResolvedSettings resolved = with_environment(settings_);
        asked_environment_ = true;
        settings_ = std::move(resolved.settings);
        problem_ = resolved.problem;
        if (resolved.bad_stall) stall_problem_ = StallProblem::bad_bound;
    }
    if (settings_.pal.empty()) problem_ = PalProblem::none;  // a size alone asks for nothing
    if (settings_.pal.empty() || problem_ != PalProblem::none) return;

    const auto pid = static_cast<std::uint32_t>(getpid());
    const std::string host = host_name();
    const bool socket = is_socket(settings_.pal);
    const std::string_view pattern = pattern_of(settings_.pal);
    const PalStreamNames names{"tiffany " TIFFANY_VERSION, program_invocation_short_name, "monotonic"};
    const bool add_pid = forked_ && !names_process(pattern);
    counters_ = std::make_shared<LogCounters>();
    auto lines = std::make_shared<PalLines>(host, pid);

    NameProblem problem;
    std::unique_ptr<PalTarget> target;
    const std::string name = expand_name(pattern, std::to_string(pid), host).value_or("");
    if (socket) {
        auto made = std::make_unique<PalSocket>(PalSocket::Place{name, pid, add_pid}, names, lines, counters_, problem);
        target = std::move(made);
    } else {
        auto made = std::make_unique<PalFile>(PalFile::Place{name, pid, add_pid, settings_.pal_max_bytes}, names, lines,
                                              counters_, problem);
        target = std::move(made);
    }
    problem_ = problem.problem;
    error_ = problem.error;
    if (problem_ != PalProblem::none) return;

    // after main: before the objects go that were there when the log began; a forked child has inherited this
    [[maybe_unused]] static const int registered = std::atexit([] { Process::get().pal(PalExit::log).uninstall(); });
    SinkOptions options;
    options.ring_bytes = settings_.pal_ring_bytes;
    options.poll = kPoll;
    options.ticks = settings_.pal_ticks;
    options.flush_timeout = kPatience;
    hub.install(std::make_unique<PalLog>(std::move(target), std::move(lines)), options, kPace, false);
    active_ = true;
}

PalStatus LogControl::status(const PalHub& hub) const {
    const SinkStats rings = hub.stats();
    const std::lock_guard lock{mutex_};
    PalStatus status;
    status.active = active_ && hub.is_installed();
    status.problem = problem_;
    status.error = error_;
    status.transitions = rings.transitions;
    status.lost = rings.lost;
    status.lost_others = rings.lost_others;
    status.workers_without_ring = rings.workers_without_ring;
    if (counters_ == nullptr) return status;
    const auto of = [](const std::atomic<std::uint64_t>& number) { return number.load(std::memory_order_relaxed); };
    status.where = counters_->where();
    if (status.error == 0) status.error = counters_->error.load(std::memory_order_relaxed);
    status.lost += of(counters_->left_out);
    status.lost_others += of(counters_->left_out_others);
    status.bytes = of(counters_->bytes);
    status.files = of(counters_->files);
    status.readers = of(counters_->readers);
    status.readers_lost = of(counters_->readers_left_out);
    status.readers_refused = of(counters_->readers_refused);
    return status;
}

StallStatus LogControl::stall_status() const {
    const std::lock_guard lock{mutex_};
    return {asked_environment_ ? settings_.stall : std::chrono::nanoseconds{0}, stall_problem_, stall_error_};
}

void LogControl::stall_refused(int error) noexcept {
    const std::lock_guard lock{mutex_};
    stall_problem_ = StallProblem::refused;
    stall_error_ = error;
}

void LogControl::become_child() noexcept {
    if (!started_.load(std::memory_order_relaxed)) return;
    started_.store(false, std::memory_order_relaxed);
    forked_ = true;
    active_ = false;
    problem_ = PalProblem::none;
    error_ = 0;
    counters_.reset();
}

}  // namespace detail
}  // namespace tiffany
