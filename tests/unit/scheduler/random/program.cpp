#include "program.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <random>
#include <utility>

namespace tiffany::testing {
namespace {

constexpr std::array<std::string_view, kOps> kNames{
    "yield",    "sleep", "sleep_until", "sleep_until_woken", "wake", "join",    "join_for", "wait", "wait_for",
    "set",      "reset", "lock",        "acquire",           "send", "receive", "close",    "read", "write",
    "wrong_fd", "fail",  "cancel",      "catches",           "call", "spawn",   "fork",     "burn", "post"};

constexpr std::array<std::string_view, kEndings> kEndingNames{"cancel_each", "cancel_all", "release",
                                                              "shutdown",    "close",      "close_at_once"};

class Maker {
  public:
    Maker(std::uint64_t seed, int size) : random_{seed}, size_{static_cast<unsigned>(std::max(size, 1))} {
        // each program uses some of the operations only, and so more often together (Groce and others, Swarm testing,
        // ISSTA 2012)
        for (std::size_t op = 0; op < kOps; ++op)
            if (one_in(4)) ops_.push_back(static_cast<Op>(op));
        ops_.push_back(one_in(2) ? Op::cancel : Op::yield);
    }

    Program program() {
        Program made;
        made.workers = 2 + below(3);
        if (one_in(12)) made.max_live = 2 + below(6);
        made.ending = static_cast<Ending>(below(kEndings));
        const unsigned tasks = 1 + below(2 + size_ / 14);
        for (unsigned i = 0; i < tasks; ++i)
            made.tasks.push_back(script(i));
        if (one_in(3)) {
            constexpr std::array kForeign{Op::spawn, Op::wake, Op::cancel, Op::write, Op::post, Op::burn};
            const unsigned count = 1 + below(2 + size_ / 20);
            for (unsigned i = 0; i < count; ++i)
                made.foreign.push_back(step(kForeign[below(kForeign.size())], 1));
        }
        return made;
    }

  private:
    unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }
    bool one_in(unsigned n) { return below(n) == 0; }

    Script script(unsigned before) {
        constexpr std::array kPriorities{0u, 10u, 10u, 10u, 200u};
        Script made;
        made.priority = kPriorities[below(kPriorities.size())];
        if (one_in(6)) made.quantum = 1 + below(4);
        if (one_in(6)) made.budget = 1 + below(4);
        made.pinned = one_in(5);
        for (unsigned i = 0; before != 0 && i < 3 && one_in(4); ++i)
            made.after.push_back(below(before));
        made.steps = steps(0);
        return made;
    }

    std::vector<Step> steps(unsigned depth) {
        std::vector<Step> made;
        const unsigned count = below(2 + size_ / (12 * (depth + 1)));
        for (unsigned i = 0; i < count; ++i)
            made.push_back(any_step(depth));
        return made;
    }

    Step any_step(unsigned depth) {
        Op op = ops_[below(ops_.size())];
        // what ends a task early hides what comes after it
        if ((op == Op::fail || op == Op::close) && !one_in(3)) op = Op::yield;
        if (depth >= 3 && has_body(op)) op = Op::sleep;
        return step(op, depth);
    }

    Step step(Op op, unsigned depth) {
        Step made;
        made.op = op;
        made.which = below(12);
        made.amount = below(8);
        if (has_body(op)) made.body = steps(depth + 1);
        return made;
    }

    std::mt19937_64 random_;
    unsigned size_;
    std::vector<Op> ops_;
};

using Steps = std::vector<Step>;

/// Without the elements from `first` to `last`.
template <typename T>
std::vector<T> without(const std::vector<T>& all, std::size_t first, std::size_t last) {
    std::vector<T> rest = all;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(first), rest.begin() + static_cast<std::ptrdiff_t>(last));
    return rest;
}

/// All, then halves, quarters, ..., each single one left out.
template <typename T>
std::vector<std::vector<T>> with_less(const std::vector<T>& all) {
    std::vector<std::vector<T>> made;
    for (std::size_t part = all.size(); part > 0; part /= 2)
        for (std::size_t first = 0; first < all.size(); first += part)
            made.push_back(without(all, first, std::min(all.size(), first + part)));
    return made;
}

template <typename T>
std::vector<T> with(const std::vector<T>& all, std::size_t at, T other) {
    std::vector<T> made = all;
    made[at] = std::move(other);
    return made;
}

