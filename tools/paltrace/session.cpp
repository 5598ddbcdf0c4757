#include "session.hpp"

#include <tiffany/pal/error.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::paltrace {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kDeadline{20};
// Stopping writes out what is in the buffers, at the disk's speed.
constexpr std::chrono::seconds kStopDeadline{60};
// As long as a worker waits in all for a dead consumer daemon (ADR 6): no event is lost that could have waited.
constexpr char kBlockingTimeout[] = "--blocking-timeout=2000000";  // us
// A program killed in the middle of an event leaves its sub-buffer unreadable to the consumer daemon (with --crash-safe
// BufferFiles reads that of COMMAND), so none should be filled for long.
constexpr char kSwitchTimer[] = "--switch-timer=1000000";  // us
// What a process's events mean is written when the process ends, unless there is a timer: so a consumer daemon that is
// killed would take with it how to read all that it had written.
constexpr char kMetadataTimer[] = "--switch-timer=50000";  // us

std::string joined(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& name : names)
        list += (list.empty() ? "" : ",") + name;
    return list;
}

std::string failure(const ToolResult& result) {
    return result.timed_out ? "no answer" : result.last_line();
}

}  // namespace

std::vector<Channel> recording_channels(const BufferPlan& buffers) {
    std::vector<Channel> channels{{"transitions", {"tiffany:task_*"}, buffers.transitions},
                                  {"others", {}, buffers.others},
                                  {"workers", {}, buffers.workers}};
    for (const catalogue::EventInfo& event : catalogue::events()) {
        if (event.provider != "tiffany" || event.is_transition()) continue;
        const bool is_workers = event.id == EventId::WorkerStarted || event.id == EventId::WorkerStopped;
        channels[is_workers ? 2 : 1].events.push_back("tiffany:" + std::string{event.tracepoint});
    }
    if (buffers.ticks) channels.push_back({"ticks", {"tiffany_tick:*"}, *buffers.ticks});
    return channels;
}

Session::Session(SessionDaemon& daemon, const SessionPlan& plan) : daemon_{daemon}, name_{plan.name} {
    try {
        std::vector<std::string> create{"create", name_, "--output=" + plan.output};
        if (!plan.shm_path.empty()) create.push_back("--shm-path=" + plan.shm_path);
        guard_ = daemon.guard(name_);
        command(create);
        active_ = true;
        if (plan.early_metadata)
            command(
                {"enable-channel", "--userspace", "--session=" + name_, "--buffers-pid", kMetadataTimer, "metadata"});
        for (const Channel& channel : plan.channels) {
            // A buffer for each process: one process that is killed ruins a buffer that it shares with others.
            std::vector<std::string> enable{"enable-channel",
                                            "--userspace",
                                            "--session=" + name_,
                                            "--buffers-pid",
                                            "--subbuf-size=" + std::to_string(channel.buffers.bytes),
                                            "--num-subbuf=" + std::to_string(channel.buffers.count),
                                            kSwitchTimer};
            if (plan.blocking) enable.emplace_back(kBlockingTimeout);
            enable.push_back(channel.name);
            command(enable);
            command({"enable-event", "--userspace", "--session=" + name_, "--channel=" + channel.name,
                     joined(channel.events)});
        }
        command({"start", name_});
        verify(plan);
        daemon_.find_consumer();
    } catch (const Error& error) {
        end();
        throw error.within("cannot begin a recording");
    }
}

Session::~Session() {
    end();
}

/// lttng returns 0 in more cases than those in which it did what it was asked.
void Session::verify(const SessionPlan& plan) const {
    const std::string listing = command({"--mi=xml", "list", name_}).output;
    const auto expect = [&](const std::string& what, const std::string& element) {
        if (listing.find(element) == std::string::npos)
            throw Error{ErrorKind::system, "session " + name_ + " does not have " + what};
    };
    for (const Channel& channel : plan.channels) {
        expect("channel " + channel.name, "<name>" + channel.name + "</name>");
        expect("buffers of " + channel.buffers.text(),
               "<subbuffer_size>" + std::to_string(channel.buffers.bytes) + "</subbuffer_size><subbuffer_count>" +
                   std::to_string(channel.buffers.count) + "</subbuffer_count>");
        for (const std::string& event : channel.events)
            expect("event " + event, "<name>" + event + "</name>");
    }
    if (listing.find("<enabled>false</enabled>") != std::string::npos)
        throw Error{ErrorKind::system, "session " + name_ + " has parts that are not enabled"};
}

ToolResult Session::command(const std::vector<std::string>& arguments) const {
    ToolResult result = daemon_.lttng(arguments, kDeadline);
    if (!result.good()) throw Error{ErrorKind::system, "lttng " + arguments.front() + ": " + failure(result)};
    return result;
}

std::string Session::end(const std::function<bool()>& hopeless) noexcept try {
    if (!active_) return "";
    active_ = false;
    const ToolResult stopped = daemon_.lttng({"stop", name_}, kStopDeadline, hopeless);
    given_up_ = stopped.timed_out;
    if (given_up_ && daemon_.is_private()) return "lttng stop: " + failure(stopped);
    // It would wait for ever for a buffer that a killed program left half written; all data is on disk by now.
    const ToolResult destroyed = daemon_.lttng({"destroy", "--no-wait", name_}, kDeadline, hopeless);
    guard_.reset();
    if (!stopped.good()) return "lttng stop: " + failure(stopped);
    if (!destroyed.good()) return "lttng destroy: " + failure(destroyed);
    return "";
} catch (const std::exception& error) {
    return error.what();
}

}  // namespace tiffany::paltrace
