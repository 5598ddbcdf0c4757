#include "process_table.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tiffany::paltrace {
namespace {

struct Stat {
    char state = 0;
    pid_t parent = 0;
    unsigned long flags = 0;
};

/// The first fields in /proc/PID/stat after the name, which is in brackets and may hold anything.
Stat stat_in(const std::filesystem::path& entry) {
    std::ifstream file{entry / "stat"};
    std::string line;
    std::getline(file, line);
    Stat found;
    const std::size_t end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return found;
    std::istringstream rest{line.substr(end_of_name + 1)};
    long other = 0;  // group, session, terminal, its group
    rest >> found.state >> found.parent >> other >> other >> other >> other >> found.flags;
    return found;
}

template <typename Condition>
std::vector<pid_t> processes_that(const Condition& holds) {
    std::vector<pid_t> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry{"/proc", error}, end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        pid_t pid = 0;
        const auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (failure != std::errc{} || stop != name.data() + name.size()) continue;
        if (holds(entry->path())) found.push_back(pid);
    }
    return found;
}

}  // namespace

std::vector<pid_t> children_of(pid_t parent) {
    return processes_that([parent](const std::filesystem::path& entry) { return stat_in(entry).parent == parent; });
}

std::vector<pid_t> processes_with(const std::string& library) {
    const std::string end_of_line = "/" + library;
    return processes_that([&](const std::filesystem::path& entry) {
        std::ifstream maps{entry / "maps"};
        for (std::string line; std::getline(maps, line);)
            if (line.ends_with(end_of_line)) return true;
        return false;
    });
}

namespace {

std::string variable_in(const std::filesystem::path& entry, std::string_view name) {
    std::ifstream file{entry / "environ"};
    for (std::string variable; std::getline(file, variable, '\0');)
        if (variable.starts_with(name) && variable.size() > name.size() && variable[name.size()] == '=')
            return variable.substr(name.size() + 1);
    return "";
}

}  // namespace

std::string variable_of(pid_t process, std::string_view name) {
    return variable_in("/proc/" + std::to_string(process), name);
}

std::vector<pid_t> processes_with_variable(std::string_view name, std::string_view value) {
    return processes_that([&](const std::filesystem::path& entry) { return variable_in(entry, name) == value; });
}

std::string name_of(pid_t process) {
    std::ifstream file{"/proc/" + std::to_string(process) + "/comm"};
    std::string name;
    std::getline(file, name);
    return name;
}

std::optional<Owner> owner_of(pid_t process) {
    Owner owner;
    std::ifstream file{"/proc/" + std::to_string(process) + "/status"};
    bool known = false;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string what;
        words >> what;
        if (what == "Uid:") {
            uid_t real = 0;
            known = static_cast<bool>(words >> real >> owner.user);
        } else if (what == "Gid:") {
            gid_t real = 0, effective = 0;
            words >> real >> effective;
            owner.groups.assign(1, effective);
        } else if (what == "Groups:") {  // the last of these three
            for (gid_t group = 0; words >> group;)
                owner.groups.push_back(group);
        }
    }
    return known ? std::optional{std::move(owner)} : std::nullopt;
}

int refusal_to_look_into(pid_t process) {
    const std::string entry = "/proc/" + std::to_string(process);
    struct stat about {};
    // the kernel asks at `open` and at the way through `root`; the modes of these files say nothing
    return std::ifstream{entry + "/environ"} && stat((entry + "/root/").c_str(), &about) == 0 ? 0 : errno;
}

std::size_t threads_called(pid_t process, std::string_view name) {
    std::size_t count = 0;
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/" + std::to_string(process) + "/task", gone}) {
        std::ifstream file{thread.path() / "comm"};
        std::string called;
        count += std::getline(file, called) && called == name ? 1 : 0;
    }
    return count;
}

char state_of(pid_t process) {
    return stat_in("/proc/" + std::to_string(process)).state;
}

bool is_dead(pid_t process) {
    const char state = state_of(process);
    return state == 'Z' || state == 'X' || state == 0;
}

bool is_stopped(pid_t process) {
    const char state = state_of(process);
    return state == 'T' || state == 't';
}

pid_t locker_of(const std::string& file) {
    struct stat about {};
    if (stat(file.c_str(), &about) != 0) return 0;
    std::array<char, 64> name{};  // as /proc/locks has it: "fe:01:812"
    std::snprintf(name.data(), name.size(), "%02x:%02x:%llu", major(about.st_dev), minor(about.st_dev),
                  static_cast<unsigned long long>(about.st_ino));
    std::ifstream locks{"/proc/locks"};
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words{line};
        std::string number, kind, force, access, inode;
        pid_t process = 0;
        if (words >> number >> kind >> force >> access >> process >> inode && kind == "FLOCK" && access == "WRITE" &&
            inode == name.data())
            return process;
    }
    return 0;
}

bool is_kernel_thread(pid_t process) {
    constexpr unsigned long kKernelThread = 0x0020'0000;  // PF_KTHREAD in the kernel's sched.h
    return (stat_in("/proc/" + std::to_string(process)).flags & kKernelThread) != 0;
}

std::string user_name(uid_t user) {
    const passwd* const entry = getpwuid(user);
    return entry != nullptr ? entry->pw_name : "uid " + std::to_string(user);
}

}  // namespace tiffany::paltrace
