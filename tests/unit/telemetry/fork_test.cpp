// A fork while another thread holds one of the locks of the whole process: the fork waits for it, and the child, in
// which that thread is not, can use everything.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <ostream>
#include <string>
#include <thread>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/pal_status.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <utility>
#include <vector>

#include "../temporary_folder.hpp"
#include "telemetry/process.hpp"

namespace {

// The lock of the indices is held nowhere but while a list grows: an allocation of this thread is how to get in there.
thread_local const std::function<void()>* in_next_allocation = nullptr;

void* allocate(std::size_t bytes) noexcept {
    if (in_next_allocation != nullptr) (*std::exchange(in_next_allocation, nullptr))();
    return std::malloc(bytes != 0 ? bytes : 1);
}

}  // namespace

// all of them, so that none comes from a sanitizer, which would compare who gave memory with who takes it back
void* operator new(std::size_t bytes) {
    if (void* const memory = allocate(bytes)) return memory;
    throw std::bad_alloc{};
}
void* operator new[](std::size_t bytes) {
    return ::operator new(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace tiffany {
namespace {

using detail::PalExit;
using detail::Process;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHangs{60};
constexpr unsigned kChildHangsS = 20;
#if defined(__SANITIZE_THREAD__)  // which lets no forked child start a thread: it has no log then, and no sink of its
                                  // own
constexpr bool kChildHasThreads = false;
#else
constexpr bool kChildHasThreads = true;
#endif

struct Counting final : pal::Sink {
    void record(const pal::Record&) override { count.fetch_add(1); }
    void gap(const pal::Gap&) override {}
    std::atomic<int> count{0};
};

/// A lock, and how a thread holds it while `held` is called.
struct Lock {
    const char* name;
    void (*with)(const std::function<void()>& held);
};

void PrintTo(const Lock& lock, std::ostream* out) {
    *out << lock.name;
}

template <PalExit exit>
void with_exit(const std::function<void()>& held) {
    Process::get().pal(exit).lock();
    held();
    Process::get().pal(exit).unlock();
}

void with_indices(const std::function<void()>& held) {
    std::vector<Process::Index> taken;
    taken.reserve(1'000);
    in_next_allocation = &held;
    while (in_next_allocation != nullptr)  // one that was given back needs no memory
        taken.push_back(*Process::get().take_index());
    for (const Process::Index& index : taken)
        Process::get().give_index(index);
}

constexpr std::array kLocks{
    Lock{"log",
         [](const std::function<void()>& held) {
             Process::get().log().lock();
             held();
             Process::get().log().unlock();
         }},
    Lock{"schedulers",
         [](const std::function<void()>& held) {
             Process::get().with_schedulers([&](const auto&, const auto&) { held(); });
         }},
    Lock{"workers",
         [](const std::function<void()>& held) {
             const std::lock_guard lock{Process::get().workers_mutex()};
             held();
         }},
    Lock{"indices", &with_indices},
    Lock{"sink", &with_exit<PalExit::sink>},
    Lock{"log_writer", &with_exit<PalExit::log>},
};

/// Whether a thread sleeps until somebody unlocks a mutex of Process. Allocates nothing: fork waits for that, too.
bool waits_for_our_lock(const char* syscall_file) noexcept {
    std::array<char, 256> text{};
    const int file = open(syscall_file, O_RDONLY | O_CLOEXEC);
    const ssize_t bytes = read(file, text.data(), text.size() - 1);
    close(file);
    if (bytes <= 0) return false;
    char* rest = nullptr;
    if (std::strtol(text.data(), &rest, 10) != SYS_futex || rest == text.data()) return false;
    const std::uint64_t word = std::strtoull(rest, nullptr, 16);
    const auto begin = reinterpret_cast<std::uintptr_t>(&Process::get());
    return word >= begin && word < begin + sizeof(Process);
}

void live(Worker& worker, TaskTimes& task) {
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    worker.done(task);
}

class Forking : public ::testing::Test {
  protected:
    Forking() {
        static const test::TemporaryFolder folder;
        static const bool configured = [] {
            configure({.pal = kChildHasThreads ? (folder.path() / "%p.pal").string() : "", .environment = false});
            return true;
        }();
        static_cast<void>(configured);
        telemetry = std::make_unique<SchedulerTelemetry>("s");
        install_sink(sink, {.flush_timeout = std::chrono::seconds{60}});
        lease = telemetry->worker();
        lease->spawned(inherited, {.name = "inherited"});
    }
    ~Forking() override {
        lease = {};
        telemetry.reset();
        uninstall_sink();
    }

    /// 0, or the number of what went wrong. Hangs if a lock is held.
    int use_everything() {
        lease->running(inherited);
        lease->done(inherited);
        TaskTimes task;
        live(*lease, task);
        live(telemetry->here(), task);
        if (telemetry->snapshot().transitions[static_cast<std::size_t>(TaskEvent::Done)] != 3) return 1;
        SchedulerTelemetry late{"late"};
        live(late.here(), task);
        if (named_snapshots().size() != 2 || worker_counts().held < 2) return 2;
        const PalStatus log = pal_status();
        if (log.active != kChildHasThreads || !flush_pal() || (log.active && pal_status().bytes == 0)) return 3;
        if (!Process::get().pal(PalExit::log).uninstall() || !uninstall_sink()) return 4;
        if (!kChildHasThreads) return 0;
        const auto own = std::make_shared<Counting>();
        install_sink(own, {.flush_timeout = std::chrono::seconds{60}});
        live(late.here(), task);
        return uninstall_sink() && own->count >= 3 ? 0 : 5;
    }

    const std::shared_ptr<Counting> sink = std::make_shared<Counting>();
    std::unique_ptr<SchedulerTelemetry> telemetry;
    WorkerLease lease;
    TaskTimes inherited;
};

class Fork : public Forking, public ::testing::WithParamInterface<Lock> {};

TEST_P(Fork, WaitsForALockThatAnotherThreadHoldsAndTheChildCanUseEverything) {
    const std::string syscall_file = "/proc/self/task/" + std::to_string(gettid()) + "/syscall";
    if (access(syscall_file.c_str(), R_OK) != 0) GTEST_SKIP() << "the kernel does not tell what a thread waits for";
    std::atomic<bool> is_held{false};
    std::atomic<bool> has_forked{false};
    bool fork_waited = false;
    std::thread holder{[&] {
        GetParam().with([&] {
            is_held.store(true);
            const auto begin = SteadyClock::now();
            while (!fork_waited && !has_forked.load() && SteadyClock::now() - begin < kHangs) {
                std::this_thread::yield();
                fork_waited = waits_for_our_lock(syscall_file.c_str());
            }
        });
    }};
    while (!is_held.load())
        std::this_thread::yield();
    const pid_t child = fork();
    if (child == 0) {
        alarm(kChildHangsS);
        _exit(use_everything());
    }
    has_forked.store(true);
    holder.join();
    ASSERT_GT(child, 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_FALSE(WIFSIGNALED(status)) << "the child hangs: signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
    EXPECT_TRUE(fork_waited) << "it forked while the lock was held";
    // and so can the parent
    TaskTimes task;
    live(telemetry->here(), task);
    EXPECT_TRUE(flush_sink());
    EXPECT_GE(sink->count, 3);
    EXPECT_EQ(pal_status().active, kChildHasThreads);
}

// That of libc's times no fork waits for: in the child it stays locked if another thread held it, as here nearly
// always.
TEST_F(Forking, AChildNeedsNoLockThatLibcDoesNotHoldAtAFork) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "AddressSanitizer's own allocator, which that thread calls too, is not held at a fork either";
#endif
    std::atomic<bool> is_over{false};
    std::thread in_libc{[&] {
        while (!is_over.load()) {
            const std::time_t now = 0;
            std::tm local{};
            localtime_r(&now, &local);
        }
    }};
    for (int i = 0; i < 20; ++i) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(kChildHangsS);
            _exit(use_everything());
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0) << "a signal, or in the second byte the number of the check that failed";
        if (status != 0) break;
    }
    is_over.store(true);
    in_libc.join();
}

INSTANTIATE_TEST_SUITE_P(OfEachLock, Fork, ::testing::ValuesIn(kLocks),
                         [](const auto& lock) { return std::string{lock.param.name}; });

}  // namespace
}  // namespace tiffany
