#include <tiffany/testing/conformance.hpp>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>

#include "diagnosis.hpp"
#include "expectation.hpp"
#include "lateness.hpp"
#include "story.hpp"

namespace tiffany::testing {
namespace {

using Findings = std::vector<std::string>;

void add(Findings& all, Findings more, std::string_view prefix = {}) {
    for (std::string& finding : more)
        all.push_back(std::string{prefix} + std::move(finding));
}

void refuse_what_cannot_be_judged(const Program& program) {
    std::set<std::string_view> names;
    for (const Script& script : program.tasks)
        if (!names.insert(script.name).second)
            throw std::invalid_argument{program.name + ": expected a name of its own for each task, found two '" +
                                        script.name + "'"};
}

/// Of each task of the program all that was told under its name: a hook spawned() that is called twice makes two tids
/// of one task.
std::map<std::string, TaskLife> lives_by_name(const Recording& run) {
    std::map<std::string, TaskLife> lives;
    for (TaskLife& life : run.tasks()) {
        if (life.tid == 0) continue;
        const auto [at, is_new] = lives.try_emplace(life.name, life);
        if (is_new) continue;
        std::vector<pal::Record>& steps = at->second.steps;
        steps.insert(steps.end(), life.steps.begin(), life.steps.end());
        std::stable_sort(steps.begin(), steps.end(),
                         [](const pal::Record& a, const pal::Record& b) { return a.step < b.step; });
    }
    return lives;
}

class Judge {
  public:
    Judge(const Program& program, const Model& model, const Stage& stage, const Recording& run)
        : program_{program}, model_{model}, stage_{stage}, run_{run}, lives_{lives_by_name(run)} {
        fill_cast();
    }

    Findings judge() {
        judge_strangers();  // first: what went to no task is missing in others
        for (std::size_t task = 0; task < program_.tasks.size(); ++task)
            judge_task(task);
        add(findings_, std::move(in_fields_));  // last: an event too many in one task changes what others tell of it
        judge_resources();
        add(findings_, check_one_running(run_));
        if (model_.ticks) add(findings_, check_ticks(run_, true));
        add(findings_, check_parks(run_));
        judge_parks();
        add(findings_, check_workers(run_));
        judge_lifecycle();
        return std::move(findings_);
    }

  private:
    const TaskLife* life_of(std::size_t task) const {
        const auto at = lives_.find(program_.tasks[task].name);
        return at == lives_.end() ? nullptr : &at->second;
    }

    void fill_cast() {
        std::map<std::string_view, std::uint64_t> groups;
        for (const pal::Record& record : run_.records())
            if (record.info->id == EventId::Group) groups[record.text("name")] = record.number("group");
        for (std::size_t task = 0; task < program_.tasks.size(); ++task) {
            const TaskLife* life = life_of(task);
            cast_.tids.push_back(life == nullptr ? 0 : life->tid);
            cast_.groups.push_back(groups[program_.tasks[task].group]);
            const Site site = stage_.site(task);
            cast_.sites.push_back(std::string{site.file} + ':' + std::to_string(site.line));
        }
        for (std::size_t pipe = 0; pipe < stage_.pipes(); ++pipe)
            cast_.fds.push_back(static_cast<std::uint64_t>(stage_.readable_end(pipe)));
    }

    void judge_task(std::size_t task) {
        const TaskLife* life = life_of(task);
        if (life == nullptr) {
            findings_.push_back("task '" + program_.tasks[task].name +
                                "': expected Spawned, found no task of that name: " + the_hook(TaskEvent::Spawned) +
                                " was not called");
            return;
        }
        const std::string& group = program_.tasks[task].group;
        if (!group.empty() && cast_.groups[task] == 0)
            findings_.push_back(who(*life) + ": expected its group '" + group +
                                "' to be registered, found no Group event: SchedulerTelemetry::group() was not called");
        if (auto difference = first_difference(pattern_of(program_, model_, cast_, task), *life))
            (difference->in_fields ? in_fields_ : findings_).push_back(std::move(difference->text));
        else if (model_.virtual_time)
            add(in_fields_, check_lateness(program_.tasks[task], *life));
    }

    /// What happened to tasks that the program does not have.
    void judge_strangers() {
        for (const TaskLife& life : run_.tasks()) {
            if (life.tid == 0) {
                const auto first = static_cast<TaskEvent>(life.steps.front().info->id);
                findings_.push_back(where(life, 0) + ": expected Spawned, found " + std::string{label(first)} + ": " +
                                    the_hook(TaskEvent::Spawned) + " was not called before " + hook_of(first) +
                                    around(life, 0));
                continue;
            }
            const bool known = std::any_of(program_.tasks.begin(), program_.tasks.end(),
                                           [&](const Script& script) { return script.name == life.name; });
            if (!known)
                findings_.push_back(where(life, 0) + ": expected no task but the program's, found one" +
                                    around(life, 0));
        }
    }

