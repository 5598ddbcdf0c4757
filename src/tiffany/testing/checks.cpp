#include <tiffany/testing/checks.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tiffany/pal/transition.hpp>
#include <utility>

#include "story.hpp"

namespace tiffany::testing {
namespace {

/// The lives of a run, and where in them a record is.
class Lives {
  public:
    explicit Lives(const Recording& run) {
        for (TaskLife& life : run.tasks())
            lives_.emplace(life.tid, std::move(life));
    }
    const TaskLife& of(std::uint64_t tid) { return lives_[tid]; }
    std::string where(const pal::Record& record) { return testing::where(of(record.tid), index(record)); }
    std::string around(const pal::Record& record) { return testing::around(of(record.tid), index(record)); }

  private:
    std::size_t index(const pal::Record& record) {
        const TaskLife& life = of(record.tid);
        std::size_t i = 0;
        while (i < life.steps.size() && (life.steps[i].worker != record.worker || life.steps[i].seq != record.seq))
            ++i;
        return i;
    }
    std::map<std::uint64_t, TaskLife> lives_;
};

std::string worker_text(const pal::WorkerId& worker) {
    return "worker " + std::to_string(worker.index);
}

std::string join_names(const std::vector<std::string_view>& names) {
    std::string text;
    for (const std::string_view name : names) {
        text += text.empty() ? "" : ", ";
        text += name;
    }
    return text.empty() ? "nothing" : text;
}

bool is(const pal::Record& record, TaskEvent event) {
    return record.info->id == static_cast<EventId>(event);
}

bool ends_run(const pal::Record& record) {
    if (is(record, TaskEvent::Cancelled))
        return record.number("from_state") == static_cast<std::uint64_t>(TaskState::Running);
    return record.is_transition() && record.info->from.has(TaskState::Running);
}

class TicksOfAWorker {
  public:
    TicksOfAWorker(std::string worker, Lives& lives, std::vector<std::string>& findings)
        : worker_{std::move(worker)}, lives_{lives}, findings_{findings} {}

    void check(const std::vector<pal::Record>& told) {
        for (const pal::Record& record : told) {
            if (record.info->id == EventId::TickBegin)
                begin(record);
            else if (record.info->id == EventId::TickEnd)
                end();
            else if (record.is_transition())
                transition(record);
        }
        if (tick_ != nullptr) find(worker_ + ": expected the tick for " + its_task() + " to end", "did not end");
    }

  private:
    void find(const std::string& what, const std::string& why) {
        findings_.push_back(what + ": the span Worker::Tick " + why);
    }

    std::string its_task() { return who(lives_.of(tick_->tid)); }

    void begin(const pal::Record& record) {
        if (tick_ != nullptr)
            find(worker_ + ": a tick for " + who(lives_.of(record.tid)) + " begins in the tick for " + its_task(),
                 "was made twice");
        tick_ = &record;
        is_empty_ = true;
    }

    void end() {
        if (tick_ == nullptr)
            find(worker_ + ": a tick ends that has not begun", "was made twice");
        else if (is_empty_)
            find(worker_ + ": expected a run in the tick for " + its_task() + ", found none",
                 "was made twice, or ended at once");
        else if (running_ != nullptr)
            find(lives_.where(*running_) + ": expected its run to end in its tick, found that it goes on",
                 "ended before the run");
        tick_ = nullptr;
    }

    void transition(const pal::Record& record) {
        if (tick_ != nullptr && tick_->tid == record.tid) is_empty_ = false;
        if (is(record, TaskEvent::Running)) {
            running_ = &record;
            if (tick_ == nullptr || tick_->tid != record.tid)
                find(lives_.where(record) + ": Running on " + worker_ + ", expected in a tick for that task, found " +
                         (tick_ != nullptr ? "the tick for " + its_task() : "no tick") + lives_.around(record),
                     "was not made around the run of " + who(lives_.of(record.tid)));
        } else if (running_ != nullptr && record.tid == running_->tid && ends_run(record)) {
            running_ = nullptr;
        }
    }

