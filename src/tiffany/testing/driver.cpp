#include <tiffany/testing/driver.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <utility>

namespace tiffany::testing {
namespace {

std::size_t pipes_of(const Program& program) {
    std::size_t count = 0;
    const auto look = [&](const std::vector<Step>& steps) {
        for (const Step& step : steps)
            if (step.what == Do::read || step.what == Do::write) count = std::max(count, step.target + 1);
    };
    for (const Script& script : program.tasks)
        look(script.steps);
    look(program.outside);
    return count;
}

void burn_real(std::chrono::nanoseconds time) {
    const Clock& clock = Clock::system();
    const std::uint64_t begin = clock.ticks();
    while (clock.to_ns(clock.ticks() - begin) < static_cast<std::uint64_t>(time.count())) {
    }
}

}  // namespace

Stage::Stage(const Program& program, const Driver& driver, std::chrono::nanoseconds deadline)
    : program_{program},
      driver_{driver},
      deadline_{std::chrono::steady_clock::now() + deadline},
      allowed_{deadline},
      virtual_time_{driver.model().virtual_time},
      pipes_(pipes_of(program)),
      outside_is_done_{program.outside.empty()} {
    for (Pipe& pipe : pipes_) {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0)
            throw std::system_error{errno, std::generic_category(), "cannot make a pipe"};
        pipe = {ends[0], ends[1]};
    }
}

Stage::~Stage() {
    for (const Pipe& pipe : pipes_)
        for (const int end : {pipe.read, pipe.write})
            if (end >= 0) ::close(end);
}

Site Stage::site(std::size_t task) const {
    return {"script.cpp", static_cast<std::uint32_t>(task + 1)};
}

bool Stage::act(const Step& step) {
    switch (step.what) {
        case Do::burn:
            if (virtual_time_)
                clock_.advance(static_cast<std::uint64_t>(step.time.count()));
            else
                burn_real(step.time);
            return true;
        case Do::write:
            if (::write(pipes_.at(step.target).write, "x", 1) != 1)
                throw std::system_error{errno, std::generic_category(), "cannot write into a pipe"};
            return true;
        case Do::fail:
            throw std::runtime_error{step.text};
        default:
            return false;
    }
}

bool Stage::reached(const Step& step) const {
    const TaskState state = driver_.state(step.target);
    if (step.states.has(state)) return true;
    if (!in_time())
        throw std::runtime_error{
            "task '" + script(step.target).name + "' did not come where it is waited for within " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(allowed_).count()) + " ms: it is " +
            std::string{label(state)}};
    // slower and slower: a million polls would fill the rings
    constexpr std::uint32_t kSlowest = 50;
    const std::uint32_t polls = std::min(polls_.fetch_add(1, std::memory_order_relaxed), kSlowest);
    std::this_thread::sleep_for(std::chrono::microseconds{10} * polls);
    return false;
}

bool Stage::in_time() const {
    return std::chrono::steady_clock::now() < deadline_;
}

std::jthread Stage::give_up_by(std::function<void()> stop) const {
    return std::jthread{[this, stop = std::move(stop)](const std::stop_token& over) {
        for (; !over.stop_requested(); std::this_thread::sleep_for(std::chrono::milliseconds{1}))
            if (!in_time()) stop();  // again and again: it may come before the runtime blocks
    }};
}

int Stage::readable_end(std::size_t pipe) const {
    return pipes_.at(pipe).read;
}

void Stage::play_outside(const std::function<void(const Step&)>& play) {
    std::string finding;
    try {
        for (const Step& step : program_.outside) {
            if (step.what == Do::until) {
                while (!reached(step)) {
                }
            } else if (!act(step)) {
                play(step);
            }
        }
    } catch (const std::exception& error) {
        finding = error.what();
    }
    const std::lock_guard lock{mutex_};
    if (!finding.empty()) findings_.push_back("the thread outside: " + finding);
    outside_is_done_ = true;
}

bool Stage::outside_is_done() const {
    const std::lock_guard lock{mutex_};
    return outside_is_done_;
}

std::vector<std::string> Stage::findings() const {
    const std::lock_guard lock{mutex_};
    return findings_;
}

}  // namespace tiffany::testing
