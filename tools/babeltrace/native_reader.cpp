#include "native_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "event_layout.hpp"
#include "stream_file.hpp"
#include "stream_reader.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

/// The streams of a trace, merged by time: of one time first those of the stream class, then of the stream with the
/// lesser number, as babeltrace2's muxer has it.
class Merge {
  public:
    Merge(const TraceLayout& trace, std::vector<StreamFiles> streams, const std::function<void()>& on_progress) {
        for (StreamFiles& files : streams)
            streams_.push_back(std::make_unique<StreamReader>(trace, std::move(files), on_progress));
        for (std::size_t rank = 0; rank < streams_.size(); ++rank)
            add(rank);
    }

    /// Calls `take` with each stream when its item is next.
    template <typename Take>
    void run(const Take& take) {
        while (!heads_.empty()) {
            std::pop_heap(heads_.begin(), heads_.end(), kLater);
            const std::size_t rank = heads_.back().rank;
            heads_.pop_back();
            StreamReader& stream = *streams_[rank];
            do {
                take(stream, item_[rank]);
                item_[rank] = stream.next();
            } while (item_[rank] != Item::end && (heads_.empty() || !kLater(Head{stream.ns(), rank}, heads_.front())));
            if (item_[rank] != Item::end) push({stream.ns(), rank});
        }
    }

  private:
    using Item = StreamReader::Item;
    struct Head {
        std::uint64_t ns;
        std::size_t rank;
    };
    static constexpr auto kLater = [](const Head& a, const Head& b) {
        return std::pair{a.ns, a.rank} > std::pair{b.ns, b.rank};
    };

    void add(std::size_t rank) {
        item_.push_back(streams_[rank]->next());
        if (item_[rank] != Item::end) push({streams_[rank]->ns(), rank});
    }
    void push(const Head& head) {
        heads_.push_back(head);
        std::push_heap(heads_.begin(), heads_.end(), kLater);
    }

    std::vector<std::unique_ptr<StreamReader>> streams_;
    std::vector<Item> item_;
    std::vector<Head> heads_;
};

}  // namespace

Leftovers read_plain_trace(const std::string& directory, std::string_view text, bool ticks, TraceSink& sink,
                           const std::function<void()>& on_progress) try {
    const TraceLayout trace = lay_out(tsdl::parse(text), ticks);
    std::vector<StreamFiles> streams = find_streams(directory, trace);
    if (streams.empty()) return {};
    sink.facts(trace.facts);
    ProcessIds pids;
    Merge{trace, std::move(streams), on_progress}.run([&](StreamReader& stream, StreamReader::Item item) {
        if (item == StreamReader::Item::discarded) {
            sink.discarded(stream.discarded());
            return;
        }
        pal::Record& record = stream.record();
        if (stream.event().tells_pid() && stream.event().pid() != 0)
            pids.tell(record.worker.instance, stream.event().pid());
        record.pid = pids.of(record.worker.instance, trace.pid);
        sink.record(record);
    });
    Leftovers left;
    trace.add_unknown(left.unknown_events, left.unknown_fields);
    left.ticks_left_out = trace.ticks_left_out();
    return left;
} catch (const std::filesystem::filesystem_error& error) {
    throw NotPlain{error.what()};
}

}  // namespace tiffany::ctf
