#pragma once
/// What a transition's metrics cost: the hooks', and the same written straight with prometheus-cpp.

#include <chrono>
#include <string_view>

namespace bench {

/// Measures one way on one or two threads; gives CPU ns a transition, the mean of the threads. Of two threads only the
/// time counts in which both ran, because on a busy machine they do not all the time; if they never did, all of it, and
/// that is said on stderr. The ways:
///   here      the hooks of one scheduler, a worker each
///   straight  at each transition gauge, counter, two histograms and two clock reads; the series shared by the threads
///   same      the same cycle, and no more than its metrics: gauge, counter, one histogram, one clock read each
///   clock     a clock read alone: what a second thread costs the machine
/// Ends the process with status 2 when it is none of these.
/// @param enough  CPU time for each thread
double transition_ns(std::string_view way, int threads, std::chrono::nanoseconds enough);

/// Whether both count the same in the same run. Says what differs on stderr.
bool same_answers();

}  // namespace bench
