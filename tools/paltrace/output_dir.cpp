#include "output_dir.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

constexpr int kNamesTried = 100;

std::string dated_name() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    std::array<char, 64> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "tiffany-%Y%m%d-%H%M%S", &local);
    return {text.data(), length};
}

/// An empty directory is used; but not one that somebody else has made ready where everybody can write, and keeps the
/// right to read.
void refuse_what_others_put_there(const std::string& name) {
    std::string plain = name;
    while (plain.size() > 1 && plain.back() == '/')
        plain.pop_back();
    struct stat there {};
    struct stat above {};
    if (lstat(plain.c_str(), &there) != 0) return;
    if (S_ISLNK(there.st_mode))
        throw Error{ErrorKind::usage,
                    "cannot record into " + name + ": it is a symbolic link; name the directory itself"};
    if (there.st_uid == geteuid() || stat((plain + "/..").c_str(), &above) != 0) return;
    if ((above.st_mode & S_IWOTH) != 0)
        throw Error{ErrorKind::system, "cannot record into " + name + ": another user has made it"};
}

Error cannot_make(const std::string& name) {
    return Error{ErrorKind::system, "cannot make directory " + name + ": " + std::strerror(errno)};
}

}  // namespace

OutputDir::OutputDir(const std::string& asked) : name_{asked} {
    if (name_.empty()) {
        make_with_date();
    } else if (mkdir(name_.c_str(), 0700) == 0) {
        made_ = true;
    } else {
        if (errno != EEXIST) throw cannot_make(name_);
        refuse_what_others_put_there(name_);
        std::error_code error;
        const bool empty = std::filesystem::is_empty(name_, error);
        if (!std::filesystem::is_directory(name_))
            throw Error{ErrorKind::usage, "cannot record into " + name_ + ": it is no directory"};
        if (error) throw Error{ErrorKind::system, "cannot record into " + name_ + ": " + error.message()};
        if (!empty)
            throw Error{ErrorKind::usage,
                        "cannot record into " + name_ + ": it exists and is not empty; name another directory with -o"};
        if (access(name_.c_str(), W_OK | X_OK) != 0 || chmod(name_.c_str(), 0700) != 0)
            throw Error{ErrorKind::system, "cannot record into " + name_ + ": " + std::strerror(errno)};
    }
    absolute_ = std::filesystem::absolute(name_).lexically_normal().string();
    while (absolute_.size() > 1 && absolute_.back() == '/')
        absolute_.pop_back();
}

void OutputDir::make_with_date() {
    const std::string dated = dated_name();
    name_ = dated;
    for (int n = 2; mkdir(name_.c_str(), 0700) != 0; ++n) {  // two that start in one second
        if (errno != EEXIST || n > kNamesTried) throw cannot_make(name_);
        name_ = dated + "-" + std::to_string(n);
    }
    made_ = true;
}

OutputDir::~OutputDir() {
    if (keep_) return;
    std::error_code ignored;  // the reason for leaving is being told; a left-over would be the smaller trouble
    for (std::filesystem::directory_iterator entry{absolute_, ignored}, end; !ignored && entry != end;
         entry.increment(ignored))
        std::filesystem::remove_all(entry->path(), ignored);
    if (made_) std::filesystem::remove(absolute_, ignored);
}

void OutputDir::keep_to_owner() const noexcept try {
    namespace fs = std::filesystem;
    std::error_code ignored;
    for (fs::recursive_directory_iterator entry{absolute_, ignored}, end; !ignored && entry != end;
         entry.increment(ignored)) {
        std::error_code refused;
        const fs::file_type type = entry->symlink_status(refused).type();
        if (type == fs::file_type::directory) fs::permissions(entry->path(), fs::perms::owner_all, refused);
        if (type == fs::file_type::regular)
            fs::permissions(entry->path(), fs::perms::owner_read | fs::perms::owner_write, refused);
    }
} catch (...) {  // no memory
}

std::string OutputDir::path(const std::string& file) const {
    return file.empty() ? absolute_ : absolute_ + "/" + file;
}

std::uint64_t OutputDir::free_bytes() const noexcept {
    struct statvfs space {};
    return statvfs(absolute_.c_str(), &space) == 0 ? static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize : 0;
}

bool OutputDir::has_no_room() const noexcept {
    struct statvfs space {};
    return statvfs(absolute_.c_str(), &space) == 0 && (geteuid() == 0 ? space.f_bfree : space.f_bavail) == 0;
}

}  // namespace tiffany::paltrace
