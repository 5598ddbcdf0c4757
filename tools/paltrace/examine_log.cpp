#include "examine_log.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/reader.hpp>
#include <tiffany/telemetry/setting_values.hpp>
#include <vector>

#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

constexpr const char* kElsewhere = "TIFFANY_PAL=/tmp/%p.pal";
constexpr const char* kSocketElsewhere = "TIFFANY_PAL=unix:/tmp/%p.sock";

/// Why no log can be written, and what mends it.
struct Trouble {
    std::string why;
    std::string mend;
};

/// The environment that is looked at, and where its names lead.
struct Place {
    std::function<std::string(const char* name)> variable;
    std::string pid;              // what %p becomes
    std::string root;             // before an absolute name
    std::string folder;           // before a relative one, with a slash; empty: the name as it is
    uid_t user = 0;               // who writes
    std::vector<gid_t> groups{};  // of that, its own first
};

/// What the library does not take.
std::optional<Trouble> bad_size(const Place& place, const char* name, std::uint64_t least, std::uint64_t most) {
    const std::string value = place.variable(name);
    if (value.empty()) return std::nullopt;
    const std::optional<std::uint64_t> bytes = detail::parse_size(value);
    const std::string set = std::string{name} + "=" + value + " is ";
    const std::string mend = std::string{"unset "} + name;
    if (!bytes) return Trouble{set + "no size (a whole number, and K, M or G)", mend};
    if (*bytes < least || *bytes > most) return Trouble{set + (*bytes < least ? "too small" : "too large"), mend};
    return std::nullopt;
}

/// The name that the library would take first; nothing if there is none.
std::optional<std::string> name_in(std::string_view target, const std::string& pid) {
    return detail::expand_name(detail::pattern_of(target), pid, detail::host_name());
}

std::string quoted(const std::string& name) {
    std::string text = "'";
    for (const char byte : name)
        text += byte == '\'' ? std::string{"'\\''"} : std::string{byte};
    return text + "'";
}

/// What is in the way may be anybody's: another name is all that is sure to do no harm.
Trouble in_the_way(const std::string& what, const char* elsewhere = kElsewhere) {
    return {what + " of that name is in the way, and is left alone", std::string{"export "} + elsewhere};
}

/// Whether its first line is a log's, as far as it can be read.
bool is_log(const std::string& path) {
    struct Begun {};
    class First : public pal::EntrySink {
      public:
        void begin(const pal::Begin&) override { throw Begun{}; }
        void record(const pal::Record&) override {}
        void gap(const pal::Gap&) override {}
        void end(const pal::End&) override {}
    };
    First first;
    try {
        pal::read_log(path, first);
    } catch (const Begun&) {
        return true;
    } catch (const Error&) {
    }
    return false;
}

/// What has a name already and is no log of ours, which could be moved.
std::optional<Trouble> other_file(const std::string& path, uid_t user) {
    struct stat about {};
    if (lstat(path.c_str(), &about) != 0) return std::nullopt;
    if (S_ISLNK(about.st_mode)) return in_the_way("a symbolic link");
    if (S_ISDIR(about.st_mode)) return in_the_way("a folder");
    if (!S_ISREG(about.st_mode)) return std::nullopt;  // a device, which is written into
    const bool ours = about.st_size == 0 ? about.st_uid == user : is_log(path);
    return ours ? std::nullopt : std::optional{in_the_way("a file that is no log")};
}

/// Why the name cannot be a socket's.
std::optional<Trouble> no_socket(const std::string& path) {
    struct stat about {};
    if (lstat(path.c_str(), &about) == 0 && !S_ISSOCK(about.st_mode))
        return in_the_way(S_ISLNK(about.st_mode) ? "a symbolic link" : "something that is no socket", kSocketElsewhere);
    if (lstat((path + detail::kLockEnding).c_str(), &about) == 0 && !(S_ISREG(about.st_mode) && about.st_size == 0))
        return in_the_way("something that is no lock of a log", kSocketElsewhere);
    return std::nullopt;
}

/// Why the name cannot be a file's, whose log of before, if there is one, gets another name.
std::optional<Trouble> no_file(const Place& place, const std::string& path) {
    if (std::optional<Trouble> trouble = other_file(path, place.user)) return trouble;
    struct stat about {};
    const bool has_log = lstat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode);
    return has_log ? other_file(detail::FileName{path}.with(detail::kOlderEnding), place.user) : std::nullopt;
}