std::vector<Steps> smaller_steps(const Steps& steps) {
    std::vector<Steps> made = with_less(steps);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Step& step = steps[i];
        if (has_body(step.op)) {
            Steps inline_body = without(steps, i, i + 1);
            inline_body.insert(inline_body.begin() + static_cast<std::ptrdiff_t>(i), step.body.begin(),
                               step.body.end());
            made.push_back(std::move(inline_body));
            for (Steps& body : smaller_steps(step.body)) {
                Step less = step;
                less.body = std::move(body);
                made.push_back(with(steps, i, less));
            }
        }
        for (const unsigned which : {0u, step.which / 2})
            if (which < step.which) made.push_back(with(steps, i, Step{step.op, which, step.amount, step.body}));
        for (const unsigned amount : {0u, step.amount / 2})
            if (amount < step.amount) made.push_back(with(steps, i, Step{step.op, step.which, amount, step.body}));
    }
    return made;
}

void count(const Steps& steps, std::size_t& all, Op op, bool& found) {
    for (const Step& step : steps) {
        ++all;
        found |= step.op == op;
        count(step.body, all, op, found);
    }
}

std::size_t count(const Program& program, Op op, bool& found) {
    std::size_t all = 0;
    for (const Script& task : program.tasks)
        count(task.steps, all, op, found);
    count(program.foreign, all, op, found);
    return all;
}

void print(std::ostream& out, const Steps& steps) {
    const char* separator = "";
    for (const Step& step : steps) {
        out << std::exchange(separator, ", ") << name_of(step.op) << ' ' << step.which << ' ' << step.amount;
        if (!has_body(step.op)) continue;
        out << " { ";
        print(out, step.body);
        out << " }";
    }
}

}  // namespace

std::string_view name_of(Op op) {
    return kNames[static_cast<std::size_t>(op)];
}

bool has_body(Op op) {
    switch (op) {
        case Op::lock:
        case Op::acquire:
        case Op::catches:
        case Op::call:
        case Op::spawn:
        case Op::fork:
            return true;
        default:
            return false;
    }
}

Program random_program(std::uint64_t seed, int size) {
    return Maker{seed, size}.program();
}

std::vector<Program> smaller(const Program& program) {
    std::vector<Program> made;
    const auto add = [&](const auto& change) {
        made.push_back(program);
        change(made.back());
    };
    for (auto& tasks : with_less(program.tasks))
        add([&](Program& less) { less.tasks = std::move(tasks); });
    for (auto& foreign : smaller_steps(program.foreign))
        add([&](Program& less) { less.foreign = std::move(foreign); });
    for (std::size_t i = 0; i < program.tasks.size(); ++i) {
        const Script& task = program.tasks[i];
        for (auto& steps : smaller_steps(task.steps))
            add([&](Program& less) { less.tasks[i].steps = std::move(steps); });
        for (auto& after : with_less(task.after))
            add([&](Program& less) { less.tasks[i].after = std::move(after); });
        if (task.priority != 10) add([&](Program& less) { less.tasks[i].priority = 10; });
        if (task.quantum != 0) add([&](Program& less) { less.tasks[i].quantum = 0; });
        if (task.budget != 0) add([&](Program& less) { less.tasks[i].budget = 0; });
        if (task.pinned) add([&](Program& less) { less.tasks[i].pinned = false; });
    }
    if (program.max_live != 0) add([](Program& less) { less.max_live = 0; });
    if (program.workers > 2) add([](Program& less) { less.workers = 2; });
    if (program.ending != Ending::cancel_each) add([](Program& less) { less.ending = Ending::cancel_each; });
    return made;
}

bool has(const Program& program, Op op) {
    bool found = false;
    count(program, op, found);
    return found;
}

std::size_t steps_of(const Program& program) {
    bool found = false;
    return count(program, Op::yield, found);
}

std::ostream& operator<<(std::ostream& out, const Program& program) {
    out << "\n  workers " << program.workers << ", max_live " << program.max_live << ", ends by "
        << kEndingNames[static_cast<std::size_t>(program.ending)] << '\n';
    for (std::size_t i = 0; i < program.tasks.size(); ++i) {
        const Script& task = program.tasks[i];
        out << "  task " << i << " (priority " << task.priority;
        if (task.quantum != 0) out << ", quantum " << task.quantum;
        if (task.budget != 0) out << ", budget " << task.budget;
        if (task.pinned) out << ", pinned";
        for (const unsigned other : task.after)
            out << ", after " << other;
        out << "): ";
        print(out, task.steps);
        out << '\n';
    }
    if (!program.foreign.empty()) {
        out << "  another thread: ";
        print(out, program.foreign);
        out << '\n';
    }
    return out;
}

}  // namespace tiffany::testing
