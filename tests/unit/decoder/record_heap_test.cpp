#include "record_heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "record_pool.hpp"

namespace tiffany::ctf {
namespace {

using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;  // ts, worker, seq, as they came

TEST(RecordHeap, HandsOutTheEarliestOfAllSourcesHoweverTheyCome) {
    std::mt19937 random{7};
    for (const std::size_t sources : {1U, 2U, 3U, 5U, 40U}) {
        RecordPool pool;
        RecordHeap heap;
        std::vector<Key> waiting;
        std::uint64_t came = 0;
        for (int step = 0; step < 5'000; ++step) {
            if (random() % 2 == 0 || waiting.empty()) {
                pal::Record& record = pool.fresh();
                record.ts_ns = static_cast<std::uint64_t>(step) / 8 + random() % 6;  // ties, and late ones
                record.worker = {random() % 3, 0};
                record.seq = random() % 3;
                record.tid = came;
                heap.add(random() % sources, record, 0);
                waiting.emplace_back(record.ts_ns, record.worker.instance, record.seq, came++);
                continue;
            }
            const auto first = std::min_element(waiting.begin(), waiting.end());
            ASSERT_EQ(heap.first().tid, std::get<3>(*first));
            const RecordHeap::Place taken = heap.take();
            ASSERT_EQ(taken.record->tid, std::get<3>(*first));
            waiting.erase(first);
            ASSERT_EQ(heap.size(), waiting.size());
            pool.recycle(*taken.record);
        }
    }
}

}  // namespace
}  // namespace tiffany::ctf
