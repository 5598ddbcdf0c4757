// A child that outlives us and has lost its keeper, where the kernel tells little of it.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kept_child.hpp"
#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kProcessHangsS = 120;
constexpr std::chrono::seconds kChildHangs{60};

/// What a process says in the pipe that it was given.
class Says {
  public:
    explicit Says(int pipe) : pipe_{pipe} {}
    void operator()(std::string_view word) const {
        [[maybe_unused]] const ssize_t written = ::write(pipe_, (std::string{word} + ' ').c_str(), word.size() + 1);
    }
    void how_it_is(std::optional<int> ending) const {
        if (!ending)
            (*this)("lives");
        else if (WIFSIGNALED(*ending))
            (*this)("killed-by-" + std::to_string(WTERMSIG(*ending)));
        else
            (*this)("exited");
    }
    void whether_its_end_can_be_polled(const KeptChild& child) const {
        pollfd end{child.fd(), POLLIN, 0};
        (*this)(poll(&end, 1, 0) == 0 ? "silent" : "readable");
    }

  private:
    int pipe_;
};

/// What a process of its own says: what `body` makes of that process stays there.
std::string said_by(const std::function<void(const Says&)>& body) {
    std::array<int, 2> pipe_ends{};
    if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return "(no pipe)";
    const pid_t process = fork();
    if (process == 0) {
        alarm(kProcessHangsS);
        close(pipe_ends[0]);
        body(Says{pipe_ends[1]});
        _exit(0);
    }
    close(pipe_ends[1]);
    std::string said;
    std::array<char, 256> part{};
    for (ssize_t bytes = 0; (bytes = ::read(pipe_ends[0], part.data(), part.size())) > 0;)
        said.append(part.data(), static_cast<std::size_t>(bytes));
    close(pipe_ends[0]);
    waitpid(process, nullptr, 0);
    return said;
}

/// As where the kernel is older than pidfd_open, or a filter forbids it. Returns whether that is so now.
bool have_no_descriptors_of_processes() {
    std::array<sock_filter, 4> rules{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
    const sock_fprog filter{rules.size(), rules.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
           syscall(SYS_pidfd_open, getpid(), 0) < 0;
}

/// A child whose keeper is killed. It is ended with this object.
class Unkept {
  public:
    enum class Orphan { ours, of_our_parent };
    explicit Unkept(Orphan orphan = Orphan::ours) {
        if (orphan == Orphan::of_our_parent) prctl(PR_SET_CHILD_SUBREAPER, 0);
        const std::vector<pid_t> keepers = children_of(getpid());
        for (const pid_t keeper : keepers) {
            kill(keeper, SIGKILL);
            while (!is_dead(keeper))
                std::this_thread::sleep_for(1ms);
        }
    }
    ~Unkept() {
        // whatever is known of it
        if (name_of(child.pid()) == "sleep") kill(child.pid(), SIGKILL);
    }
    Unkept(const Unkept&) = delete;
    Unkept& operator=(const Unkept&) = delete;

    KeptChild child{{.argv = {"sleep", "1000"}, .log = "/dev/null", .outlives_us = true}};
};

void say_how_it_lives_and_ends(const Says& say, Unkept::Orphan orphan = Unkept::Orphan::ours) {
    Unkept of{orphan};
    for (int look = 0; look < 2; ++look)  // the first one sees that its keeper has gone
        say.how_it_is(of.child.wait(0ms));
    say.whether_its_end_can_be_polled(of.child);
    of.child.signal(SIGTERM);
    say.how_it_is(of.child.wait(kChildHangs));
    say.whether_its_end_can_be_polled(of.child);
}

const std::string kNoFilter = "(no filter) ";

TEST(KeptChild, ThatHasLostItsKeeperIsWaitedForByADescriptorOfIt) {
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
    if (descriptor < 0) GTEST_SKIP() << "no descriptors of processes here";
    close(descriptor);
    EXPECT_EQ(said_by([](const Says& say) { say_how_it_lives_and_ends(say); }),
              "lives lives silent killed-by-15 readable ");
}

TEST(KeptChild, ThatHasLostItsKeeperIsWaitedForWithoutADescriptorOfIt) {
    const std::string said = said_by([](const Says& say) {
        if (!have_no_descriptors_of_processes()) return say("(no filter)");
        say_how_it_lives_and_ends(say);
    });
    if (said == kNoFilter) GTEST_SKIP() << "no filter of system calls here";
    EXPECT_EQ(said, "lives lives silent killed-by-15 silent ");
}

TEST(KeptChild, ThatHasLostItsKeeperIsEndedWithoutADescriptorOfIt) {
    const std::string said = said_by([](const Says& say) {
        if (!have_no_descriptors_of_processes()) return say("(no filter)");
        Unkept of;
        say.how_it_is(of.child.wait(0ms));
        of.child.end();
        say(is_dead(of.child.pid()) ? "dead" : "alive");
        say.how_it_is(of.child.wait(0ms));
    });
    if (said == kNoFilter) GTEST_SKIP() << "no filter of system calls here";
    EXPECT_EQ(said, "lives dead killed-by-9 ");
}

// Another process has adopted it, which alone is told how it ends. We do not know, and promise as little as of one that
// was killed.
TEST(KeptChild, ThatIsSomebodyElsesHasEndedWhenItIsDead) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const std::string said = said_by([](const Says& say) {
        if (!have_no_descriptors_of_processes()) return say("(no filter)");
        say_how_it_lives_and_ends(say, Unkept::Orphan::of_our_parent);
    });
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (said == kNoFilter) GTEST_SKIP() << "no filter of system calls here";
    EXPECT_EQ(said, "lives lives silent killed-by-9 silent ");
}

}  // namespace
}  // namespace tiffany::paltrace
