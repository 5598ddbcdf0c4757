#include "session_daemon.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <ostream>
#include <sstream>
#include <string_view>
#include <thread>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "notice.hpp"
#include "private_directory.hpp"
#include "tools/babeltrace/recording_name.hpp"
#include "user_daemon.hpp"

namespace tiffany::paltrace {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kStartDeadline{20};
constexpr std::chrono::seconds kTimeToShow{2};  // in /proc
// The consumer daemon has to empty the rings before they are full, whatever else the machine does. Root may ask for
// that.
constexpr int kNice = -10;

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

/// In another home than the user's, `lttng` finds the user's daemon all the same.
void link_to_own_daemon(const std::string& home) {
    const std::string link = home + "/.lttng";
    if (symlink(own_daemon_directory().c_str(), link.c_str()) != 0)
        throw Error{ErrorKind::system, "cannot make " + link + ": " + std::strerror(errno)};
}

std::string last_line_of(const std::string& path) {
    std::ifstream file{path};
    std::ostringstream all;
    all << file.rdbuf();
    return ToolResult{.status = 0, .timed_out = false, .output = all.str()}.last_line();
}

/// Of the user's events: there is one for the kernel's, too.
bool is_consumer_daemon(pid_t process) {
    std::ifstream file{"/proc/" + std::to_string(process) + "/cmdline", std::ios::binary};
    std::string word;
    if (!std::getline(file, word, '\0') || word != "lttng-consumerd") return false;
    while (std::getline(file, word, '\0'))
        if (word == "-u") return true;
    return false;
}

}  // namespace

SessionDaemon::SessionDaemon(std::ostream& talk) : talk_{talk} {
    const bool root = geteuid() == 0;
    if (root) {
        const std::string refusal = hide_roots_directory();
        if (!refusal.empty()) {
            private_ = false;
            Notice{talk} << "no session daemon of its own (" << refusal
                         << "): using the system's, where the session takes every instrumented process of root";
        }
    }
    home_ = ctf::make_private_directory(kLongestBase);
    try {
        if (private_ || !answers()) {
            if (!private_) need_silence();
            start(log_path());
        } else {
            watch_other();
        }
    } catch (...) {
        end();
        throw;
    }
}

SessionDaemon::SessionDaemon(std::ostream& talk, OfUser) : talk_{talk}, private_{false}, of_user_{true} {
    home_ = ctf::make_private_directory(kLongestBase);
    try {
        if (geteuid() != 0) link_to_own_daemon(home_);
        if (answers()) {
            watch_other();
            Notice{talk} << "using the session daemon that runs"
                         << (other_ != 0 ? ", process " + std::to_string(other_) : "");
        } else {
            need_silence();
            start(log_path());
            Notice{talk} << "no session daemon ran: started one, which ends with the recording unless others use it "
                            "then";
        }
    } catch (...) {
        end();
        throw;
    }
}

SessionDaemon::~SessionDaemon() {
    end();
}

/// Another one beside a daemon that runs would get none of its programs.
void SessionDaemon::need_silence() const {
    const UserDaemon running = daemon_of_user();
    if (running.pid == 0) return;
    throw Error{ErrorKind::system,
                "cannot use the session daemon of " + user_name(running.user) + " (pid " + std::to_string(running.pid) +
                    "): it " + (running.stopped ? "is stopped" : "does not answer") + "; mend: " + mend_of(running)};
}

void SessionDaemon::watch_other() {
    other_ = daemon_of_user().pid;
    if (other_ != 0) other_fd_ = static_cast<int>(syscall(SYS_pidfd_open, other_, 0));
}

std::optional<std::vector<pid_t>> SessionDaemon::instrumented_processes() const {
    constexpr std::string_view kProcess = "PID: ";
    const ToolResult listing = lttng({"list", "--userspace"}, 10s);
    if (!listing.good()) return std::nullopt;
    std::istringstream lines{listing.output};
    std::vector<pid_t> found;
    pid_t process = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(kProcess)) process = std::atoi(line.c_str() + kProcess.size());
        if (process == 0 || line.find("tiffany:task_spawned") == std::string::npos) continue;
        found.push_back(std::exchange(process, 0));
    }
    return found;
}

