#include "user_daemon.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "process_table.hpp"

namespace tiffany::paltrace {

UserDaemon daemon_in(const std::string& directory) {
    pid_t pid = 0;
    if (!(std::ifstream{directory + "/lttng-sessiond.pid"} >> pid) || name_of(pid) != "lttng-sessiond") return {};
    const std::string entry = "/proc/" + std::to_string(pid);
    struct stat about {};
    if (stat(entry.c_str(), &about) != 0) return {};
    return {.pid = pid, .user = about.st_uid, .stopped = is_stopped(pid)};
}

std::string own_daemon_directory() {
    const char* home = std::getenv("LTTNG_HOME");
    if (home == nullptr) home = std::getenv("HOME");
    if (home == nullptr) return "";
    std::error_code error;
    return std::filesystem::absolute(home, error).string() + "/.lttng";
}

bool in_tracing_group() {
    const group* const tracing = getgrnam("tracing");
    if (tracing == nullptr) return false;
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
    if (getgroups(static_cast<int>(groups.size()), groups.data()) < 0) return false;
    return getegid() == tracing->gr_gid || std::ranges::find(groups, tracing->gr_gid) != groups.end();
}

UserDaemon daemon_of_user() {
    const bool root = geteuid() == 0;
    if (root || in_tracing_group()) {
        const UserDaemon roots = daemon_in(kRootsDirectory);
        if (root || roots.pid != 0) return roots;
    }
    return daemon_in(own_daemon_directory());
}

std::string mend_of(const UserDaemon& daemon) {
    const std::string pid = std::to_string(daemon.pid);
    return daemon.stopped ? "kill -CONT " + pid : "kill " + pid + " && lttng-sessiond --daemonize";
}

}  // namespace tiffany::paltrace
