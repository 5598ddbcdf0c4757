#pragma once
/// What those who read the metrics cost: a scrape's time, and what scrapes and broken clients do to the workers' pace.

#include <chrono>
#include <vector>

#include "rounds.hpp"

namespace bench {

/// How long each of the two times of a pair is, and how many pairs there are.
struct Slices {
    int pairs;
    std::chrono::milliseconds each;
};

/// Two workers at full speed; in one of the two slices the page is asked for over HTTP, 20 times a second.
std::vector<TimePair> pace_under_scrapes(const Slices& slices);

struct BrokenClients {
    std::vector<TimePair> pace;
    std::vector<double> scrape_ms;  ///< of the good scrapes meanwhile, from the connection to the end of the answer
    double grown_mib;               ///< the most that the process had in memory, above what it had without them
};

/// The same with 1,000 clients in another process in place of scrapes: a third is silent, a third sends half a request,
/// a third a byte a second; each comes back within a second when it was closed. A good scrape every 100 ms.
BrokenClients pace_under_broken_clients(const Slices& slices);

struct ScrapeTimes {
    std::vector<double> wall_ms;  ///< over HTTP, from the connection to the end of the answer
    std::vector<double> cpu_ms;   ///< of the process, which has both ends
    double page_kib;
};

/// Schedulers with so many workers each, every one a thread that holds its worker and is parked.
ScrapeTimes scrape_times(int schedulers, int workers, int scrapes);

}  // namespace bench
