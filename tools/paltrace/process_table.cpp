#include "process_table.hpp"

#include <pwd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tiffany::paltrace {
namespace {

/// The parent in /proc/PID/stat: the second field after the name, which is in brackets and may hold anything.
pid_t parent_of(const std::filesystem::path& entry) {
    std::ifstream file{entry / "stat"};
    std::string line;
    std::getline(file, line);
    const std::size_t end_of_name = line.rfind(')');
    if (end_of_name == std::string::npos) return 0;
    std::istringstream rest{line.substr(end_of_name + 1)};
    char state = 0;
    pid_t parent = 0;
    rest >> state >> parent;
    return parent;
}

}  // namespace

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    std::error_code error;
    for (std::filesystem::directory_iterator entry{"/proc", error}, end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        pid_t pid = 0;
        const auto [stop, failure] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (failure != std::errc{} || stop != name.data() + name.size()) continue;
        if (parent_of(entry->path()) == parent) children.push_back(pid);
    }
    return children;
}

std::string name_of(pid_t process) {
    std::ifstream file{"/proc/" + std::to_string(process) + "/comm"};
    std::string name;
    std::getline(file, name);
    return name;
}

std::string user_name(uid_t user) {
    const passwd* const entry = getpwuid(user);
    return entry != nullptr ? entry->pw_name : "uid " + std::to_string(user);
}

}  // namespace tiffany::paltrace
