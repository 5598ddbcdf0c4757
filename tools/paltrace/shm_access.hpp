#pragma once
/// Whether LTTng has a /dev/shm to write to: a program that has none runs without it, and nothing is recorded.

#include <sys/types.h>

#include <optional>
#include <string>

namespace tiffany::paltrace {

struct ShmTrouble {
    std::string why;   ///< "/dev/shm is mounted read-only"
    std::string mend;  ///< the command
};

/// Nothing if the user can write there. By the mount and its mode alone, so that another user can be asked for.
/// @param root  what stands for `/`: empty, or that of a process, `/proc/PID/root`
std::optional<ShmTrouble> shm_trouble(const std::string& root, uid_t user, gid_t group);

/// The same for this process.
std::optional<ShmTrouble> shm_trouble();

}  // namespace tiffany::paltrace
