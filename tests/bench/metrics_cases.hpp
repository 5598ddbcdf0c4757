#pragma once
/// What a transition's metrics cost: the hooks', and the same written straight with prometheus-cpp.

#include <chrono>
#include <string_view>
#include <vector>

#include "rounds.hpp"

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

/// What the way costs one thread while a second one does the same, on a CPU of its own, and while it does not: so many
/// pairs of times, which of the two first by turns. Those in which the second thread was given no CPU are left out.
std::vector<TimePair> beside_a_second_thread(std::string_view way, int pairs);

/// How long a cache line takes from one CPU to another and back, ns, at best: what threads that share a series pay for.
/// In a virtual machine it changes with the cores that the machine's CPUs are on.
double line_round_trip_ns();

/// Whether both count the same in the same run. Says what differs on stderr.
bool same_answers();

}  // namespace bench