bool is_full(const std::string& path, uid_t user) {
    struct statvfs space {};
    return statvfs(path.c_str(), &space) == 0 && space.f_blocks != 0 &&
           (user == 0 ? space.f_bfree : space.f_bavail) == 0;
}

/// What keeps the process from making a file in the folder, as an errno; 0 = nothing. Root may everything, and asks as
/// the process's user.
int refusal_of(const std::string& folder, const Place& place) {
    const auto ask = [&] { return access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno; };
    if (geteuid() != 0 || place.user == 0) return ask();
    const std::vector<gid_t> groups = place.groups;
    const pid_t child = fork();
    if (child < 0) return ask();
    if (child == 0) {
        const bool became = !groups.empty() && setgroups(groups.size(), groups.data()) == 0 &&
                            setgid(groups.front()) == 0 && setuid(place.user) == 0;
        _exit(became ? ask() : 0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/// Why no log can be had with that name.
std::optional<Trouble> bad_target(const Place& place, const std::string& target) {
    if (const std::string why = detail::why_bad_target(target, place.pid, detail::host_name()); !why.empty())
        return Trouble{why, std::string{"export "} + (detail::is_socket(target) ? kSocketElsewhere : kElsewhere)};
    const std::optional<std::string> name = name_in(target, place.pid);
    const std::string path = (name->front() == '/' ? place.root : place.folder) + *name;
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
    struct stat about {};
    if (stat(folder.c_str(), &about) != 0)
        return Trouble{std::string{"its folder: "} + std::strerror(errno),
                       "mkdir -p " + quoted(name->substr(0, name->rfind('/')))};
    if (const int refusal = refusal_of(folder, place); refusal != 0)
        return Trouble{std::string{"its folder cannot be written to: "} + std::strerror(refusal),
                       std::string{"export "} + kElsewhere};
    if (is_full(folder, place.user)) return Trouble{"its disk is full", "export TIFFANY_PAL=/on/another/disk/%p.pal"};
    return detail::is_socket(target) ? no_socket(path) : no_file(place, path);
}

std::optional<Trouble> trouble_of(const Place& place, const std::string& target) {
    if (target != "-")
        if (std::optional<Trouble> trouble = bad_target(place, target)) return trouble;
    if (std::optional<Trouble> trouble = bad_size(place, "TIFFANY_PAL_MAX", detail::kLeastMaxBytes, ~std::uint64_t{0}))
        return trouble;
    return bad_size(place, "TIFFANY_PAL_RING", detail::kLeastRing, detail::kMostRing);
}

/// What to expect where nothing is wrong: "writes its log to /tmp/run.pal".
std::string expected_of(const Place& place, const std::string& target) {
    if (target == "-") return "writes its log to stderr";
    const std::string name = name_in(target, place.pid).value_or("");
    if (detail::is_socket(target)) return "serves its log at " + name + " to who connects, and writes no file";
    return "writes its log to " + name;
}

/// A file of that name that it has open: the end of the name may have the pid before it, because it was in use.
std::string open_file(pid_t pid, const std::string& name, std::string_view ending) {
    const std::string stem = std::filesystem::path{name.substr(0, name.size() - ending.size())}.filename().string();
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd", gone}) {
        const std::filesystem::path file = std::filesystem::read_symlink(entry.path(), gone);
        const std::string found = file.filename().string();
        if (!gone && found.starts_with(stem) && found.ends_with(ending) &&
            (found.size() == stem.size() + ending.size() || found[stem.size()] == '.'))
            return file.string();
    }
    return "";
}

/// The file that it has open as its log; empty if there is none.
std::string log_file(pid_t pid, const Place& place, const std::string& target) {
    if (target == "-" || detail::is_socket(target)) return "";
    const std::string name = name_in(target, place.pid).value_or("");
    return open_file(pid, name, detail::FileName{name}.ending());
}

/// What it writes, or serves, of what it was told; empty if nothing of that can be seen.
std::string what_it_does(pid_t pid, const Place& place, const std::string& target) {
    if (threads_called(pid, "tiffany-pal") == 0) return "";  // it has a log, or a sink
    if (target == "-") return "writes its log to stderr";
    constexpr std::string_view kLock = detail::kLockEnding;
    const std::string name = name_in(target, place.pid).value_or("");
    if (detail::is_socket(target)) {
        const std::string lock = open_file(pid, name + std::string{kLock}, kLock);
        return lock.empty() ? "" : "serves its log at " + lock.substr(0, lock.size() - kLock.size());
    }
    const std::string file = log_file(pid, place, target);
    return file.empty() ? "" : "writes " + file;
}

}  // namespace

Finding examine_own_log() {
    Finding finding{.what = "TIFFANY_PAL", .found = {}, .cost = {}, .mend = {}};
    const Place place{.variable =
                          [](const char* name) {
                              const char* const value = std::getenv(name);
                              return std::string{value != nullptr ? value : ""};
                          },
                      .pid = "PID",
                      .root = "",
                      .folder = "",
                      .user = geteuid(),
                      .groups = {}};
    const std::string target = place.variable("TIFFANY_PAL");
    if (target.empty()) {
        finding.found = "not set; with TIFFANY_PAL=FILE a program writes its own log, without LTTng and bpftrace";
        return finding;
    }
    finding.found = "TIFFANY_PAL=" + target + ": ";
    if (const std::optional<Trouble> trouble = trouble_of(place, target)) {
        finding.health = Health::wrong;
        finding.found += trouble->why;
        finding.cost =
            "a program that starts with it writes no log, and says so only in tiffany::pal_status() and metrics";
        finding.mend = trouble->mend;
        return finding;
    }
    finding.found += "a program that starts here " + expected_of(place, target) +
                     (target.find("%p") == target.npos && target != "-" ? ", a second one adds its pid" : "") +
                     "; a set-uid program does not look at it";
    return finding;
}

Finding examine_log_of(pid_t pid, bool trusted) {
    Finding finding{.what = "log of the process", .found = {}, .cost = {}, .mend = {}};
    const std::string entry = "/proc/" + std::to_string(pid);
    const Owner owner = owner_of(pid).value_or(Owner{geteuid(), {getegid()}});
    const Place place{.variable = [pid](const char* name) { return variable_of(pid, name); },
                      .pid = std::to_string(pid),
                      .root = entry + "/root",
                      .folder = entry + "/cwd/",
                      .user = owner.user,
                      .groups = owner.groups};
    const std::string target = place.variable("TIFFANY_PAL");
    if (target.empty()) {
        finding.found =
            "TIFFANY_PAL is not set" + std::string{threads_called(pid, "tiffany-pal") != 0
                                                       ? "; the program itself asked for a log, or has a sink"
                                                       : ": it writes none, unless the program itself asks for one"};
        return finding;
    }
    finding.found = "TIFFANY_PAL=" + target;
    if (!trusted) {
        finding.health = Health::limited;
        finding.found += " is ignored: it is a set-uid program, or has more rights than its caller";
        finding.cost = "it writes a log only if the program itself says so";
        finding.mend = "start it as the user whose rights it takes; or let it call tiffany::configure({.pal = FILE})";
        return finding;
    }
    if (const std::string does = what_it_does(pid, place, target); !does.empty()) {
        finding.found += ": it " + does;
        if (const std::string file = log_file(pid, place, target);
            !file.empty() && is_full(place.root + file, place.user)) {
            finding.health = Health::wrong;
            finding.found += ", and its disk is full";
            finding.cost = "what finds no room is lost: the log's Gaps and tiffany_pal_lost_total count it";
            finding.mend = "df " + quoted(file) + "  # and make room there";
        }
        return finding;
    }
    if (const std::optional<Trouble> trouble = trouble_of(place, target)) {
        finding.health = Health::wrong;
        finding.found += ": " + trouble->why;
        finding.cost = "it writes no log, and says so only in tiffany::pal_status() and metrics";
        finding.mend = "start it again after: " + trouble->mend;
    } else {
        finding.health = Health::limited;
        finding.found +=
            ": it writes none: it has made no scheduler yet, or the program says otherwise (tiffany::configure), or "
            "the name could not be had then";
        finding.cost = "there is no log of its own to read";
        finding.mend = "wait until it has a scheduler; else let it print tiffany::pal_status(), or start it again";
    }
    return finding;
}

}  // namespace tiffany::paltrace
