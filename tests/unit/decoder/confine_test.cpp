// Each test asks a process that has confined itself what it can still do.
#include "confine.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "../temporary_folder.hpp"
#include "child_source.hpp"
#include "unheard.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// What it can do, a word each; "(...)" for a layer that this kernel, or this container, does not have.
class Told {
  public:
    explicit Told(int fd) : fd_{fd} {}
    void can(const char* what, bool yes) {
        if (yes) say(what);
    }
    void say(const std::string& what) {
        const std::string word = what + ' ';
        if (::write(fd_, word.data(), word.size()) < 0) ::_exit(9);
    }

  private:
    int fd_;
};

std::string of_a_process(const std::function<void(Told&)>& work, int* status = nullptr) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        Told told{ends[1]};
        work(told);
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string all;
    std::array<char, 4096> some{};
    for (ssize_t got = 0; (got = ::read(ends[0], some.data(), some.size())) > 0;)
        all.append(some.data(), static_cast<std::size_t>(got));
    ::close(ends[0]);
    int ended = 0;
    EXPECT_EQ(::waitpid(child, &ended, 0), child);
    if (status != nullptr) *status = ended;
    return all;
}

/// A folder with a trace, and something beside it.
class Confine : public testing::Test {
  protected:
    Confine() {
        fs::create_directories(home_.path() / "trace/index");
        for (const char* file : {"trace/metadata", "trace/index/a.idx", "secret", "elsewhere", "elsewhere-too"})
            std::ofstream{home_.path() / file} << "content";
        fs::create_symlink(home_.path() / "elsewhere", home_.path() / "trace/linked");
        fs::create_symlink(home_.path() / "elsewhere-too", home_.path() / "trace/index/linked.idx");
    }

    std::string path(const char* name) const { return (home_.path() / name).string(); }
    bool reads(const char* name) const {
        const int fd = ::open(path(name).c_str(), O_RDONLY | O_CLOEXEC);
        char byte = 0;
        return fd >= 0 && ::read(fd, &byte, 1) == 1;
    }
    bool opens(const char* name, int flags) const { return ::open(path(name).c_str(), flags, 0600) >= 0; }

    const tiffany::test::TemporaryFolder home_;
};

TEST_F(Confine, ReadsWhatItWasGivenAndTheFilesThatLinksInItName) {
    EXPECT_EQ(of_a_process([this](Told& told) {
                  confine({path("trace")});
                  told.can("metadata", reads("trace/metadata"));
                  told.can("index", reads("trace/index/a.idx"));
                  told.can("linked", reads("trace/linked"));
                  told.can("linked-index", reads("trace/index/linked.idx"));
                  std::error_code failed;
                  told.can("list", fs::directory_iterator{path("trace"), failed} != fs::directory_iterator{});
              }),
              "metadata index linked linked-index list ");
}

