// What a task tells of itself.

#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Notes : public Scheduled {};

/// "tid key value", in the order in which they fired.
std::vector<std::string> notes() {
    std::vector<std::string> told;
    for (const Fired& fired : recording().of(EventId::Note)) {
        const auto note = fired.as<tiffany_note>();
        told.push_back(std::to_string(note.tid) + ' ' + note.key + ' ' + note.value);
    }
    return told;
}

std::string told_by(const TaskHandle& task, const std::string& what) {
    return std::to_string(task.tid()) + ' ' + what;
}

void handle_request(const std::string& id) {
    note("request", id);  // a plain function, which the task calls
}

Task<> inner() {
    note("part", "inner");
    co_await yield();
    note("part", "inner, later");
}

Task<> outer(std::string id) {
    handle_request(id);
    co_await inner();
    note("part", "outer");
}

TEST_F(Notes, AreOfTheTaskThatRuns) {
    const TaskHandle first = scheduler.spawn({}, outer("1"));
    const TaskHandle second = scheduler.spawn({}, outer("2"));
    scheduler.run_until_idle();
    EXPECT_THAT(notes(), ElementsAre(told_by(first, "request 1"), told_by(first, "part inner"),
                                     told_by(second, "request 2"), told_by(second, "part inner"),
                                     told_by(first, "part inner, later"), told_by(first, "part outer"),
                                     told_by(second, "part inner, later"), told_by(second, "part outer")));
    EXPECT_THAT(story_of(first), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Done"))
        << "a note is no transition";
}

TEST_F(Notes, OutsideOfATaskAreNone) {
    note("nobody", "before");
    bool called = false;
    scheduler.spawn({}, nothing());
    scheduler.post([&] {
        note("nobody", "in a function that was posted");
        called = true;
    });
    std::thread{[] { note("nobody", "on another thread"); }}.join();
    scheduler.run_until_idle();
    note("nobody", "after");
    EXPECT_TRUE(called);
    EXPECT_THAT(notes(), ::testing::IsEmpty());
}

/// Tells of its end where that happens.
struct Farewell {
    ~Farewell() { note("farewell", "now"); }
};

TEST_F(Notes, OfATasksEndBelongToItWhileItRuns) {
    auto leaves = []() -> Task<> {
        const Farewell farewell;
        co_await yield();
    };
    auto stays = []() -> Task<> {
        const Farewell farewell;
        co_await sleep_for(1h);
    };
    const TaskHandle ended = scheduler.spawn({}, leaves());
    scheduler.spawn({}, stays());
    scheduler.run_until_idle();
    EXPECT_THAT(notes(), ElementsAre(told_by(ended, "farewell now")));
    scheduler.close();  // destroys the frame of the other one: no task runs
    EXPECT_THAT(notes(), ::testing::SizeIs(1));
}

TEST_F(Notes, OfAPoolsTaskComeFromTheWorkerThatRunsIt) {
    SchedulerPool pool{{.name = "pool"}, {.workers = 2}};
    auto tell = []() -> Task<> {
        for (int i = 0; i < 20; ++i) {
            note("i", std::to_string(i));
            co_await yield();
        }
    };
    for (int i = 0; i < 8; ++i)
        pool.spawn({}, tell());
    pool.wait();
    std::map<std::uint64_t, std::uint64_t> running;  // what each worker runs, as its transitions tell
    std::map<std::uint64_t, int> next;
    const std::lock_guard lock{recording().mutex};
    for (const Fired& fired : recording().events) {
        if (fired.id == EventId::TaskRunning) {
            const auto begin = fired.as<tiffany_task_running>();
            running[begin.worker] = begin.tid;
        } else if (fired.id == EventId::Note) {
            const auto told = fired.as<tiffany_note>();
            EXPECT_EQ(told.tid, running[told.worker]);
            EXPECT_EQ(told.value, std::to_string(next[told.tid]++));
        }
    }
    EXPECT_EQ(next.size(), 8u);
    for (const auto& [tid, count] : next)
        EXPECT_EQ(count, 20);
}

}  // namespace
}  // namespace tiffany::testing
