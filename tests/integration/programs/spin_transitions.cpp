// spin_transitions COUNT [OPTION]: one task that runs and yields at full speed until about COUNT transitions were made
// (0: until SIGINT or SIGTERM), then says how many: "transitions 1000001", a line for each process.
//
//   --exit N          ends with status N
//   --abort           ends by SIGABRT, before the scheduler could
//   --fork            a child, forked half way, makes as many again
//   --counter FILE    keeps the number of transitions that each worker made, 8 bytes, in FILE, after each
//   --workers N       N threads, each with a worker and a task of its own that makes COUNT (default 1)
//   --cpu             says "ns N": CPU time a transition, of all workers' threads, after each one's first 1,000
//   --hold FILE       each worker rests after its first 1,000 until FILE is there
//   --kill            ends by SIGKILL, between two events, before the scheduler could
//   --quit            ends by exit() after COUNT transitions, while the other workers, who have no COUNT, go on
//   --static          the scheduler is a static object, which exit() destroys
//   --stubborn        ignores SIGINT and SIGTERM
//   --parks N         each worker parks N times after each run (default 0)
//   --beside FILE     after FILE is there: a thread "beside" counts an idle scheduler, and forks, without a rest, until
//                     all workers have ended; then its sleeps say for how long others kept it waiting
//   --again N         then N more schedulers come and go, each with a worker that makes 1,000 (default 0)
//   --gently          rests 1 ms after every 100 transitions
//   --announce FILE   makes FILE once 1,000 transitions were made

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/scheduler_telemetry.hpp>
#include <vector>

namespace {

volatile std::sig_atomic_t asked_to_end = 0;

struct Options {
    std::uint64_t count = 0;
    int status = 0;
    int workers = 1;
    bool abort = false;
    bool kill = false;
    bool cpu = false;
    bool fork = false;
    bool quit = false;
    bool is_static = false;
    bool stubborn = false;
    bool gently = false;
    int parks = 0;
    int again = 0;
    std::string beside;
    std::string counter;
    std::string announce;
    std::string hold;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto value = [&] { return ++i < argc ? argv[i] : ""; };
        if (word == "--exit")
            options.status = std::atoi(value());
        else if (word == "--abort")
            options.abort = true;
        else if (word == "--kill")
            options.kill = true;
        else if (word == "--cpu")
            options.cpu = true;
        else if (word == "--workers")
            options.workers = std::atoi(value());
        else if (word == "--fork")
            options.fork = true;
        else if (word == "--quit")
            options.quit = true;
        else if (word == "--static")
            options.is_static = true;
        else if (word == "--stubborn")
            options.stubborn = true;
        else if (word == "--gently")
            options.gently = true;
        else if (word == "--parks")
            options.parks = std::atoi(value());
        else if (word == "--again")
            options.again = std::atoi(value());
        else if (word == "--beside")
            options.beside = value();
        else if (word == "--counter")
            options.counter = value();
        else if (word == "--hold")
            options.hold = value();
        else if (word == "--announce")
            options.announce = value();
        else if (const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), options.count);
                 error != std::errc{} || end != word.data() + word.size()) {
            std::fprintf(stderr, "spin_transitions: expected a count or an option, found %s\n", argv[i]);
            std::exit(2);
        }
    }
    return options;
}

std::atomic<std::uint64_t>* map_counters(const Options& options) {
    if (options.counter.empty()) return nullptr;
    const auto bytes = static_cast<std::size_t>(options.workers) * sizeof(std::uint64_t);
    const int file = open(options.counter.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) std::exit(99);
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::exit(99);
    return static_cast<std::atomic<std::uint64_t>*>(memory);
}

std::uint64_t thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Of all workers, after each one's first transitions.
struct Cost {
    std::atomic<std::uint64_t> cpu_ns{0};
    std::atomic<std::uint64_t> transitions{0};
} cost;

class Spinner {
  public:
    Spinner(tiffany::Worker& worker, const Options& options, std::atomic<std::uint64_t>* counter)
        : worker_{worker}, options_{options}, counter_{counter} {}

    void spin_once(tiffany::TaskTimes& task) {
        const tiffany::Worker::Tick tick{worker_, task};
        worker_.running(task);
        count();
        worker_.yield(task);
        count();
        for (int i = 0; i < options_.parks; ++i) {
            worker_.park();
            worker_.unpark();
        }
    }

