// Sorts numbers by a parallel merge sort on oneTBB, with the sorting and merging tasks told.
//
//   tbb_sort [NUMBERS]                                  2,000,000 unless told
//   paltrace record --convert -- tbb_sort
//   TIFFANY_METRICS=127.0.0.1:9464 tbb_sort             serves metrics, and stays until its input ends

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <random>
#include <span>
#include <string_view>
#include <tiffany/adapters/tbb.hpp>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <vector>

namespace {

using Numbers = std::span<std::uint32_t>;

/// Merge sort: each half is a task, and a merge of long halves is two.
class Sorter {
  public:
    explicit Sorter(tiffany::tbb::Telemetry& telemetry)
        : telemetry_{telemetry}, sorting_{telemetry.group("sorting")}, merging_{telemetry.group("merging")} {}

    void sort(Numbers numbers, Numbers scratch) {
        if (numbers.size() <= kSmall) {
            std::sort(numbers.begin(), numbers.end());
            return;
        }
        const std::size_t middle = numbers.size() / 2;
        tiffany::tbb::task_group halves{telemetry_};
        halves.run({.name = "sort left", .group = sorting_},
                   [=, this] { sort(numbers.first(middle), scratch.first(middle)); });
        halves.run({.name = "sort right", .group = sorting_},
                   [=, this] { sort(numbers.subspan(middle), scratch.subspan(middle)); });
        halves.wait();
        merge(numbers.first(middle), numbers.subspan(middle), scratch);
        std::copy(scratch.begin(), scratch.end(), numbers.begin());
    }

  private:
    static constexpr std::size_t kSmall = 16'384;

    void merge(Numbers left, Numbers right, Numbers out) {
        if (out.size() <= 4 * kSmall) {
            std::merge(left.begin(), left.end(), right.begin(), right.end(), out.begin());
            return;
        }
        // what is below the left half's median goes before what is not
        const std::size_t in_left = left.size() / 2;
        const auto at = std::lower_bound(right.begin(), right.end(), left[in_left]);
        const auto in_right = static_cast<std::size_t>(at - right.begin());
        tiffany::tbb::task_group parts{telemetry_};
        parts.run({.name = "merge low", .group = merging_},
                  [=, this] { merge(left.first(in_left), right.first(in_right), out.first(in_left + in_right)); });
        parts.run_and_wait({.name = "merge high", .group = merging_}, [=, this] {
            merge(left.subspan(in_left), right.subspan(in_right), out.subspan(in_left + in_right));
        });
    }

    tiffany::tbb::Telemetry& telemetry_;
    std::uint16_t sorting_;
    std::uint16_t merging_;
};

}  // namespace

int main(int argc, char** argv) try {
    std::size_t count = 2'000'000;
    if (argc > 1) {
        const std::string_view given{argv[1]};
        const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), count);
        if (error != std::errc{} || end != given.data() + given.size()) {
            std::cerr << "tbb_sort: expected how many numbers, found " << given << '\n';
            return 2;
        }
    }
    std::vector<std::uint32_t> numbers(count);
    std::generate(numbers.begin(), numbers.end(), std::mt19937{});
    std::vector<std::uint32_t> scratch(count);

    tiffany::tbb::Telemetry telemetry{"sort"};
    const auto metrics = tiffany::make_collectable(telemetry);
    const auto server = tiffany::MetricsServer::from_environment();
    if (server) {
        server->add(metrics);
        std::cerr << "metrics on " << server->url() << '\n';
    }
    {
        tiffany::tbb::task_arena arena{telemetry, 4};
        arena.execute({.name = "sort all"}, [&] { Sorter{telemetry}.sort(numbers, scratch); });
    }
    if (!std::is_sorted(numbers.begin(), numbers.end())) {
        std::cerr << "tbb_sort: the numbers are not sorted\n";
        return 1;
    }
    std::cout << "tbb_sort: " << telemetry.transitions() << " transitions" << std::endl;
    if (server) std::cin.get();
} catch (const std::exception& error) {  // the port of TIFFANY_METRICS is taken, say
    std::cerr << "tbb_sort: " << error.what() << '\n';
    return 1;
}
