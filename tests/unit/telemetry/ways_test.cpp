// A tracer, or a ring, that alone listens is told on a short way of the hooks': it is told the same as on the long one.

#include <telemetry/pal_decode.hpp>

#include "kept.hpp"
#include "recorded.hpp"

namespace tiffany::testing {
namespace {

struct Listeners {
    bool metrics = false;
    bool lttng = false;
    bool sink = false;
};

/// Each hook, with a moment of its own; one wake's stamp is older than what it wakes from.
void live_all_lives(Worker& worker) {
    std::uint64_t ticks = 1'000;
    const auto next = [&ticks] { return Stamp{ticks += 10 + ticks % 7}; };
    const auto run = [&](const auto& end) {
        TaskTimes task;
        worker.spawned(task, {.name = "t", .priority = 3, .parent = 1}, next());
        worker.running(task, next());
        end(task);
        if (task.state() == TaskState::Failed || task.state() == TaskState::Cancelled) return;
        if (task.state() == TaskState::Sleeping || task.state() == TaskState::Waiting ||
            task.state() == TaskState::Throttled) {
            next();
            worker.ready(task, WakeCause::event, 21, 22, next());
        }
        worker.running(task, next());
        worker.done(task, next());
    };
    run([&](TaskTimes& task) { worker.yield(task, next()); });
    run([&](TaskTimes& task) { worker.sleep(task, 1'234, next()); });
    run([&](TaskTimes& task) { worker.iowait(task, 31, next()); });
    run([&](TaskTimes& task) { worker.join(task, 41, next()); });
    run([&](TaskTimes& task) { worker.wait(task, WaitReason::lock, 51, next()); });
    run([&](TaskTimes& task) { worker.throttled(task, 0, next()); });
    run([&](TaskTimes& task) { worker.throttled(task, 61, next()); });
    run([&](TaskTimes& task) { worker.failed(task, "why", next()); });
    run([&](TaskTimes& task) { worker.cancelled(task, CancelCause::asked, 71, next()); });
    run([&](TaskTimes& task) {
        const Stamp early = next();
        worker.wait(task, WaitReason::event, 81, next());
        worker.ready(task, WakeCause::external, 0, 0, early);
    });
}

/// A transition as text: its numbers from the first one's on, and its own fields.
class Teller {
  public:
    explicit Teller(const Worker& worker) : worker_{pal::WorkerId::from_event(worker.id())}, first_seq_{worker.seq()} {}

    void tell(const pal::Record& record) {
        if (record.info == nullptr || !record.info->is_transition()) return;
        EXPECT_EQ(record.worker, worker_);
        if (lines_.empty()) {
            first_tid_ = record.tid;
            first_ts_ = record.ts_ns;
        }
        std::string line{record.info->name};
        const auto add = [&line](std::uint64_t number) { line += ' ' + std::to_string(number); };
        add(record.ts_ns - first_ts_);
        add(record.seq - first_seq_);
        add(record.tid - first_tid_);
        add(record.step);
        for (const catalogue::FieldInfo& field : record.info->fields) {
            if (field.is_string())
                line += " '" + std::string{record.text(field.name)} + "'";
            else
                add(record.number(field.name));
        }
        lines_.push_back(line);
    }
    const std::vector<std::string>& lines() const { return lines_; }

  private:
    pal::WorkerId worker_;
    std::uint64_t first_seq_;
    std::uint64_t first_tid_ = 0;
    std::uint64_t first_ts_ = 0;
    std::vector<std::string> lines_;
};

class Ways : public Recorded {
  protected:
    ~Ways() override { uninstall_sink(); }

    struct Told {
        std::vector<std::string> lttng;  ///< without times
        std::vector<std::string> sink;
    };
    static Told told_to(const Listeners& listeners) {
        recording().clear();
        recording().set_enabled(listeners.lttng);
        const auto sink = std::make_shared<Kept>();
        if (listeners.sink) install_sink(sink, kPatient);
        VirtualClock clock;
        SchedulerTelemetry telemetry{"ways", {.metrics = listeners.metrics, .clock = &clock}};
        const WorkerLease lease = telemetry.worker();
        Teller lttng_teller{*lease};
        Teller sink_teller{*lease};
        live_all_lives(*lease);
        if (listeners.sink) {
            EXPECT_TRUE(flush_sink());
            uninstall_sink();
        }
        for (const Kept::Entry& entry : sink->entries())
            sink_teller.tell(entry.record);
        pal::Record record;
        const std::lock_guard lock{recording().mutex};
        for (const Fired& fired : recording().events) {
            const auto* const bytes = reinterpret_cast<const std::byte*>(fired.bytes);
            detail::decode_event(catalogue::info(fired.id), bytes, record);
            lttng_teller.tell(record);
        }
        return {lttng_teller.lines(), sink_teller.lines()};
    }
};

TEST_F(Ways, LttngAloneIsToldWhatItIsToldBesideOthers) {
    const std::vector<std::string> alone = told_to({.lttng = true}).lttng;
    EXPECT_EQ(alone.size(), 52u);
    EXPECT_EQ(alone, told_to({.metrics = true, .lttng = true}).lttng);
    EXPECT_EQ(alone, told_to({.lttng = true, .sink = true}).lttng);
}

TEST_F(Ways, ASinkAloneIsToldWhatItIsToldBesideOthers) {
    const std::vector<std::string> alone = told_to({.sink = true}).sink;
    EXPECT_EQ(alone.size(), 52u);
    EXPECT_EQ(alone, told_to({.metrics = true, .sink = true}).sink);
    EXPECT_EQ(alone, told_to({.lttng = true, .sink = true}).sink);
}

TEST_F(Ways, ASinkAloneIsToldThatATaskIsReadyNoEarlierThanItBeganToWait) {
    recording().set_enabled(false);
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, kPatient);
    VirtualClock clock;
    SchedulerTelemetry telemetry{"ways", {.metrics = false, .clock = &clock}};
    TaskTimes task;
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"}, Stamp{10});
    lease->running(task, Stamp{20});
    lease->wait(task, WaitReason::event, 1, Stamp{100});
    // who wakes it has looked at the clock before that, and his own ring knows nothing of it
    std::thread{[&] { telemetry.worker()->ready(task, WakeCause::event, 0, 0, Stamp{50}); }}.join();
    ASSERT_TRUE(flush_sink());
    EXPECT_EQ(sink->of("Ready").at(0).ts_ns, sink->of("Wait").at(0).ts_ns);
}

TEST_F(Ways, ASinkAloneIsToldWhatDoesNotFitIntoItsRing) {
    recording().set_enabled(false);
    const auto sink = std::make_shared<Kept>();
    SchedulerTelemetry telemetry{"ways", {.metrics = false}};
    const WorkerLease lease = telemetry.worker();
    install_sink(sink, {.ring_bytes = 4096, .poll = 1ms, .flush_timeout = 60s});
    const std::uint64_t before = lease->seq();
    sink->close();
    for (int i = 0; i < 2'000; ++i)
        live(*lease);
    sink->open();
    ASSERT_TRUE(flush_sink());
    const Kept::Stretch stretch = sink->stretch_of(*lease);
    EXPECT_EQ(stretch.last, before + 6'000);
    EXPECT_EQ(stretch.delivered + stretch.lost, stretch.last - stretch.first + 1);
    EXPECT_GT(stretch.lost, 0u);
}

TEST_F(Ways, ATaskThatATracerDoesNotKnowIsToldOfBeforeItsNextEvent) {
    recording().set_enabled(false);
    VirtualClock clock;
    SchedulerTelemetry telemetry{"ways", {.metrics = false, .clock = &clock}};
    const WorkerLease lease = telemetry.worker();
    TaskTimes task;
    lease->spawned(task, {.name = "early"});
    start_session();
    { const Worker::Tick notices{*lease, task}; }
    recording().clear();
    lease->running(task, Stamp{100});
    lease->yield(task, Stamp{170});
    const std::vector<EventId> expected{EventId::State, EventId::TaskRunning, EventId::TaskYield};
    EXPECT_EQ(recording().ids(), expected);
    EXPECT_EQ(recording().last<tiffany_task_yield>(EventId::TaskYield).run_ns, 70u);
}

}  // namespace
}  // namespace tiffany::testing
