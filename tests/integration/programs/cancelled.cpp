// cancelled PAIRS COUNT [--announce FILE]: threads that are cancelled (pthread_cancel) while each fires transitions on
// a worker of its own. Of each pair the first one has asked for its own cancellation before it fires COUNT of them, and
// the second one is cancelled by the program in the middle of what it fires without end. One more thread has disabled
// cancellation itself. Then the program goes on and says
//
//     transitions 1000001
//     cancelled 4
//     disabled 1
//     errno 0
//
// how many transitions were made, how many threads ended as cancelled, and how many, of the one, as they wanted; and
// how many hooks changed errno. --announce: makes FILE when it has begun, and waits for SIGINT before the first pair.

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <tiffany/telemetry/scheduler_telemetry.hpp>

namespace {

volatile std::sig_atomic_t asked_to_begin = 0;

struct Shared {
    tiffany::SchedulerTelemetry telemetry{"cancelled"};
    std::uint64_t count = 0;
    std::atomic<std::uint64_t> errno_changed{0};
    std::atomic<std::uint64_t> fired_by_second{0};
} * shared;

/// A task on a worker of the calling thread.
class Life {
  public:
    Life() : lease_{shared->telemetry.worker()} {
        lease_->spawned(task_, {.name = "cancelled", .site = tiffany::Site::here()});
    }
    void run_and_yield() {
        errno = 0;
        lease_->running(task_);
        look();
        lease_->yield(task_);
        look();
    }
    void end() {
        lease_->running(task_);
        lease_->done(task_);
    }

  private:
    void look() {
        if (errno == 0) return;
        errno = 0;
        ++shared->errno_changed;
    }

    tiffany::WorkerLease lease_;
    tiffany::TaskTimes task_;
};

void* asks_for_its_own(void*) {
    Life life;
    pthread_cancel(pthread_self());
    for (std::uint64_t i = 0; i < shared->count; i += 2)
        life.run_and_yield();
    pthread_testcancel();
    return nullptr;
}

void* is_cancelled_by_another(void*) {
    Life life;
    for (;;) {
        life.run_and_yield();
        ++shared->fired_by_second;
        pthread_testcancel();
    }
}

void* has_disabled_it(void*) {
    Life life;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    pthread_cancel(pthread_self());
    for (std::uint64_t i = 0; i < shared->count; i += 2)
        life.run_and_yield();
    pthread_testcancel();
    int state = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state == PTHREAD_CANCEL_DISABLE ? shared : nullptr;
}

pthread_t begin(void* (*thread)(void*)) {
    pthread_t begun{};
    if (pthread_create(&begun, nullptr, thread, nullptr) != 0) std::exit(99);
    return begun;
}

void* result_of(pthread_t thread) {
    void* result = nullptr;
    pthread_join(thread, &result);
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    std::signal(SIGINT, [](int) { asked_to_begin = 1; });
    shared = new Shared;
    shared->count = std::strtoull(argv[2], nullptr, 10);
    int cancelled = 0, disabled = 0;
    {
        Life life;
        for (int i = 0; i < 50'000; ++i)  // enough that LTTng writes
            life.run_and_yield();
        if (argc > 4 && std::string_view{argv[3]} == "--announce") {
            close(open(argv[4], O_WRONLY | O_CREAT, 0600));
            while (asked_to_begin == 0)
                usleep(1'000);
        }
        for (int pair = std::atoi(argv[1]); pair > 0; --pair) {
            shared->fired_by_second = 0;
            const pthread_t first = begin(asks_for_its_own), second = begin(is_cancelled_by_another);
            for (int looks = 0; shared->fired_by_second < 1'000; ++looks) {
                if (looks == 60'000) {  // a minute and more
                    std::fprintf(stderr, "the second thread does not fire\n");
                    return 1;
                }
                usleep(1'000);
            }
            pthread_cancel(second);
            for (const pthread_t thread : {first, second})
                if (result_of(thread) == PTHREAD_CANCELED) ++cancelled;
        }
        if (result_of(begin(has_disabled_it)) == shared) ++disabled;
        life.run_and_yield();
        life.end();
    }
    std::printf("transitions %llu\ncancelled %d\ndisabled %d\nerrno %llu\n",
                static_cast<unsigned long long>(shared->telemetry.transitions()), cancelled, disabled,
                static_cast<unsigned long long>(shared->errno_changed.load()));
    delete shared;
    return 0;
}
