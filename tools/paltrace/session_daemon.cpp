#include "session_daemon.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <tiffany/pal/error.hpp>

#include "private_directory.hpp"
#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kStartDeadline{20};
constexpr std::chrono::seconds kEndDeadline{15};
// The consumer daemon has to empty the rings before they are full, whatever else the machine does. Root may ask for
// that.
constexpr int kNice = -10;

constexpr char kRootsDirectory[] = "/var/run/lttng";  // where root's lttng-sessiond always is

// A member of group `tracing` would be sent to root's daemon, if there is one. Naming a group that nobody is in keeps
// lttng with the user's own.
constexpr char kNoGroup[] = "--group=paltrace-none";

// Its sockets lie below the directory, and the name of a socket has 107 bytes at most.
constexpr std::size_t kLongestBase = 50;

/// Puts a fresh tmpfs where root's daemon lives, for this process and its children alone. Returns why not; "" = done.
std::string hide_roots_directory() {
    const auto refused = [](const std::string& what) { return what + ": " + std::strerror(errno); };
    if (mkdir(kRootsDirectory, 0755) != 0 && errno != EEXIST) return refused(std::string{"mkdir "} + kRootsDirectory);
    if (unshare(CLONE_NEWNS) != 0) return refused("unshare");
    // Mounts made outside from now on are still seen here; ours are not seen outside.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return refused("mount --make-rslave /");
    if (mount("tmpfs", kRootsDirectory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
        return refused(std::string{"mount "} + kRootsDirectory);
    return "";
}

std::string last_line_of(const std::string& path) {
    std::ifstream file{path};
    std::ostringstream all;
    all << file.rdbuf();
    return ToolResult{.status = 0, .timed_out = false, .output = all.str()}.last_line();
}

}  // namespace

SessionDaemon::SessionDaemon(std::ostream& talk) {
    const bool root = geteuid() == 0;
    if (root) {
        const std::string refusal = hide_roots_directory();
        if (!refusal.empty()) {
            private_ = false;
            talk << "paltrace: no session daemon of its own (" << refusal
                 << "): using the system's, where the session takes every instrumented process of root\n";
        }
    }
    home_ = ctf::make_private_directory(kLongestBase);
    try {
        if (private_ || !answers()) start(log_path());
    } catch (...) {
        end();
        throw;
    }
}

SessionDaemon::SessionDaemon(std::ostream& talk, OfUser) : private_{false}, of_user_{true} {
    home_ = ctf::make_private_directory(kLongestBase);  // for a log
    try {
        if (answers())
            watch_other(talk);
        else {
            start(log_path());
            talk << "paltrace: no session daemon ran: started one, which ends with the recording" << std::endl;
        }
    } catch (...) {
        end();
        throw;
    }
}

SessionDaemon::~SessionDaemon() {
    end();
}

/// Of those that `lttng` asks for, in its order: https://lttng.org/man/8/lttng-sessiond/v2.13/ (FILES).
void SessionDaemon::watch_other(std::ostream& talk) {
    for (const std::string& directory : {std::string{kRootsDirectory}, directory_of_daemon()}) {
        pid_t pid = 0;
        if (!(std::ifstream{directory + "/lttng-sessiond.pid"} >> pid) || name_of(pid) != "lttng-sessiond") continue;
        other_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
        talk << "paltrace: using the session daemon that runs, process " << pid << std::endl;
        return;
    }
    talk << "paltrace: using the session daemon that runs" << std::endl;
}

std::size_t SessionDaemon::instrumented_processes() const {
    const std::string listing = lttng({"list", "--userspace"}, 10s).output;
    std::istringstream lines{listing};
    std::size_t count = 0;
    bool counted = true;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("PID: ")) counted = false;
        if (counted || line.find("tiffany:task_spawned") == std::string::npos) continue;
        counted = true;
        ++count;
    }
    return count;
}

