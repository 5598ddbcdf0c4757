#include <tiffany/testing/program.hpp>

#include <array>
#include <string_view>

namespace tiffany::testing {
namespace {

struct Named {
    Can can;
    std::string_view name;
};

constexpr std::array kNames = {
    Named{Can::yield, "yield"},
    Named{Can::fail, "fail"},
    Named{Can::spawn, "spawn"},
    Named{Can::sleep, "sleep"},
    Named{Can::event, "event"},
    Named{Can::lock, "lock"},
    Named{Can::semaphore, "semaphore"},
    Named{Can::channel, "channel"},
    Named{Can::wake, "wake"},
    Named{Can::join, "join"},
    Named{Can::io, "io"},
    Named{Can::timeout, "timeout"},
    Named{Can::cancel, "cancel"},
    Named{Can::catch_cancel, "catch_cancel"},
    Named{Can::quantum, "quantum"},
    Named{Can::budget, "budget"},
    Named{Can::dependencies, "dependencies"},
    Named{Can::shutdown, "shutdown"},
    Named{Can::destroy, "destroy"},
    Named{Can::destroy_asleep, "destroy_asleep"},
    Named{Can::outside_spawn, "outside_spawn"},
    Named{Can::outside_wake, "outside_wake"},
    Named{Can::groups, "groups"},
    Named{Can::priorities, "priorities"},
    Named{Can::sites, "sites"},
};

void add_needs(const Step& step, bool outside, Abilities& needs) {
    switch (step.what) {
        case Do::yield:
        case Do::spin:
            needs.add(Can::yield);
            break;
        case Do::sleep:
            needs.add(Can::sleep);
            break;
        case Do::wait:
        case Do::set:
            needs.add(Can::event);
            break;
        case Do::lock:
        case Do::unlock:
            needs.add(Can::lock);
            break;
        case Do::acquire:
        case Do::release:
            needs.add(Can::semaphore);
            break;
        case Do::send:
        case Do::receive:
            needs.add(Can::channel);
            break;
        case Do::block:
            break;  // by whom it is woken decides
        case Do::wake:
            needs.add(outside ? Can::outside_wake : Can::wake);
            break;
        case Do::join:
            needs.add(Can::join);
            break;
        case Do::read:
            needs.add(Can::io);
            break;
        case Do::spawn:
            needs.add(outside ? Can::outside_spawn : Can::spawn);
            break;
        case Do::cancel:
            needs.add(Can::cancel);
            break;
        case Do::until:
            if (!outside) needs.add(Can::yield);
            break;
        case Do::fail:
            needs.add(Can::fail);
            break;
        case Do::write:
        case Do::burn:
            break;
    }
    if (step.outcome == Outcome::timed_out) needs.add(Can::timeout);
    if (step.outcome == Outcome::over_quantum) needs.add(Can::quantum);
    if (step.outcome == Outcome::over_budget || step.outcome == Outcome::cancelled_over_budget) needs.add(Can::budget);
    if (step.outcome == Outcome::caught) needs.add(Can::catch_cancel);
}

}  // namespace

std::string Abilities::text() const {
    std::string text;
    for (const Named& named : kNames) {
        if (!has(named.can)) continue;
        text += text.empty() ? "" : ", ";
        text += named.name;
    }
    return text;
}

std::vector<std::size_t> Program::at_start() const {
    std::vector<bool> by_a_step(tasks.size(), false);
    const auto look = [&](const std::vector<Step>& steps) {
        for (const Step& step : steps)
            if (step.what == Do::spawn) by_a_step.at(step.target) = true;
    };
    for (const Script& script : tasks)
        look(script.steps);
    look(outside);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < tasks.size(); ++i)
        if (!by_a_step[i]) found.push_back(i);
    return found;
}

Abilities Program::needs() const {
    Abilities needs;
    for (const Script& script : tasks) {
        for (const Step& step : script.steps)
            add_needs(step, false, needs);
        if (!script.group.empty()) needs.add(Can::groups);
        if (script.priority != Script{}.priority) needs.add(Can::priorities);
        if (!script.dependencies.empty()) needs.add(Can::dependencies);
        if (script.budget.count() != 0) needs.add(Can::budget);
    }
    for (const Step& step : outside)
        add_needs(step, true, needs);
    if (ending == Ending::not_run) needs.add(Can::destroy);
    if (ending == Ending::shutdown) needs.add(Can::shutdown);
    if (ending == Ending::idle) needs.add(Can::destroy_asleep);
    return needs;
}

}  // namespace tiffany::testing
