#include "confine.hpp"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

/// A user who may read everything goes on reading everything, and nothing else: of two that allow that one stays.
void keep_only_the_capability_to_read() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};  // both of these are in the first
    if (syscall(SYS_capget, &header, sets.data()) != 0) return;
    constexpr std::uint32_t kSearch = std::uint32_t{1} << CAP_DAC_READ_SEARCH;
    constexpr std::uint32_t kOverride = std::uint32_t{1} << CAP_DAC_OVERRIDE;
    const std::uint32_t kept = sets[0].effective & ((sets[0].effective & kSearch) != 0 ? kSearch : kOverride);
    sets = {};
    sets[0].effective = sets[0].permitted = kept;
    syscall(SYS_capset, &header, sets.data());
}

/// A descriptor that is closed at the end of its block.
class Handle {
  public:
    explicit Handle(long fd) noexcept : fd_{static_cast<int>(fd)} {}
    ~Handle() {
        if (fd_ >= 0) ::close(fd_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    int get() const noexcept { return fd_; }

  private:
    int fd_;
};

/// The kernel's rights to files, as this header's and newer kernels count them.
std::uint64_t rights_of(long abi) noexcept {
    constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;  // of version 3, which Debian 12's header has not
    std::uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3) rights |= kTruncate;
    return rights;
}

void allow_reading(int ruleset, const std::string& path) noexcept {
    const Handle file{::open(path.c_str(), O_PATH | O_CLOEXEC)};
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return;
    landlock_path_beneath_attr rule{};
    rule.parent_fd = file.get();
    rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
    if (S_ISDIR(status.st_mode)) rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/// Traces are kept with their files elsewhere, too: git-annex does it, and so do we for metadata that is lent.
void allow_what_links_name(int ruleset, const std::string& directory) {
    std::error_code failed;
    for (fs::directory_iterator entry{directory, failed}, none; !failed && entry != none; entry.increment(failed)) {
        std::error_code ignored;
        if (entry->is_symlink(ignored) && entry->is_regular_file(ignored))
            allow_reading(ruleset, entry->path().string());
    }
}

bool keep_only_files(const std::vector<std::string>& readable) noexcept try {
    const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) return false;
    landlock_ruleset_attr handled{};
    handled.handled_access_fs = rights_of(abi);
    const Handle ruleset{syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)};
    if (ruleset.get() < 0) return false;
    for (const std::string& path : readable) {
        allow_reading(ruleset.get(), path);
        allow_what_links_name(ruleset.get(), path);
        allow_what_links_name(ruleset.get(), path + "/index");
    }
    return syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0;
} catch (...) {  // no memory
    return false;
}

// What reading files, decompressing, and the libraries' own housekeeping call. glibc takes ENOSYS for an older kernel,
// and tries what came before; EPERM it would believe. A pipe, because by one UBSan sees whether it can read an object.
constexpr std::array kCalls{
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(stat),
    SCMP_SYS(fstat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(stat64),
    SCMP_SYS(fstat64),
    SCMP_SYS(lstat64),
    SCMP_SYS(fstatat64),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(fadvise64),
    SCMP_SYS(dup),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(nanosleep),
    SCMP_SYS(pause),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
};

scmp_arg_cmp is(unsigned argument, scmp_datum_t value) noexcept {
    return {argument, SCMP_CMP_EQ, value, 0};
}

/// None of these bits.
scmp_arg_cmp is_without(unsigned argument, scmp_datum_t bits) noexcept {
    return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

// What depends on how it is called: no new code, no file but to read it, no signal but to itself (abort).
bool allow_some(scmp_filter_ctx filter) noexcept {
    static_assert(O_RDONLY == 0);
    constexpr scmp_datum_t kWrites = O_ACCMODE | O_CREAT | O_TRUNC;
    const auto allow = [filter](int call, scmp_arg_cmp only) {
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, only) == 0;
    };
    bool good = allow(SCMP_SYS(open), is_without(1, kWrites)) && allow(SCMP_SYS(openat), is_without(2, kWrites)) &&
                allow(SCMP_SYS(ioctl), is(1, TCGETS)) && allow(SCMP_SYS(prlimit64), is(2, 0)) &&
                allow(SCMP_SYS(tgkill), is(0, static_cast<scmp_datum_t>(getpid())));
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)})
        good = good && allow(call, is_without(2, PROT_EXEC));
    for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC})
        for (const int call : {SCMP_SYS(fcntl), SCMP_SYS(fcntl64)})
            good = good && allow(call, is(1, static_cast<scmp_datum_t>(command)));
    return good;
}

bool keep_only_calls() noexcept {
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter{seccomp_init(SCMP_ACT_ERRNO(ENOSYS)),
                                                                  seccomp_release};
    if (filter == nullptr || !allow_some(filter.get())) return false;
    for (const int call : kCalls)
        if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) return false;
    return seccomp_load(filter.get()) == 0;
}

}  // namespace

Confinement confine(const std::vector<std::string>& readable) noexcept {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);  // what it was given may be a secret, and a core lies where it happens to be
    keep_only_the_capability_to_read();
    Confinement made;
    made.no_new_privileges = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;  // without which the rest is not allowed
    made.files = keep_only_files(readable);
    made.calls = keep_only_calls();
    return made;
}

}  // namespace tiffany::ctf