std::chrono::seconds SessionDaemon::age() const {
    struct stat socket {};  // made when it began to listen
    if (stat((directory_of_daemon() + "/lttng-ust-sock-8").c_str(), &socket) != 0) return std::chrono::seconds::max();
    return std::chrono::seconds{std::time(nullptr) - socket.st_mtime};
}

void SessionDaemon::start(const std::string& log) {
    // Nobody else finds a private one.
    std::function<bool()> lives_on;
    if (!private_)
        lives_on = [this, own = ctf::recording_name(private_, getpid())] {  // in the keeper
            if (!has_sessions_beside(own).value_or(false)) return false;
            lttng({"destroy", "--no-wait", own}, 20s);  // else it goes on, and nobody reads it
            return true;
        };
    std::vector<std::string> argv{"lttng-sessiond", "--no-kernel"};
    if (geteuid() != 0 && !of_user_) argv.emplace_back(kNoGroup);
    daemon_ = std::make_unique<KeptChild>(ChildOptions{.argv = argv,
                                                       .environment = daemon_environment(),
                                                       .own_group = true,
                                                       .keeps_leftovers = false,
                                                       .nice = kNice,
                                                       .log = log,
                                                       .grace = kPatience,
                                                       .remove_at_end = home_,
                                                       .lives_on = std::move(lives_on)});
    const std::string directory = directory_of_daemon();
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    // The second condition: programs find it by that socket, and do not wait for one that is not there yet.
    while (!answers() || !std::filesystem::exists(directory + "/lttng-ust-sock-8")) {
        if (const std::optional<int> status = daemon_->wait(20ms)) {
            const std::string said = last_line_of(log);
            throw Error{ErrorKind::system, "cannot start lttng-sessiond: " +
                                               (said.empty() ? "exit " + std::to_string(shell_status(*status)) : said)};
        }
        if (std::chrono::steady_clock::now() > deadline)
            throw Error{ErrorKind::system, "cannot start lttng-sessiond: it does not answer"};
    }
}

bool SessionDaemon::answers() const {
    return lttng({"list"}, 5s).good();
}

namespace {

/// The names in what `lttng list` says: "  1) NAME [active]", "  1) NAME (PATH) [inactive]".
std::vector<std::string> session_names(const std::string& listing) {
    std::vector<std::string> names;
    std::istringstream lines{listing};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string number, name;
        if (!(words >> number >> name) || !number.ends_with(')')) continue;
        if (number.find_first_not_of("0123456789") == number.size() - 1) names.push_back(std::move(name));
    }
    return names;
}

}  // namespace

/// Nothing if it does not answer: then it serves nobody.
std::optional<bool> SessionDaemon::has_sessions_beside(const std::string& own) const {
    const std::optional<Daemon> asleep = stopped();
    if (asleep && *asleep != Daemon::consumer) return std::nullopt;
    const ToolResult listing = lttng({"list"}, 10s);
    if (!listing.good()) return std::nullopt;
    return std::ranges::any_of(session_names(listing.output), [&](const std::string& name) { return name != own; });
}

Environment SessionDaemon::daemon_environment() const {
    // The user's programs look for it where they always do.
    return of_user_ ? Environment{} : Environment{{"LTTNG_HOME", home_}};
}

/// `lttng create` writes into its home which session is the current one, and `destroy` forgets it: the user's stays
/// what it is. Root's daemon is found from every home, an ordinary user's by a link (link_to_own_daemon).
Environment SessionDaemon::client_environment() const {
    return {{"LTTNG_HOME", home_}};
}

std::string SessionDaemon::directory_of_daemon() const {
    if (geteuid() == 0) return kRootsDirectory;
    return of_user_ ? own_daemon_directory() : home_ + "/.lttng";
}