    void spin(tiffany::TaskTimes& task, std::uint64_t until) {
        run(task, until == 0 ? 1000 : std::min<std::uint64_t>(until, 1000));
        while (!options_.hold.empty() && access(options_.hold.c_str(), F_OK) != 0)
            usleep(1'000);
        const std::uint64_t seq = worker_.seq();
        const std::uint64_t begin = thread_cpu_ns();
        run(task, until);
        cost.cpu_ns += thread_cpu_ns() - begin;
        cost.transitions += worker_.seq() - seq;
    }

    void count() {
        if (counter_ != nullptr) counter_->store(worker_.seq(), std::memory_order_relaxed);
        if (!options_.announce.empty() && !announced_ && worker_.seq() >= 1000) {
            announced_ = true;
            close(open(options_.announce.c_str(), O_WRONLY | O_CREAT, 0600));
        }
    }

  private:
    void run(tiffany::TaskTimes& task, std::uint64_t until) {
        while (asked_to_end == 0 && (until == 0 || worker_.seq() < until)) {
            spin_once(task);
            if (options_.gently && worker_.seq() % 100 < 2) usleep(1'000);
        }
    }

    tiffany::Worker& worker_;
    const Options& options_;
    std::atomic<std::uint64_t>* counter_;
    bool announced_ = false;
};

/// A thread of its own beside the first one.
void spin_beside(tiffany::SchedulerTelemetry& telemetry, const Options& options, std::atomic<std::uint64_t>* counter) {
    const tiffany::WorkerLease lease = telemetry.worker();
    Spinner spinner{*lease, options, counter};
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "spin", .site = tiffany::Site::here()});
    spinner.spin(task, options.quit ? 0 : options.count);
    lease->running(task);
    lease->done(task);
    spinner.count();
}

/// A scheduler that comes and goes. Returns how many transitions it made.
std::uint64_t live_again(const Options& options) {
    tiffany::SchedulerTelemetry telemetry{"again"};
    const tiffany::WorkerLease lease = telemetry.worker();
    Spinner spinner{*lease, options, nullptr};
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "again", .site = tiffany::Site::here()});
    for (int i = 0; i < 500; ++i)
        spinner.spin_once(task);
    lease->running(task);
    lease->done(task);
    return telemetry.transitions();
}

/// It goes before LTTng does, which it has loaded.
tiffany::SchedulerTelemetry& static_telemetry() {
    static tiffany::SchedulerTelemetry telemetry{"spin"};
    return telemetry;
}

/// What others feel of the workers.
void live_beside(const std::string& from, const std::atomic<bool>& ended) {
    pthread_setname_np(pthread_self(), "beside");
    const tiffany::SchedulerTelemetry idle{"idle"};
    while (!ended && access(from.c_str(), F_OK) != 0)
        usleep(1'000);
    for (unsigned i = 1; !ended; ++i) {
        static_cast<void>(idle.transitions());
        if (i % 4096 != 0) continue;
        const pid_t child = fork();
        if (child == 0) _exit(0);
        while (child > 0 && waitpid(child, nullptr, WNOHANG) == 0) {
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    std::atomic<bool> ended{false};
    std::jthread beside;
    if (!options.beside.empty()) beside = std::jthread{[&] { live_beside(options.beside, ended); }};
    for (const int number : {SIGINT, SIGTERM})
        std::signal(
            number, options.stubborn ? SIG_IGN : [](int) { asked_to_end = 1; });
    {
        std::optional<tiffany::SchedulerTelemetry> own;
        tiffany::SchedulerTelemetry& telemetry = options.is_static ? static_telemetry() : own.emplace("spin");
        tiffany::WorkerLease lease = telemetry.worker();
        tiffany::Worker& worker = *lease;
        std::atomic<std::uint64_t>* const counters = map_counters(options);
        Spinner spinner{worker, options, counters};
        std::vector<std::jthread> others;
        for (int i = 1; i < options.workers; ++i)
            others.emplace_back(
                [&, i] { spin_beside(telemetry, options, counters == nullptr ? nullptr : counters + i); });
        tiffany::TaskTimes task;
        worker.spawned(task, {.name = "spin", .site = tiffany::Site::here()});
        spinner.spin(task, options.fork ? options.count / 2 : options.count);
        if (options.quit) std::exit(options.status);
        pid_t child = -1;
        if (options.fork) {
            child = fork();
            spinner.spin(task, options.count);
        }
        worker.running(task);
        worker.done(task);
        spinner.count();
        others.clear();  // waits for them
        ended = true;
        std::uint64_t made = telemetry.transitions();
        for (int i = 0; i < options.again; ++i)
            made += live_again(options);
        std::printf("transitions %llu\n", static_cast<unsigned long long>(made));
        if (options.cpu)
            std::printf("ns %.2f\n", static_cast<double>(cost.cpu_ns) / static_cast<double>(cost.transitions));
        std::fflush(stdout);
        if (child > 0) waitpid(child, nullptr, 0);
        if (options.abort) std::abort();
        if (options.kill) kill(getpid(), SIGKILL);
    }
    return options.status;
}