void SessionDaemon::start(const std::string& log) {
    std::vector<std::string> argv{"lttng-sessiond", "--no-kernel"};
    if (geteuid() != 0 && !of_user_) argv.emplace_back(kNoGroup);
    daemon_ = std::make_unique<KeptChild>(ChildOptions{.argv = argv,
                                                       .environment = daemon_environment(),
                                                       .own_group = true,
                                                       .keeps_leftovers = false,
                                                       .nice = kNice,
                                                       .log = log,
                                                       .grace = kEndDeadline,
                                                       .remove_at_end = home_});
    const std::string directory = directory_of_daemon();
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    // The second condition: programs find it by that socket, and do not wait for one that is not there yet.
    while (!answers() || !std::filesystem::exists(directory + "/lttng-ust-sock-8")) {
        if (daemon_->wait(20ms)) throw Error{ErrorKind::system, "cannot start lttng-sessiond: " + last_line_of(log)};
        if (std::chrono::steady_clock::now() > deadline)
            throw Error{ErrorKind::system, "cannot start lttng-sessiond: it does not answer"};
    }
}

bool SessionDaemon::answers() const {
    return lttng({"list"}, 5s).good();
}

Environment SessionDaemon::daemon_environment() const {
    // Root's daemon is found without it; `lttng create` writes there which session is the current one, and the user's
    // stays what it was.
    const bool finds_it = !of_user_ || geteuid() == 0;
    return finds_it ? Environment{{"LTTNG_HOME", home_}} : Environment{};
}

std::string SessionDaemon::directory_of_daemon() const {
    if (geteuid() == 0) return kRootsDirectory;
    if (!of_user_) return home_ + "/.lttng";
    const char* const set_home = std::getenv("LTTNG_HOME");
    const char* const home = set_home != nullptr ? set_home : std::getenv("HOME");
    return std::string{home != nullptr ? home : ""} + "/.lttng";
}

ToolResult SessionDaemon::lttng(std::vector<std::string> arguments, std::chrono::milliseconds deadline) const {
    std::vector<std::string> argv{"lttng", "--no-sessiond"};
    if (geteuid() != 0 && !of_user_) argv.emplace_back(kNoGroup);
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run_tool(argv, daemon_environment(), deadline);
}

Environment SessionDaemon::environment() const {
    Environment variables{{"LTTNG_HOME", home_}};
    // This daemon is healthy, so COMMAND may wait for it: with a small bound its first events would be missing.
    if (std::getenv("LTTNG_UST_REGISTER_TIMEOUT") == nullptr)
        variables.emplace_back("LTTNG_UST_REGISTER_TIMEOUT", "3000");
    return variables;
}

std::string SessionDaemon::version() const {
    // "lttng (LTTng Trace Control) 2.13.9 - a name"
    const std::string said = lttng({"--version"}, 5s).output;
    const std::size_t begin = said.find(") ");
    if (begin == std::string::npos) return "";
    return said.substr(begin + 2, said.find_first_of(" \n", begin + 2) - begin - 2);
}

void SessionDaemon::find_consumer() {
    if (!daemon_) return;
    for (const pid_t child : children_of(daemon_->pid()))
        if (name_of(child) == "lttng-consumerd") consumer_fd_ = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
}

std::size_t SessionDaemon::refused_channels() const {
    if (!daemon_) return 0;
    std::ifstream log{log_path()};
    std::size_t count = 0;
    for (std::string line; std::getline(log, line);)
        if (line.find("Error creating UST channel") != std::string::npos) ++count;
    return count;
}

void SessionDaemon::end() noexcept {
    if (consumer_fd_ >= 0) close(consumer_fd_);
    consumer_fd_ = -1;
    if (daemon_) {
        daemon_->signal(SIGTERM);
        daemon_->wait(kEndDeadline);
        daemon_->end();
        daemon_.reset();
    }
    if (other_fd_ >= 0) close(other_fd_);
    other_fd_ = -1;
    if (home_.empty()) return;
    std::error_code ignored;  // the keeper has removed it, unless there was none, or it was killed
    std::filesystem::remove_all(home_, ignored);
    home_.clear();
}

}  // namespace tiffany::paltrace
