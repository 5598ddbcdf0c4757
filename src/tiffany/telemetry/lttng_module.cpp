#include "lttng_module.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "stay_loaded.hpp"

namespace tiffany::detail {
namespace {

constexpr char kModule[] = "libtiffany-lttng.so";
constexpr char kTimeoutVariable[] = "LTTNG_UST_REGISTER_TIMEOUT";
constexpr char kTimeoutMs[] = "500";  // a daemon that hangs would delay every start by 3 s, LTTng's own bound

// lttng-ust maps a page of /dev/shm when it is loaded and touches it: on a full /dev/shm that is a SIGBUS.
constexpr off_t kShmReserveBytes = 64 * 1024;

// Where lttng-ust finds no such page, and cannot make it, it switches itself off. Root's is enough, if it is there.
constexpr char kRootsPage[] = "/dev/shm/lttng-ust-wait-8";

/// `available`, or what is wrong with /dev/shm.
TracingStatus look_at_shm() noexcept {
    const auto is_full = [](int error) { return error == ENOSPC || error == EDQUOT; };
    const int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        if (is_full(errno)) return TracingStatus::shm_full;
        return access("/dev/shm", W_OK) == 0 || access(kRootsPage, R_OK) == 0 ? TracingStatus::available
                                                                              : TracingStatus::no_shm;
    }
    const int error = posix_fallocate(fd, 0, kShmReserveBytes);
    close(fd);
    return is_full(error) ? TracingStatus::shm_full : TracingStatus::available;
}

// The folder of the library, or program, that this code is part of; with its final slash.
std::string own_folder() {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&load_lttng_module), &info) == 0 || info.dli_fname == nullptr) return {};
    char real[PATH_MAX];
    // a program's own name may be relative to a folder that it has left
    const bool library = std::strstr(info.dli_fname, ".so") != nullptr;
    if (realpath(library ? info.dli_fname : "/proc/self/exe", real) == nullptr) return {};
    const std::string_view path{real};
    return std::string{path.substr(0, path.rfind('/') + 1)};
}

struct Attempt {
    void* handle = nullptr;
    bool found = false;  // the file is there, whatever became of it
};

Attempt try_path(const std::string& path) {
    Attempt attempt;
    attempt.found = access(path.c_str(), F_OK) == 0;
    if (attempt.found) attempt.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    return attempt;
}

// Whether the linker found no such file: then its sentence begins with the name as it was asked for, else with the
// file's path, or with the library that the file needs.
bool module_is_missing(const char* error) noexcept {
    return error == nullptr || std::string_view{error}.starts_with("libtiffany-lttng.so:");
}

Attempt open_module() {
    // secure_getenv: a set-user-id program must not load what its caller names
    if (const char* named = secure_getenv("TIFFANY_LTTNG_MODULE")) return try_path(named);
    if (const std::string folder = own_folder(); !folder.empty()) {
        const Attempt attempt = try_path(folder + kModule);
        if (attempt.found) return attempt;
    }
    // A name without a folder is looked for in the run path of what carries this code, too. There the package puts the
    // place of its installation when a program links the static library: only then is it known where that is.
    void* handle = dlopen(kModule, RTLD_NOW | RTLD_LOCAL);
    return {handle, handle != nullptr || !module_is_missing(dlerror())};
}

// Bounds lttng-ust's wait for the session daemon, unless the user did.
class RegisterTimeout {
  public:
    RegisterTimeout() : ours_{std::getenv(kTimeoutVariable) == nullptr} {
        if (ours_) setenv(kTimeoutVariable, kTimeoutMs, 1);
    }
    ~RegisterTimeout() {
        if (ours_) unsetenv(kTimeoutVariable);  // a child program decides for itself
    }
    RegisterTimeout(const RegisterTimeout&) = delete;
    RegisterTimeout& operator=(const RegisterTimeout&) = delete;

  private:
    bool ours_;
};

bool switched_off() noexcept {
    const char* value = std::getenv("TIFFANY_LTTNG");
    return value != nullptr && std::string_view{value} == "0";
}

LttngModule unavailable(TracingStatus why) noexcept {
    return {nullptr, why, false};
}

}  // namespace

LttngModule load_lttng_module() noexcept try {
    if (switched_off()) return unavailable(TracingStatus::disabled);
    if (const TracingStatus shm = look_at_shm(); shm != TracingStatus::available) return unavailable(shm);
    const RegisterTimeout timeout;
    const Attempt attempt = open_module();
    if (attempt.handle == nullptr)
        return unavailable(attempt.found ? TracingStatus::no_lttng : TracingStatus::no_module);
    const auto table = reinterpret_cast<LttngTableFunction>(dlsym(attempt.handle, kLttngTableSymbol));
    if (table == nullptr) return unavailable(TracingStatus::incompatible);
    stay_loaded();  // LTTng's listener thread calls into it
    return {table(), TracingStatus::available, std::getenv("LTTNG_UST_ALLOW_BLOCKING") != nullptr};
} catch (...) {  // no memory for a path
    return unavailable(TracingStatus::no_module);
}

}  // namespace tiffany::detail
