// exit_in_event: main calls exit() while a worker is in an event, between LTTng's being found and its being called, and
// the worker goes on when LTTng has begun to take itself down. Exits with 7 when the worker came through.
//
// This program's pthread_setcancelstate and pthread_cancel are called instead of libc's: a hook calls the one just
// before it calls LTTng, LTTng's exit handler the other for its listener threads.

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

namespace {

thread_local bool stops_here = false;
std::atomic<bool> in_event{false}, lttng_ends{false}, came_through{false};

template <typename Function>
Function* libc(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int pthread_setcancelstate(int state, int* before) {
    static auto* const next = libc<int(int, int*)>("pthread_setcancelstate");
    if (stops_here) {
        stops_here = false;
        in_event = true;
        in_event.notify_one();
        lttng_ends.wait(false);
    }
    return next(state, before);
}

extern "C" int pthread_cancel(pthread_t thread) {
    static auto* const next = libc<int(pthread_t)>("pthread_cancel");
    lttng_ends = true;
    lttng_ends.notify_one();
    came_through.wait(false);
    return next(thread);
}

int main() {
    tiffany::SchedulerTelemetry telemetry{"exit_in_event"};
    std::thread{[&telemetry] {
        const tiffany::WorkerLease worker = telemetry.worker();
        tiffany::TaskTimes task;
        worker->spawned(task, {.name = "task", .site = tiffany::Site::here()});
        worker->running(task);
        stops_here = true;
        worker->yield(task);
        came_through = true;
        came_through.notify_one();
        std::atomic<bool> never{false};
        never.wait(false);
    }}.detach();
    in_event.wait(false);
    std::exit(7);
}
