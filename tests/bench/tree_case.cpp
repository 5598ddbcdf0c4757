#include "tree_case.hpp"

#include <exception>
#include <latch>
#include <tiffany/adapters/tbb.hpp>

#include "scheduler_cases.hpp"

namespace {

class Tree {
  public:
    Tree(tiffany::tbb::Telemetry& telemetry, std::uint64_t work) : telemetry_{telemetry}, work_{work} {}

    /// The sum of what the tasks below compute. Each awaits its two, as tasks of a divide and conquer do.
    std::uint64_t grow(int depth, std::uint64_t seed) const {
        std::uint64_t sum = seed;
        for (std::uint64_t i = 0; i < work_; ++i)
            sum = sum * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
        if (depth == 0) return sum;
        std::uint64_t left = 0;
        std::uint64_t right = 0;
        tiffany::tbb::task_group group{telemetry_};
        group.run({.name = "left"}, [&, depth] { left = grow(depth - 1, 2 * seed); });
        group.run({.name = "right"}, [&, depth] { right = grow(depth - 1, 2 * seed + 1); });
        group.wait();
        return sum + 3 * left + 5 * right;
    }

  private:
    tiffany::tbb::Telemetry& telemetry_;
    std::uint64_t work_;
};

tiffany::TelemetryOptions options(bool metrics) {
    tiffany::TelemetryOptions options;
    options.metrics = metrics;
    return options;
}

}  // namespace

bench::TreeSpent tiffany_tree_case(const bench::TreeSetup& setup) try {
    tiffany::tbb::Telemetry telemetry{"trees", options(setup.metrics)};
    bench::TreeSpent spent;
    {
        tiffany::tbb::task_arena arena{telemetry, 1, 0};  // none of it runs here: a thread of TBB's has a worker
        std::latch done{1};
        arena.enqueue({.name = "root"}, [&] {
            const Tree tree{telemetry, setup.work};
            spent.sum = tree.grow(setup.depth, 1);  // first of all: what TBB keeps is made
            const std::uint64_t before = bench::cpu_ns();
            for (int i = 0; i < setup.trees; ++i)
                spent.sum += tree.grow(setup.depth, 1);
            const double tasks = static_cast<double>(setup.trees) * ((2 << setup.depth) - 2);
            spent.task_ns = static_cast<double>(bench::cpu_ns() - before) / tasks;
            done.count_down();
        });
        done.wait();
    }
    return spent;
} catch (const std::exception&) {
    return {};
}
