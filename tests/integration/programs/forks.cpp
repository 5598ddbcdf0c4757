// forks COUNT [--beside | --exit | --exec | --no-files | --daemon FILE]: one task; forks COUNT children, each of which
// makes 4 transitions with the parent's scheduler and looks whether it counts from 1, under an identity of its own.
// Says at its end
//
//     good 1000
//     transitions 2002
//
// --beside: meanwhile a thread makes transitions with a worker of its own, and another one has schedulers begin and
// end; each child makes 3 transitions more, with a scheduler of its own. "transitions" is then of all schedulers
// together.
// --exit: as --beside, but that the thread makes its transitions without a pause, and each child ends by exit(), others
// by _exit().
// --exec: each child becomes this program with COUNT 0, which does the same with a scheduler of its own.
// --no-files: where it forks, and in the children, no file can be opened.
// --daemon FILE: becomes a daemon first, and says it in FILE.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

namespace {

struct Place {
    tiffany::Worker& worker;
    tiffany::TaskTimes& task;
};

void make_two(Place place) {
    place.worker.running(place.task);
    place.worker.yield(place.task);
}

/// Whether the child counts from 1, and is nobody else.
bool is_its_own(Place place, std::uint64_t parent) {
    make_two(place);
    make_two(place);
    return place.worker.seq() == 4 && place.worker.id() >> 16 != parent >> 16;
}

/// A scheduler's whole life: 3 transitions.
std::uint64_t live_once() {
    tiffany::SchedulerTelemetry telemetry{"short"};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "short", .site = tiffany::Site::here()});
    lease->running(task);
    lease->done(task);
    return telemetry.transitions();
}

/// What other threads do while this one forks; until it is destroyed.
class Beside {
  public:
    Beside(tiffany::SchedulerTelemetry& telemetry, useconds_t pause_us)
        : steady_{[&telemetry, pause_us](const std::stop_token& end) {
              const tiffany::WorkerLease lease = telemetry.worker();
              tiffany::TaskTimes task;
              lease->spawned(task, {.name = "steady", .site = tiffany::Site::here()});
              while (!end.stop_requested()) {
                  make_two({*lease, task});
                  if (pause_us != 0) usleep(pause_us);
              }
              lease->running(task);
              lease->done(task);
          }},
          short_{[this](const std::stop_token& end) {
              while (!end.stop_requested()) {
                  transitions_ += live_once();
                  usleep(20);
              }
          }} {}

    /// Of the schedulers that came and went.
    std::uint64_t end() {
        for (std::jthread* thread : {&steady_, &short_}) {
            thread->request_stop();
            thread->join();
        }
        return transitions_;
    }

  private:
    std::atomic<std::uint64_t> transitions_ = 0;
    std::jthread steady_;
    std::jthread short_;
};

enum class Child { runs, begins_a_scheduler, exits, execs };

/// Its end; a child that hangs is killed, because the thread beside fills the disk meanwhile.
int status_of(pid_t child) {
    constexpr int kLooks = 60'000;
    int status = 0;
    for (int look = 0; look < kLooks; ++look) {
        if (waitpid(child, &status, WNOHANG) == child) return status;
        usleep(look < 100 ? 50 : 1000);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

bool child_is_good(Place place, std::uint64_t parent, const char* program, Child what) {
    const pid_t child = fork();
    if (child == 0 && what == Child::execs) {
        execl(program, program, "0", nullptr);
        _exit(9);
    }
    if (child == 0) {
        const bool good = is_its_own(place, parent) && (what == Child::runs || live_once() == 3);
        if (what == Child::exits) std::exit(good ? 0 : 1);
        _exit(good ? 0 : 1);
    }
    const int status = status_of(child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 0;
    const std::string_view option = argc > 2 ? argv[2] : "";
    tiffany::SchedulerTelemetry telemetry{"forks"};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    const Place place{*lease, task};
    lease->spawned(task, {.name = "forker", .site = tiffany::Site::here()});
    const std::uint64_t before = lease->id();
    FILE* out = stdout;
    if (option == "--daemon") {
        out = argc > 3 ? std::fopen(argv[3], "we") : nullptr;
        if (out == nullptr || daemon(1, 0) != 0) return 3;
        if (lease->id() >> 16 == before >> 16 || lease->seq() != 0) return 4;
    }
    const rlimit no_files{0, 0};
    if (option == "--no-files" && setrlimit(RLIMIT_NOFILE, &no_files) != 0) return 5;
    std::optional<Beside> beside;
    if (option == "--beside") beside.emplace(telemetry, 20);
    if (option == "--exit") beside.emplace(telemetry, 0);
    const Child what = option == "--exec"   ? Child::execs
                       : option == "--exit" ? Child::exits
                       : beside             ? Child::begins_a_scheduler
                                            : Child::runs;
    int good = 0;
    for (int i = 0; i < count; ++i) {
        make_two(place);
        if (!child_is_good(place, lease->id(), argv[0], what)) break;
        ++good;
    }
    const std::uint64_t others = beside ? beside->end() : 0;
    lease->running(task);
    lease->done(task);
    if (count != 0) {
        std::fprintf(out, "good %d\ntransitions %llu\n", good,
                     static_cast<unsigned long long>(telemetry.transitions() + others));
        std::fflush(out);
    }
    return good == count ? 0 : 1;
}