std::vector<std::string> SessionDaemon::lttng_command(std::vector<std::string> arguments) const {
    std::vector<std::string> argv{"lttng", "--no-sessiond"};
    if (geteuid() != 0 && !of_user_) argv.emplace_back(kNoGroup);
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
}

ToolResult SessionDaemon::lttng(std::vector<std::string> arguments, std::chrono::milliseconds deadline,
                                const std::function<bool()>& hopeless) const {
    return run_tool(lttng_command(std::move(arguments)), client_environment(), deadline, hopeless);
}

std::unique_ptr<SessionGuard> SessionDaemon::guard(const std::string& session) const {
    if (daemon_) return nullptr;
    return std::make_unique<SessionGuard>(lttng_command({"destroy", "--no-wait", session}), client_environment(),
                                          home_);
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

/// What /proc says of a process that has just begun is not always whole at once.
void SessionDaemon::find_consumer() {
    const pid_t daemon = process();
    const auto until = std::chrono::steady_clock::now() + kTimeToShow;
    while (daemon != 0) {
        const std::vector<pid_t> children = children_of(daemon);
        if (const auto found = std::ranges::find_if(children, is_consumer_daemon); found != children.end()) {
            consumer_ = *found;
            consumer_fd_ = static_cast<int>(syscall(SYS_pidfd_open, consumer_, 0));
            return;
        }
        if (std::chrono::steady_clock::now() >= until) break;
        std::this_thread::sleep_for(10ms);
    }
    Notice{talk_} << "cannot find LTTng's consumer daemon among the processes: should it end, that will not be noticed";
}

std::optional<Daemon> SessionDaemon::stopped() const {
    const bool session = is_stopped(process());
    const bool consumer = is_stopped(consumer_);
    if (session && consumer) return Daemon::either;
    if (session) return Daemon::session;
    return consumer ? std::optional{Daemon::consumer} : std::nullopt;
}

DaemonComplaints SessionDaemon::complaints_so_far() const {
    if (!daemon_) return {};
    std::ifstream log{log_path()};
    return read_daemon_log(log);
}

/// What it complained of. Its log goes with it.
void SessionDaemon::read_log() {
    complaints_ = complaints_so_far();
}

bool SessionDaemon::leave_to_others() {
    if (private_ || daemon_->wait(0ms)) return false;
    const std::optional<bool> others = has_sessions_beside(ctf::recording_name(private_, getpid()));
    if (!others)
        Notice{talk_} << "the session daemon that was started here answers nobody, and is ended: so is what others may "
                         "have in it";
    else if (*others)
        Notice{talk_} << "the session daemon that was started here stays, because others have sessions in it; to end "
                         "it later: kill "
                      << daemon_->pid();
    return others.value_or(false);
}

/// Before a session daemon that hangs: whose end makes LTTng end the recording in each process, and the consumer daemon
/// take its buffers down, in the middle of which it would be killed.
void SessionDaemon::kill_consumer() const noexcept {
    constexpr int kTimeToDieMs = 1000;
    if (consumer_fd_ < 0) return;
    syscall(SYS_pidfd_send_signal, consumer_fd_, SIGKILL, nullptr, 0);
    pollfd dead{consumer_fd_, POLLIN, 0};
    poll(&dead, 1, kTimeToDieMs);
}

void SessionDaemon::end(std::chrono::seconds patience) noexcept {
    if (daemon_) read_log();
    if (daemon_ && leave_to_others()) {
        daemon_->release();
        daemon_.reset();
    }
    if (daemon_) {
        daemon_->signal(SIGTERM);
        if (!daemon_->wait(patience)) kill_consumer();
        daemon_->end();
        daemon_.reset();
        ended_ = true;
    }
    if (consumer_fd_ >= 0) close(consumer_fd_);
    consumer_fd_ = -1;
    if (other_fd_ >= 0) close(other_fd_);
    other_fd_ = -1;
    if (home_.empty()) return;
    std::error_code ignored;  // the keeper has removed it, unless there was none, or it was killed
    std::filesystem::remove_all(home_, ignored);
    home_.clear();
}

}  // namespace tiffany::paltrace
