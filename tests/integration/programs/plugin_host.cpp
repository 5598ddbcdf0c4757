// plugin_host PLUGIN TIMES: opens a plugin that carries the telemetry library, uses it and closes it, TIMES times, and
// then goes on with a scheduler of its own, forks a child that ends by exit(), and parks every millisecond until
// SIGTERM. Says:
//
//     closed 100
//     child 0
//     transitions 12345

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <tiffany/telemetry/hooks.hpp>

namespace {
volatile std::sig_atomic_t asked_to_end = 0;
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    std::signal(SIGTERM, [](int) { asked_to_end = 1; });
    const int times = std::atoi(argv[2]);
    for (int i = 0; i < times; ++i) {
        void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (plugin == nullptr) {
            std::fprintf(stderr, "plugin_host: %s\n", dlerror());
            return 3;
        }
        const auto run = reinterpret_cast<std::uint64_t (*)()>(dlsym(plugin, "run_plugin"));
        if (run() != 3) return 1;
        dlclose(plugin);
    }
    std::printf("closed %d\n", times);
    std::fflush(stdout);

    tiffany::SchedulerTelemetry telemetry{"host"};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "host", .site = tiffany::Site::here()});
    const pid_t child = fork();
    if (child == 0) std::exit(0);
    int status = 1;
    waitpid(child, &status, 0);
    std::printf("child %d\n", status);
    std::fflush(stdout);
    while (asked_to_end == 0) {
        lease->running(task);
        lease->yield(task);
        lease->park();
        usleep(1000);
        lease->unpark();
    }
    std::printf("transitions %llu\n", static_cast<unsigned long long>(telemetry.transitions()));
    return 0;
}