    /// What a step that fires Wait waits for: its kind, as the step that takes it, and its number.
    using Thing = std::pair<Do, std::size_t>;
    static std::optional<Thing> thing_of(const Step& step) {
        switch (step.what) {
            case Do::wait:
            case Do::lock:
            case Do::acquire:
            case Do::receive:
                return Thing{step.what, step.target};
            case Do::send:
                return Thing{Do::receive, step.target};
            default:
                return std::nullopt;
        }
    }

    /// Waits for one thing tell one resource, waits for different ones of its kind different.
    void judge_resources() {
        std::map<Thing, std::uint64_t> by_thing;
        for (std::size_t task = 0; task < program_.tasks.size(); ++task) {
            const TaskLife* life = life_of(task);
            if (life == nullptr || model_.block == TaskEvent::Wait) continue;
            std::vector<const pal::Record*> waits;
            for (const pal::Record& step : life->steps)
                if (step.info->id == EventId::TaskWait) waits.push_back(&step);
            std::size_t next = 0;
            for (const Step& step : program_.tasks[task].steps) {
                const std::optional<Thing> thing = thing_of(step);
                if (!thing || step.outcome == Outcome::at_once || next >= waits.size()) continue;
                const std::uint64_t resource = waits[next++]->number("resource");
                const auto [at, is_new] = by_thing.try_emplace(*thing, resource);
                if (at->second != resource)
                    findings_.push_back(who(*life) + ": expected resource " + std::to_string(at->second) +
                                        " in each Wait for one thing, found " + std::to_string(resource) + ": " +
                                        the_hook(TaskEvent::Wait) + " was called with another resource");
            }
        }
        std::set<std::pair<Do, std::uint64_t>> resources;
        for (const auto& [thing, resource] : by_thing)
            if (!resources.emplace(thing.first, resource).second)
                findings_.push_back("expected Waits for two things to tell two resources, found " +
                                    std::to_string(resource) + " twice: " + the_hook(TaskEvent::Wait) +
                                    " was called with another resource");
    }

    /// On a virtual clock time passes at once, and nobody needs to park.
    void judge_parks() {
        if (!program_.parks || !model_.parks || model_.virtual_time) return;
        std::set<pal::WorkerId> runners;
        for (const pal::Record& record : run_.records())
            if (record.info->id == EventId::TaskRunning) runners.insert(record.worker);
        const bool parked = std::any_of(run_.records().begin(), run_.records().end(), [&](const pal::Record& record) {
            return record.info->id == EventId::ParkBegin && runners.count(record.worker) != 0;
        });
        if (!parked)
            findings_.push_back(
                "expected a worker that runs tasks to park when none can run, found no worker_park: the hook park() "
                "was not called");
    }

    void judge_lifecycle() {
        add(findings_, check_lifecycle(run_), "lifecycle: ");
        const pal::LifecycleReport report = run_.lifecycle();
        if (report.lost == 0) add(findings_, check_ready_queue(run_));
        if (report.live() != 0)
            findings_.push_back("lifecycle: expected every task to end, found " + std::to_string(report.live()) +
                                " alive after the runtime was destroyed");
    }

    const Program& program_;
    const Model& model_;
    const Stage& stage_;
    const Recording& run_;
    std::map<std::string, TaskLife> lives_;
    Cast cast_;
    Findings findings_;
    Findings in_fields_;
};

}  // namespace

std::string cannot_run(const Driver& driver, const Program& program) {
    const Model model = driver.model();
    std::string lacks = program.needs().without(model.can).text();
    if (program.workers > model.most_workers)
        lacks += (lacks.empty() ? "" : ", ") + std::to_string(program.workers) + " workers";
    if (program.virtual_time && !model.virtual_time) lacks += lacks.empty() ? "virtual time" : ", virtual time";
    return lacks.empty() ? std::string{} : "the driver cannot: " + lacks;
}

Findings judge(const Program& program, const Model& model, const Stage& stage, const Recording& run) {
    return Judge{program, model, stage, run}.judge();
}

Findings check_conformance(Driver& driver, const Program& program, const ConformanceOptions& options) {
    refuse_what_cannot_be_judged(program);
    if (const std::string why_not = cannot_run(driver, program); !why_not.empty())
        throw std::invalid_argument{program.name + ": " + why_not};
    const ScopedSink sink;
    Stage stage{program, driver, options.deadline};
    Findings findings;
    try {
        driver.run(stage);
    } catch (const std::exception& error) {
        findings.push_back(std::string{"the driver threw: "} + error.what());
    }
    if (!stage.in_time())
        findings.push_back("the run did not end in time: a wake was lost, or the driver waits for what does not come");
    add(findings, stage.findings());
    add(findings, judge(program, driver.model(), stage, sink.recording()));
    return findings;
}

Findings check_conformance(Driver& driver, const ConformanceOptions& options) {
    Findings findings;
    for (const Program& program : conformance_programs())
        if (cannot_run(driver, program).empty())
            add(findings, check_conformance(driver, program, options), program.name + ": ");
    return findings;
}

}  // namespace tiffany::testing
