// forks_while_blocked: a worker, on thread "worker", makes transitions until the program ends, so that in the end one
// waits for room. Meanwhile it does what it is told by lines on stdin, and says when that is done:
//
//     fork     another thread, "forker", forks: "forked" when its child has ended
//     count    a worker begins, makes a transition, and all are counted: "counted"
//     signal   "worker" handles SIGUSR1, which forks: "handled" when that child has ended
//     end      the program ends

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

namespace {

void say(std::string_view line) {
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(3);
}

void fork_once() {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) _exit(2);
}

void fork_and_say(int) {
    fork_once();
    say("handled\n");
}

}  // namespace

int main() {
    std::signal(SIGUSR1, &fork_and_say);
    tiffany::SchedulerTelemetry telemetry{"forks"};
    std::atomic<bool> is_over{false};
    std::thread worker{[&] {
        pthread_setname_np(pthread_self(), "worker");
        const tiffany::WorkerLease lease = telemetry.worker();
        tiffany::TaskTimes task;
        lease->spawned(task, {.name = "task", .site = tiffany::Site::here()});
        while (!is_over.load()) {
            lease->running(task);
            lease->yield(task);
        }
    }};
    std::optional<std::thread> forker;
    for (std::string line; std::getline(std::cin, line) && line != "end";) {
        if (line == "signal") pthread_kill(worker.native_handle(), SIGUSR1);
        if (line == "fork") {
            forker.emplace([] {
                pthread_setname_np(pthread_self(), "forker");
                fork_once();
                say("forked\n");
            });
        }
        if (line == "count") {
            std::thread{[&] {
                const tiffany::WorkerLease lease = telemetry.worker();
                tiffany::TaskTimes task;
                lease->spawned(task, {.name = "beside", .site = tiffany::Site::here()});
            }}.join();
            say(telemetry.transitions() != 0 ? "counted\n" : "nothing\n");
        }
    }
    is_over.store(true);
    worker.join();
    if (forker) forker->join();
}
