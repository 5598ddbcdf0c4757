#include "held_buffers.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "process_table.hpp"
#include "recorded_processes.hpp"
#include "salvage.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

/// A buffer is one file for each channel, CPU and process.
void allow_many_files() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

HeldBuffers::HeldBuffers(std::string trace, std::string directory, pid_t consumer)
    : trace_{std::move(trace)}, directory_{std::move(directory)}, consumer_{consumer} {}

HeldBuffers::~HeldBuffers() {
    let_go();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

/// A consumer daemon that is stopped may never go on, and the processes whose buffers it leaves may end any time.
void HeldBuffers::look(pid_t /*command*/) noexcept try {
    if (consumer_ == 0 || died_) return;
    if (is_stopped(consumer_))
        hold_all();
    else
        let_go();
} catch (const std::exception&) {  // no memory: what is held is something, too
}

void HeldBuffers::let_go() noexcept {
    for (const Held& held : held_)
        close(held.fd);
    held_.clear();
    lacking_.clear();
}

void HeldBuffers::daemon_died() noexcept try {
    died_ = true;
    if (consumer_ != 0) hold_all();
} catch (const std::exception&) {  // no memory: what is held is something, too
}

void HeldBuffers::hold_all() {
    allow_many_files();
    const std::string name = "/dev/shm/shm-ust-consumer-" + std::to_string(consumer_) + " (deleted)";
    std::set<std::pair<dev_t, ino_t>> known;  // a forked child has its parent's, too
    const auto is_new = [&known](int fd) {
        struct stat about {};
        return fstat(fd, &about) == 0 && known.emplace(about.st_dev, about.st_ino).second;
    };
    for (const Held& held : held_)
        is_new(held.fd);
    for (const fs::path& process : process_directories(trace_)) {
        const std::string directory = process.filename().string();
        std::error_code failed;
        const fs::path fds = "/proc/" + std::to_string(pid_in_name(directory)) + "/fd";
        for (fs::directory_iterator entry{fds, failed}, end; !failed && entry != end; entry.increment(failed)) {
            std::error_code gone;
            if (fs::read_symlink(entry->path(), gone) != name) continue;
            const int fd = open(entry->path().c_str(), O_RDONLY | O_CLOEXEC);
            if (fd < 0) lacking_.insert(pid_in_name(directory));
            if (fd < 0) continue;
            held_.push_back({directory, fd});
            if (is_new(fd)) continue;
            held_.pop_back();
            close(fd);
        }
    }
}

/// lttng-crash takes a directory of files, and what describes them: links to what we have open are as good.
std::set<pid_t> HeldBuffers::salvage(const std::string& trace, const std::string& recovered,
                                     std::optional<pid_t> only) {
    for (const fs::path& written : process_directories(trace))
        cut_half_packets(written);
    std::set<pid_t> salvaged;
    for (const Held& held : held_) {
        if (only && pid_in_name(held.process) != *only) continue;
        const fs::path metadata = fs::path{trace} / "ust" / "pid" / held.process / "metadata";
        const fs::path links = fs::path{directory_} / "ust" / "pid" / held.process;
        std::error_code failed;
        if (fs::file_size(metadata, failed) == 0) continue;  // nobody can read it
        if (fs::create_directories(links, failed)) fs::copy_file(metadata, links / "metadata", failed);
        const std::string fd = std::to_string(held.fd);
        if (!failed)
            fs::create_symlink("/proc/" + std::to_string(getpid()) + "/fd/" + fd, links / ("buffer_" + fd), failed);
        if (failed) throw Error{ErrorKind::system, "cannot make " + links.string() + ": " + failed.message()};
        salvaged.insert(pid_in_name(held.process));
    }
    if (salvaged.empty()) return salvaged;
    extract_buffers(directory_, recovered);
    std::erase_if(salvaged, [this](pid_t process) { return lacking_.contains(process); });
    return salvaged;
}

}  // namespace tiffany::paltrace
