// forks COUNT [--exec | --daemon FILE]: one task; forks COUNT children, each of which makes 4 transitions with the
// parent's scheduler and looks whether it counts from 1, under an identity of its own. Says at its end
//
//     good 1000
//     transitions 2002
//
// --exec: each child becomes this program with COUNT 0, which does the same with a scheduler of its own.
// --daemon FILE: becomes a daemon first, and says it in FILE.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
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

bool child_is_good(Place place, std::uint64_t parent, const char* program, bool exec) {
    const pid_t child = fork();
    if (child == 0 && exec) {
        execl(program, program, "0", nullptr);
        _exit(9);
    }
    if (child == 0) _exit(is_its_own(place, parent) ? 0 : 1);
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
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
    int good = 0;
    for (int i = 0; i < count; ++i) {
        make_two(place);
        if (child_is_good(place, lease->id(), argv[0], option == "--exec")) ++good;
    }
    lease->running(task);
    lease->done(task);
    if (count != 0) {
        std::fprintf(out, "good %d\ntransitions %llu\n", good,
                     static_cast<unsigned long long>(telemetry.transitions()));
        std::fflush(out);
    }
    return good == count ? 0 : 1;
}
