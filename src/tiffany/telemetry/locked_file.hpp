#pragma once
/// A file that is one process's alone, taken under a name of its choice or one beside it.

#include <cstdint>
#include <string>
#include <tiffany/telemetry/pal_status.hpp>

namespace tiffany::detail {

/// Owns a descriptor. Not shared between threads.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) noexcept;
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();

    int get() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ >= 0; }
    int release() noexcept;
    void close() noexcept { *this = Descriptor{}; }
    /// Whether the number is still what it was. A program that closes all descriptors it does not know (a daemon at its
    /// start) closes ours, and opens something else under the number: that is let go of, and neither written nor
    /// closed.
    bool is_ours() noexcept;

  private:
    int fd_ = -1;
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
};

/// Why a name cannot be had.
struct NameProblem {
    PalProblem problem = PalProblem::none;
    int error = 0;
};

constexpr int kMoreNames = 100;  // that are tried beside the first: another process may have it

/// Makes a new file of mode 0600 and locks it. One of this name that is a log, and that nobody has locked, becomes
/// `older` first; an empty one of the same user is replaced.
///
/// Returns it open for writing; closed if `problem` says why not: `in_use` if another process has locked it. What is no
/// regular file (a fifo, a device) is opened as it is, and does not block. Errors: std::bad_alloc.
Descriptor take_file(const std::string& name, const std::string& older, NameProblem& problem);

/// Whether a descriptor is the file of that name, now.
bool is_named(int fd, const std::string& name) noexcept;
/// Whether a file of that name may go: it is a log, or empty and the user's own, and nobody has locked it; or it is not
/// there.
bool may_replace(const std::string& name, NameProblem& problem) noexcept;
/// Gives a file its name back, unless somebody has taken that meanwhile.
void rename_unless_there(const std::string& from, const std::string& to) noexcept;

/// Opens an empty file that exists to be locked and for nothing else, and locks it. Closed: `problem` says why not;
/// `not_a_log` if there is something in it.
Descriptor take_lock_file(const std::string& name, NameProblem& problem);

}  // namespace tiffany::detail
