#include "find_running.hpp"

#include <poll.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "examine_process.hpp"
#include "notice.hpp"
#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

/// They load nothing of LTTng, so nobody else would miss them.
/// Returns whether there are any.
bool tell_of_lttng_off(std::ostream& talk) {
    const std::vector<pid_t> processes = processes_with_lttng_off();
    for (const pid_t process : processes)
        Notice{talk} << "not recorded: process " << process << " (" << name_of(process)
                     << "): its LTTng is off by TIFFANY_LTTNG=0; mend: start it again without TIFFANY_LTTNG=0";
    return !processes.empty();
}

}  // namespace

Running find_running(const SessionDaemon& daemon, EndSignals& signals, std::ostream& talk) {
    constexpr std::chrono::seconds kAllHaveAsked{7};
    bool said = false;
    for (;;) {
        const std::vector<pid_t> registered = daemon.instrumented_processes().value_or(std::vector<pid_t>{});
        std::vector<pid_t> missing = processes_with("libtiffany-lttng.so");
        std::erase_if(missing, [&](pid_t process) {
            return std::find(registered.begin(), registered.end(), process) != registered.end();
        });
        const bool all = missing.empty();
        const bool waits = !missing.empty() && daemon.age() < kAllHaveAsked;
        if (!waits)
            std::erase_if(missing, [&](pid_t process) {
                if (!is_stopped(process)) return false;
                Notice{talk} << "not registered, and so not recorded: process " << process
                             << " is stopped; mend: kill -CONT " << process;
                return true;
            });
        if (!waits && !missing.empty())
            Notice{talk} << "not registered, and so not recorded: process " << missing.front()
                         << (missing.size() > 1 ? " and " + std::to_string(missing.size() - 1) + " more" : "")
                         << " (in a container, or of a user who uses another session daemon)";
        if (!waits) return {registered.size(), !tell_of_lttng_off(talk) && all};
        if (!std::exchange(said, true))
            Notice{talk} << "waiting, at most " << kAllHaveAsked.count() << " s, for " << missing.size()
                         << (missing.size() == 1 ? " process" : " processes") << " to find the new session daemon";
        pollfd ended{signals.fd(), POLLIN, 0};
        if (poll(&ended, 1, 200) > 0) return {registered.size(), all};
    }
}

}  // namespace tiffany::paltrace
