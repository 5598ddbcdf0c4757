#include "shm_access.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "as_root.hpp"
#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

bool may_write(const struct stat& there, uid_t user, gid_t group) {
    if (user == 0) return true;
    const mode_t both = user == there.st_uid    ? S_IWUSR | S_IXUSR
                        : group == there.st_gid ? S_IWGRP | S_IXGRP
                                                : S_IWOTH | S_IXOTH;
    return (there.st_mode & both) == both;
}

}  // namespace

std::optional<ShmTrouble> shm_trouble(const std::string& root, uid_t user, gid_t group) {
    const std::string path = root + "/dev/shm";
    struct stat there {};
    struct statvfs mounted {};
    if (stat(path.c_str(), &there) != 0 || statvfs(path.c_str(), &mounted) != 0) {
        const std::string why = std::string{"cannot see /dev/shm: "} + std::strerror(errno);
        if (errno != ENOENT) return ShmTrouble{why, "ls -ld /dev /dev/shm"};
        return ShmTrouble{why, as_root("mkdir /dev/shm") + " && " + as_root("mount -t tmpfs tmpfs /dev/shm")};
    }
    if ((mounted.f_flag & ST_RDONLY) != 0)
        return ShmTrouble{"/dev/shm is mounted read-only", as_root("mount -o remount,rw /dev/shm")};
    if (!may_write(there, user, group))
        return ShmTrouble{user_name(user) + " may not write to /dev/shm", as_root("chmod 1777 /dev/shm")};
    return std::nullopt;
}

std::optional<ShmTrouble> shm_trouble() {
    return shm_trouble("", geteuid(), getegid());
}

}  // namespace tiffany::paltrace
