#include <tiffany/testing/checks.hpp>

#include <algorithm>
#include <map>

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

bool number_is(const pal::Record& record, std::string_view field, TaskState state) {
    return record.number(field) == static_cast<std::uint64_t>(state);
}

bool makes_ready(const pal::Record& record) {
    switch (record.info->id) {
        case EventId::TaskSpawned:
            return number_is(record, "state", TaskState::Ready);
        case EventId::TaskThrottled:
            return record.number("park_ns") == 0;
        case EventId::TaskReady:
        case EventId::TaskYield:
            return true;
        default:
            return false;
    }
}

bool ends_run(const pal::Record& record) {
    if (is(record, TaskEvent::Cancelled)) return number_is(record, "from_state", TaskState::Running);
    return record.is_transition() && record.info->from.has(TaskState::Running);
}

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

std::vector<std::string> check_events(const TaskLife& life, const std::vector<std::string_view>& names) {
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

std::vector<std::string> check_ticks(const Recording& run) {
    std::vector<std::string> findings;
    Lives lives{run};
    for (const pal::WorkerId& worker : run.workers()) {
        const std::vector<pal::Record> told = run.of_worker(worker);
        const bool has_ticks = std::any_of(told.begin(), told.end(),
                                           [](const pal::Record& r) { return r.info->id == EventId::TickBegin; });
        if (!has_ticks) continue;
        const pal::Record* tick = nullptr;  // the beginning of the one that has not ended
        for (const pal::Record& record : told) {
            if (record.info->id == EventId::TickBegin) {
                if (tick != nullptr)
                    findings.push_back(worker_text(worker) + ": a tick for " + who(lives.of(record.tid)) +
                                       " begins in the tick for " + who(lives.of(tick->tid)));
                tick = &record;
            } else if (record.info->id == EventId::TickEnd) {
                if (tick == nullptr) findings.push_back(worker_text(worker) + ": a tick ends that has not begun");
                tick = nullptr;
            } else if (is(record, TaskEvent::Running) && (tick == nullptr || tick->tid != record.tid)) {
                findings.push_back(lives.where(record) + ": Running on " + worker_text(worker) +
                                   ", expected in a tick for that task, found " +
                                   (tick != nullptr ? "the tick for " + who(lives.of(tick->tid)) : "no tick") +
                                   lives.around(record));
            }
        }
        if (tick != nullptr)
            findings.push_back(worker_text(worker) + ": the tick for " + who(lives.of(tick->tid)) + " does not end");
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
                if (started) find("started twice: its lease was not given back");
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
        if (started) findings.push_back(worker_text(worker) + ": was not stopped: its lease was not given back");
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
            pops += is(step, TaskEvent::Running) ||
                    (is(step, TaskEvent::Cancelled) && number_is(step, "from_state", TaskState::Ready));
            pushes += makes_ready(step);
        }
        ready += makes_ready(life.steps.back());
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