TEST_F(Confine, ReadsNothingElse) {
    const std::string answer = of_a_process([this](Told& told) {
        if (!confine({path("trace")}).files) return told.say("(no Landlock)");
        told.can("secret", reads("secret"));
        told.can("passwd", ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
        told.can("list", ::open(home_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
    });
    if (answer == "(no Landlock) ") GTEST_SKIP() << "this kernel has no Landlock";
    EXPECT_EQ(answer, "");
}

TEST_F(Confine, ChangesNoFileNotEvenItsOwn) {
    const std::string answer = of_a_process([this](Told& told) {
        const Confinement made = confine({path("trace")});
        if (!made.files && !made.calls) return told.say("(neither)");
        told.can("write", opens("trace/metadata", O_WRONLY | O_CLOEXEC));
        told.can("truncate-open", opens("trace/metadata", O_RDONLY | O_TRUNC | O_CLOEXEC));
        told.can("create", opens("trace/new", O_WRONLY | O_CREAT | O_CLOEXEC));
        told.can("create-to-read", opens("trace/new", O_RDONLY | O_CREAT | O_CLOEXEC));
        told.can("nameless", opens("trace", O_TMPFILE | O_RDWR | O_CLOEXEC));
        told.can("unlink", ::unlink(path("trace/metadata").c_str()) == 0);
        told.can("rename", ::rename(path("trace/metadata").c_str(), path("trace/moved").c_str()) == 0);
        told.can("mkdir", ::mkdir(path("trace/directory").c_str(), 0700) == 0);
        told.can("link", ::symlink("/", path("trace/link").c_str()) == 0);
        if (!made.calls) return;
        told.can("truncate", ::truncate(path("trace/metadata").c_str(), 0) == 0);
        told.can("chmod", ::chmod(path("trace/metadata").c_str(), 0666) == 0);
    });
    if (answer == "(neither) ") GTEST_SKIP() << "this kernel has neither Landlock nor seccomp";
    EXPECT_EQ(answer, "");
}

TEST_F(Confine, RunsNothingReachesNobodyAndMakesNoCode) {
    const pid_t parent = ::getpid();
    const std::string answer = of_a_process([this, parent](Told& told) {
        const Confinement made = confine({path("trace")});
        told.can("(no no_new_privs)", !made.no_new_privileges);
        if (!made.calls) return told.say("(no seccomp)");
        const auto call = [](long number, auto... arguments) { return ::syscall(number, arguments...) >= 0; };
        std::array<char*, 2> arguments{const_cast<char*>("true"), nullptr};
        const pid_t child = ::fork();
        if (child == 0) ::_exit(0);
        told.can("fork", child > 0);
        told.can("exec", ::execve("/bin/true", arguments.data(), nullptr) == 0);
        told.can("inet", ::socket(AF_INET, SOCK_STREAM, 0) >= 0);
        told.can("unix", ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
        told.can("ptrace", ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0);
        told.can("kill", ::kill(parent, 0) == 0);
        told.can("tgkill", call(SYS_tgkill, parent, parent, 0));
        told.can("namespace", ::unshare(CLONE_NEWUSER) == 0);
        told.can("memfd", call(SYS_memfd_create, "code", 0));
        told.can("io_uring", call(SYS_io_uring_setup, 1, nullptr) || errno != ENOSYS);
        told.can("bpf", call(SYS_bpf, 0, nullptr, 0) || errno != ENOSYS);
        told.can("code", ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                0) != MAP_FAILED);
        void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        told.can("(no memory)", page == MAP_FAILED);
        told.can("code-later", ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
        const rlimit limit{0, 0};
        told.can("limits", ::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    });
    if (answer == "(no seccomp) ") GTEST_SKIP() << "seccomp is not to be had here";
    EXPECT_EQ(answer, "");
}

TEST_F(Confine, LeavesRootTheRightToReadAndNoOther) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> before{};
    ASSERT_EQ(::syscall(SYS_capget, &header, before.data()), 0);
    constexpr std::uint32_t kSearch = 1U << CAP_DAC_READ_SEARCH;
    if ((before[0].effective & kSearch) == 0) GTEST_SKIP() << "needs root";
    // capget is no call of a decoder's: the kernel is asked about the process from outside
    std::array<int, 2> go_on{};
    ASSERT_EQ(::pipe2(go_on.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        confine({path("trace")});
        const bool told = ::write(go_on[1], "c", 1) == 1;
        while (told)
            ::pause();
        ::_exit(0);
    }
    char confined = 0;
    ASSERT_EQ(::read(go_on[0], &confined, 1), 1);
    std::ifstream file{"/proc/" + std::to_string(child) + "/status"};
    const std::string status{std::istreambuf_iterator<char>{file}, {}};
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(go_on[0]);
    ::close(go_on[1]);
    EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000004\n"));
    EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000000000004\n"));
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
}

TEST_F(Confine, CanStillAbort) {
    int status = 0;
    of_a_process(
        [this](Told&) {
            std::signal(SIGABRT, SIG_DFL);
            confine({path("trace")});
            std::abort();
        },
        &status);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST_F(Confine, OfWhatIsNotThereIsNoError) {
    EXPECT_EQ(of_a_process([this](Told& told) {
                  confine({path("nowhere"), path("trace/metadata")});
                  told.can("metadata", reads("trace/metadata"));
              }),
              "metadata ");
}

TEST_F(Confine, ADecoderHasNothingOpenOfWhatItsParentHas) {
    const int low = ::open(path("secret").c_str(), O_RDWR | O_CLOEXEC);
    const int fd = ::fcntl(low, F_DUPFD_CLOEXEC, 20);  // not a number that the decoder's pipe gets
    ASSERT_GE(fd, 0);
    ChildSource source{"trace",
                       [fd](FrameWriter&) {
                           char byte = 0;
                           if (::pread(fd, &byte, 1, 0) == 1 && byte == 'c')
                               throw Error{ErrorKind::content, "it reads"};
                       },
                       std::chrono::seconds{60}};
    pal::Record record;
    test::Unheard nobody;
    EXPECT_FALSE(source.next(record, nobody));
    ::close(low);
    ::close(fd);
}

}  // namespace
}  // namespace tiffany::ctf
