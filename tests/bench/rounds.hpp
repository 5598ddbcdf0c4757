#pragma once
/// What the benchmarks share: measurements that each run in a process of their own, and what is said of many of them.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// What one measurement told.
struct Run {
    std::vector<double> numbers;  ///< that it printed
    double cpu_ns = 0;            ///< of its whole process, beginning and end included
};

/// Runs this program once more, with these arguments, to its end. Ends this one with status 3 if that fails.
Run run_self(const std::vector<std::string>& arguments);

/// What was measured of each way, round by round.
using Measured = std::map<std::string, std::vector<double>>;

/// Measures each way once a round. Each round begins with another one, so that none always comes first.
Measured by_turns(const std::vector<std::string>& ways, int rounds,
                  const std::function<double(const std::string& way)>& measure);

/// What a transition costs, CPU ns, in a time with what is asked about and in one without, one right after the other:
/// so that both meet the same moods of the machine and of the CPU.
struct TimePair {
    double with_ns;
    double without_ns;
};

/// CPU time of the calling thread.
std::uint64_t thread_cpu_ns();
/// Keeps the calling thread on the nth of the CPUs that it may use, so that several run side by side from the start.
/// With more threads than CPUs: on any.
void stay_on_cpu(int nth);

double median(std::vector<double> values);
/// The median of the distances from the median.
double median_deviation(const std::vector<double>& values);
/// What others do on the machine only ever adds: the least is nearest to what a thing costs.
double best(const std::vector<double>& values);
/// Round by round, so that a slow moment of the machine meets both sides.
std::vector<double> ratios(const std::vector<double>& above, const std::vector<double>& below);

/// Two things measured side by side, round by round.
struct Comparison {
    std::string name;           ///< "Transition: hooks off / no hooks": unique in its program
    std::vector<double> above;  ///< in `unit`
    std::vector<double> below;  ///< as many
    std::string flattered_by;
    std::string unit = "ns";
};

/// What `--json FILE` writes of a program's comparisons, beside what it prints: a list of objects
///
///     {"name":"...", "ratio":1.2, "mad":0.1, "pairs":15, "flattered_by":"...", "a":5.1, "b":4.2, "unit":"ns",
///      "a_mad":0.1, "difference_mad":0.1}
///
/// ratio and mad: the median of the rounds' ratios and its spread; a and b: the medians of what is above and below the
/// line; a_mad and difference_mad: the spread of a, and of the rounds' differences of a and b. What a ratio is held
/// against is in bars.json alone.
class Results {
  public:
    void add(Comparison seen) { all_.push_back(std::move(seen)); }
    /// Ends the program with status 3 if that fails; does nothing if the name is empty.
    void write(const std::string& file) const;

  private:
    std::vector<Comparison> all_;
};

/// Takes an option and its value out of a command line. Returns the value; "" if the option was not there.
std::string take_option(int& argc, char** argv, std::string_view option);

/// `--json FILE`, taken like that.
std::string take_json_file(int& argc, char** argv);

}  // namespace bench
