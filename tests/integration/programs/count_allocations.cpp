// count_allocations: a million transitions, each kind of hook and a note among them, and every call of malloc and its
// kin, and of operator new, that this thread makes meanwhile. Says "transitions 1000000 allocations 0"; fails unless
// there were none.
// --sink: with a pal::Sink installed; says then also how many transitions it was told of, and how many were lost.
//
// The functions below take the place of the C library's for the whole program and its libraries; operator new comes
// here too, because libstdc++'s calls malloc. Only the thread that runs the hooks is counted: LTTng's threads and this
// program's set-up may allocate.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>

namespace {

thread_local bool counting = false;
thread_local std::uint64_t allocations = 0;

void note_allocation() {
    if (counting) ++allocations;
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
    note_allocation();
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    note_allocation();
    return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
    note_allocation();
    return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    note_allocation();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
    note_allocation();
    *out = __libc_memalign(alignment, bytes);
    return *out == nullptr ? 12 : 0;
}
}

namespace {

using namespace tiffany;

// Every hook at least once.
void every_hook(Worker& worker) {
    TaskTimes task;
    const Worker::Tick tick{worker, task};
    worker.spawned(task, {.name = "counted", .site = Site::here(), .waiting = true});
    worker.ready(task, WakeCause::dependency);
    worker.running(task);
    worker.note(task, "trace", "a value that is long enough not to fit into a short string");
    worker.yield(task);
    worker.running(task);
    worker.sleep(task, 1);
    worker.ready(task, WakeCause::timer, 0, 1);
    worker.running(task);
    worker.iowait(task, 0);
    worker.ready(task, WakeCause::io);
    worker.running(task);
    worker.join(task, 1);
    worker.ready(task, WakeCause::join, 1);
    worker.running(task);
    worker.wait(task, WaitReason::lock, 1);
    worker.ready(task, WakeCause::event);
    worker.running(task);
    worker.throttled(task, 0);
    worker.running(task);
    worker.failed(task, "an error whose text is long enough not to fit into a short string");

    TaskTimes done;
    worker.spawned(done, {.name = "counted"});
    worker.running(done);
    worker.done(done);

    TaskTimes cancelled;
    worker.spawned(cancelled, {.name = "counted"});
    worker.cancelled(cancelled, CancelCause::asked);
}

class Nobody : public pal::Sink {
  public:
    void record(const pal::Record&) override {}
    void gap(const pal::Gap&) override {}
};

std::uint64_t allocations_of(const SchedulerTelemetry& telemetry, Worker& worker, std::uint64_t until) {
    allocations = 0;
    while (telemetry.transitions() < until) {  // looked at uncounted: it locks
        counting = true;
        for (int i = 0; i < 1000; ++i)
            every_hook(worker);
        worker.park();
        worker.unpark();
        counting = false;
    }
    return allocations;
}

}  // namespace

int main(int argc, char** argv) {
    const bool with_sink = argc == 2 && std::string_view{argv[1]} == "--sink";
    if (argc != 1 && !with_sink) {
        std::fprintf(stderr, "usage: count_allocations [--sink]\n");
        return 2;
    }
    // the counter counts: else zero proves nothing
    counting = true;
    delete new (std::nothrow) std::string(100, 'x');
    void* volatile plain = malloc(1);
    counting = false;
    free(plain);
    if (allocations < 3) {
        std::fprintf(stderr, "count_allocations: cannot count: saw %llu of 3\n",
                     static_cast<unsigned long long>(allocations));
        return 3;
    }

    if (with_sink) install_sink(std::make_shared<Nobody>());
    SchedulerTelemetry telemetry{"counted"};
    const WorkerLease lease = telemetry.worker();
    std::uint64_t in_all = allocations_of(telemetry, *lease, 500'000);
    std::thread foreign{[&] {
        Worker& taken_by_a_hook = telemetry.here();  // a foreign thread's first hook allocates, and says so
        in_all += allocations_of(telemetry, taken_by_a_hook, 1'000'000);
    }};
    foreign.join();
    std::printf("lttng %s\ntransitions %llu allocations %llu\n", std::string{label(tracing_status())}.c_str(),
                static_cast<unsigned long long>(telemetry.transitions()), static_cast<unsigned long long>(in_all));
    if (with_sink) {
        uninstall_sink();
        const SinkStats stats = sink_stats();
        std::printf("delivered %llu\nlost %llu\n", static_cast<unsigned long long>(stats.transitions),
                    static_cast<unsigned long long>(stats.lost));
    }
    return in_all == 0 ? 0 : 1;
}
