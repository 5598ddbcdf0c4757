#pragma once
/// The loops of transitions that transition_bench measures, each in a process of its own.

#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

/// What a loop told: CPU time of one transition, ns; how many there were, those before the loop too.
struct Told {
    double ns;
    std::uint64_t fired;
};

/// One way to make transitions, or what they are compared with.
struct Way {
    const char* name;
    /// A loop of so many. Ends the program if the worker counted others.
    Told (*run)(std::uint64_t transitions);
    std::uint64_t transitions = 4'000'000;  ///< of a measurement
};

/// One task, or as many as its name says.
std::span<const Way> ways();
/// The same probe arguments without hooks: probe_case.cpp.
Told loop_of_bare_probes(std::uint64_t transitions);
/// And the one that is a time is measured, not a constant.
Told loop_of_measured_probes(std::uint64_t transitions);

}  // namespace bench
