#pragma once
/// What tbb_bench measures: trees of tasks on oneTBB, on one of its threads.

#include <cstdint>

namespace bench {

struct TreeSetup {
    int trees = 0;           ///< one after the other
    int depth = 0;           ///< of each: 2^(depth + 1) - 2 tasks
    std::uint64_t work = 0;  ///< of each task: steps of a generator of random numbers, some ns each
    bool metrics = false;    ///< when it has hooks
};

struct TreeSpent {
    double task_ns = -1;    ///< CPU time of TBB's thread, a task; negative: it could not be measured
    std::uint64_t sum = 0;  ///< what the tasks computed
};

}  // namespace bench

/// Compiled with hooks into the program, and without into a module of its own.
extern "C" __attribute__((visibility("default"))) bench::TreeSpent tiffany_tree_case(const bench::TreeSetup& setup);