    std::string worker_;
    Lives& lives_;
    std::vector<std::string>& findings_;
    const pal::Record* tick_ = nullptr;     // the beginning of the one that has not ended
    const pal::Record* running_ = nullptr;  // the run that has not ended
    bool is_empty_ = true;                  // in that tick nothing happened to its task
};

std::vector<std::string> check_durations(const Recording& run, std::string_view field, std::chrono::nanoseconds most) {
    std::vector<std::string> findings;
    Lives lives{run};
    for (const pal::Record& record : run.records()) {
        const std::uint64_t ns = is(record, TaskEvent::Running) ? record.number(field) : 0;
        if (ns <= static_cast<std::uint64_t>(most.count())) continue;
        findings.push_back(lives.where(record) + ": expected " + std::string{field} + " of at most " +
                           std::to_string(most.count()) + ", found " + std::to_string(ns) + lives.around(record));
    }
    return findings;
}

}  // namespace

std::vector<std::string> check_holds_events(const Recording& run) {
    if (!run.records().empty()) return {};
    return {"the recording holds no event: was the sink there before the runtime, and is the runtime instrumented?"};
}

TaskEvent event_named(std::string_view name) {
    const catalogue::EventInfo* const found = catalogue::find_record(name, "");
    if (found != nullptr && found->is_transition()) return static_cast<TaskEvent>(found->id);
    std::vector<std::string_view> known;
    for (const catalogue::EventInfo& info : catalogue::events())
        if (info.is_transition()) known.push_back(info.name);
    throw std::invalid_argument{"expected the name of a transition (" + join_names(known) + "), found '" +
                                std::string{name} + "'"};
}

std::vector<std::string> check_events(const TaskLife& life, const std::vector<std::string_view>& names) {
    for (const std::string_view name : names)
        event_named(name);
    for (std::size_t i = 0; i < std::max(names.size(), life.steps.size()); ++i) {
        const std::string_view expected = i < names.size() ? names[i] : "nothing more";
        const std::string_view found = i < life.steps.size() ? life.steps[i].info->name : "nothing more";
        if (expected == found) continue;
        return {where(life, i) + ": expected " + std::string{expected} + ", found " + std::string{found} +
                around(life, i) + "; expected in all: " + join_names(names)};
    }
    return {};
}

std::vector<std::string> check_one_running(const Recording& run) {
    std::vector<std::string> findings;
    Lives lives{run};
    for (const pal::WorkerId& worker : run.workers()) {
        const std::vector<pal::Record> told = run.of_worker(worker);
        const pal::Record* running = nullptr;  // the one whose run has not ended
        for (const pal::Record& record : told) {
            if (is(record, TaskEvent::Running)) {
                if (running != nullptr)
                    findings.push_back(lives.where(record) + ": Running on " + worker_text(worker) + ", where " +
                                       lives.where(*running) + " runs and has not ended its run" +
                                       lives.around(*running));
                running = &record;
            } else if (running != nullptr && record.tid == running->tid && ends_run(record)) {
                running = nullptr;
            }
        }
    }
    return findings;
}

std::vector<std::string> check_ticks(const Recording& run, bool everywhere) {
    std::vector<std::string> findings;
    Lives lives{run};
    for (const pal::WorkerId& worker : run.workers()) {
        const std::vector<pal::Record> told = run.of_worker(worker);
        const bool has_ticks = std::any_of(told.begin(), told.end(),
                                           [](const pal::Record& r) { return r.info->id == EventId::TickBegin; });
        if (has_ticks || everywhere) TicksOfAWorker{worker_text(worker), lives, findings}.check(told);
    }
    return findings;
}

std::vector<std::string> check_parks(const Recording& run) {
    std::vector<std::string> findings;
    Lives lives{run};
    for (const pal::WorkerId& worker : run.workers()) {
        bool parked = false;
        for (const pal::Record& record : run.of_worker(worker)) {
            if (record.info->id == EventId::ParkBegin) {
                if (parked)
                    findings.push_back(worker_text(worker) +
                                       ": parks while it is parked: the hook park() was called twice, or the hook "
                                       "unpark() was not called between");
                parked = true;
            } else if (record.info->id == EventId::ParkEnd) {
                parked = false;
            } else if (parked && is(record, TaskEvent::Running)) {
                findings.push_back(lives.where(record) + ": Running on " + worker_text(worker) +
                                   ", which is parked: the hook unpark() was not called before" + lives.around(record));
                parked = false;  // once is enough
            } else if (parked && record.info->id == EventId::WorkerStopped) {
                findings.push_back(worker_text(worker) +
                                   ": stops while it is parked: the hook unpark() was not called before");
                parked = false;
            }
        }
    }
    return findings;
}

std::vector<std::string> check_workers(const Recording& run) {
    std::vector<std::string> findings;
    for (const pal::WorkerId& worker : run.workers()) {
        bool started = false;
        std::uint64_t seq = 0;
        for (const pal::Record& record : run.of_worker(worker)) {
            const auto find = [&](const std::string& what) { findings.push_back(worker_text(worker) + ": " + what); };
            if (record.info->id == EventId::WorkerStarted) {
                if (started) find("started twice: its WorkerLease was not given back");
                started = true;
                seq = record.seq;
            } else if (!started) {
                find("told " + std::string{record.info->name} + " before its start");
                started = true;
                seq = record.seq;
            } else if (record.is_transition()) {
                if (record.seq != seq + 1)
                    find("expected seq " + std::to_string(seq + 1) + ", found " + std::to_string(record.seq));
                seq = record.seq;
            } else if (record.info->id == EventId::WorkerStopped) {
                if (record.seq != seq)
                    find("expected to stop at seq " + std::to_string(seq) + ", found " + std::to_string(record.seq));
                started = false;
            }
        }
        if (started) findings.push_back(worker_text(worker) + ": was not stopped: its WorkerLease was not given back");
    }
    return findings;
}

std::vector<std::string> check_waits(const Recording& run, std::chrono::nanoseconds most) {
    return check_durations(run, "wait_ns", most);
}

std::vector<std::string> check_ready_delays(const Recording& run, std::chrono::nanoseconds most) {
    return check_durations(run, "ready_ns", most);
}

std::vector<std::string> check_ready_queue(const Recording& run) {
    std::uint64_t pushes = 0;
    std::uint64_t pops = 0;
    std::uint64_t ready = 0;
    for (const TaskLife& life : run.tasks()) {
        for (const pal::Record& step : life.steps) {
            const int change = pal::ready_queue_change(step);
            pops += change < 0;
            pushes += change > 0;
        }
        ready += pal::state_after(life.steps.back()) == TaskState::Ready;
    }
    if (pushes == pops + ready) return {};
    return {"the ready queue: expected as many pushes as pops (Running, Cancelled from Ready) and tasks still Ready, " +
            std::to_string(pops) + " + " + std::to_string(ready) + ", found " + std::to_string(pushes)};
}

std::vector<std::string> check_lifecycle(const Recording& run) {
    const pal::LifecycleReport report = run.lifecycle();
    std::vector<std::string> findings = report.findings;
    if (report.findings_total > findings.size())
        findings.push_back("and " + std::to_string(report.findings_total - findings.size()) + " more");
    if (report.lost != 0)
        findings.push_back(
            std::to_string(report.lost) +
            " transitions were lost: the sink's rings are too small for this run (SinkOptions::ring_bytes)");
    return findings;
}

}  // namespace tiffany::testing
