// A trace that babeltrace2 and Decoder take, or refuse; what the native reader gives of it is the first part of what
// they give, and all of it if it came to its end. libbabeltrace2 is not instrumented: it is tested that what is refused
// before is all that it does not survive.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "bounded_trace.hpp"
#include "ctf_graph.hpp"
#include "decoder.hpp"
#include "find_bad_stream.hpp"
#include "metadata_check.hpp"
#include "missing_buffers.hpp"
#include "native_reader.hpp"
#include "stream_end.hpp"
#include "taken.hpp"
#include "told.hpp"
#include "trace_parts.hpp"
#include "whole_index.hpp"

namespace {

using tiffany::ctf::Counts;

tiffany::fuzz::Taken taken;  // traces that both read to their end, with records

/// All that a reader tells, as lines.
class Told : public tiffany::ctf::FrameHandler, public tiffany::ctf::TraceSink {
  public:
    void facts(const tiffany::ctf::TraceFacts& facts) override {
        std::string events;
        for (const std::string& event : facts.events)
            events += ' ' + event;
        line("facts", {facts.tiffany, facts.selection, facts.from_start}, {facts.clock, facts.host, events});
    }
    void record(const tiffany::pal::Record& record) override {
        text += tiffany::fuzz::told(record) + '\n';
        ++records;
    }
    void discarded(const tiffany::pal::Discarded& lost) override {
        line("discarded",
             {lost.begin_ns, lost.end_ns, lost.count, lost.only_transitions, lost.counted, lost.only_others}, {});
    }
    void unknown(const Counts& events, const Counts& fields) override {
        for (const Counts* const counts : {&events, &fields})
            for (const auto& [name, count] : *counts)
                line("unknown", {count}, {name});
    }
    void left_out(std::uint64_t ticks) override { line("left out", {ticks}, {}); }
    void begin(const tiffany::pal::Begin& /*begin*/) override { std::abort(); }
    void gap(const tiffany::pal::Gap& /*gap*/) override { std::abort(); }
    void end(const tiffany::pal::End& /*end*/) override { std::abort(); }
    void lacks(const std::string& /*what*/) override { std::abort(); }
    void cut(const std::string& /*what*/) override { std::abort(); }

    std::string text;
    std::uint64_t records = 0;
    bool whole = false;  ///< it came to its end

  private:
    void line(std::string_view what, std::initializer_list<std::uint64_t> numbers,
              std::initializer_list<std::string_view> texts) {
        text += what;
        for (const std::uint64_t number : numbers)
            text += ' ' + std::to_string(number);
        for (const std::string_view own : texts)
            text.append(1, ' ').append(own);
        text += '\n';
    }
};

Told natively(const std::string& directory, const tiffany::ctf::CheckedFiles& checked, bool ticks) {
    Told told;
    try {
        tiffany::ctf::RecordPool pool;
        tiffany::ctf::NativeReader reader{directory, checked, ticks, pool, [] {}};
        tiffany::ctf::RecordBatch batch{pool};
        for (; reader.next(batch, told); batch.clear())
            for (const tiffany::pal::Record* const record : batch.records())
                told.record(*record);
        told.whole = true;
    } catch (const tiffany::ctf::NotPlain&) {
    }
    return told;
}

Told with_babeltrace2(const std::string& directory, bool ticks) {
    Told told;
    tiffany::ctf::Decoder decoder{told, ticks};
    try {
        tiffany::ctf::decode_trace(directory, [&decoder](const bt_message* message) { decoder.message(message); });
    } catch (const tiffany::Error& error) {
        if (error.kind() != tiffany::ErrorKind::content) throw;
        tiffany::ctf::find_bad_stream(directory, [] {});
        return told;
    }
    Counts events;
    Counts fields;
    decoder.add_unknown(events, fields);
    told.unknown(events, fields);
    if (decoder.ticks_left_out() != 0) told.left_out(decoder.ticks_left_out());
    told.whole = true;
    return told;
}

void bound(tiffany::ctf::BoundedTrace& trace, const std::vector<tiffany::ctf::StreamEnd>& cut) {
    for (const tiffany::ctf::StreamEnd& stream : cut) {
        const std::string name = std::filesystem::path{stream.file}.filename();
        trace.add(name, "");
        const auto add = [&trace, &name](std::string_view bytes) { trace.add(name, bytes); };
        if (stream.packets != 0) tiffany::ctf::write_whole_index(stream, add, [] {});
    }
    trace.link_all();
}

/// Whether the streams are ones that are not refused where packets are laid out as LTTng does it. Nobody looks where
/// the metadata says another layout, and babeltrace2 aborts at a packet of 2^63 bits, and goes on for ever behind one
/// without any. That costs a decoder its process (ADR 4), and here would be the end of each run.
bool are_whole(const std::string& directory) {
    for (const char* const stream : {"a", "b", "c"}) {
        const std::filesystem::path file = std::filesystem::path{directory} / stream;
        if (!std::filesystem::exists(file)) continue;
        try {
            if (tiffany::ctf::find_stream_end(file.string(), [] {}).is_cut) return false;
        } catch (const tiffany::Error&) {
            return false;
        }
    }
    return true;
}

/// babeltrace2 takes memory for as many elements as a trace says, before it looks whether they are there: in a decoder
/// what bounds it is RLIMIT_AS (child_source.hpp), which is not here.
bool has_long_arrays(std::string_view metadata) {
    constexpr std::size_t kMostDigits = 3;
    for (std::size_t at = 0; (at = metadata.find('[', at)) != std::string_view::npos;) {
        at = metadata.find_first_not_of(" \t\n", at + 1);
        const std::size_t end = metadata.find_first_not_of("0123456789", at);
        if (end == std::string_view::npos || end == at || end - at > kMostDigits) return true;
    }
    return false;
}

void compare(const Told& native, const Told& babeltrace2) {
    const bool same = native.whole ? babeltrace2.whole && native.text == babeltrace2.text
                                   : std::string_view{babeltrace2.text}.starts_with(native.text);
    if (same) return;
    std::fprintf(stderr, "natively%s:\n%s\nwith babeltrace2%s:\n%s\n", native.whole ? ", to the end" : "",
                 native.text.c_str(), babeltrace2.whole ? ", to the end" : "", babeltrace2.text.c_str());
    std::abort();
}

}  // namespace

/// libbabeltrace2 2.0.4 loses memory of what it refuses; here it is asked more often than once in a process.
extern "C" const char* __asan_default_options() {  // NOLINT(bugprone-reserved-identifier): the sanitizer calls it so
    return "detect_leaks=0";
}

/// Not the metadata, of which there are many kept: babeltrace2 aborts at some, or divides by a zero in them. That costs
/// a decoder its process, and here would be the end of each run.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t most, unsigned seed) {
    return tiffany::fuzz::change_one_part(bytes, size, most, seed, 1);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const tiffany::fuzz::Folder folder;
    taken.input();
    const tiffany::fuzz::Parts parts = tiffany::fuzz::parts_of({reinterpret_cast<const char*>(bytes), size});
    folder.write("metadata", parts[0]);
    write_streams(folder, parts);
    try {
        const tiffany::ctf::CheckedFiles checked = tiffany::ctf::check_files(folder.path(), [] {});
        if (tiffany::ctf::missing_buffers(checked.metadata).all || has_long_arrays(checked.metadata)) return 0;
        std::optional<tiffany::ctf::BoundedTrace> bounded;
        if (!checked.cut.empty())
            bound(bounded.emplace(folder.path()), checked.cut);
        else if (!are_whole(folder.path()))
            return 0;
        const bool ticks = (size & 1U) != 0;
        const Told native = natively(folder.path(), checked, ticks);
        const Told babeltrace2 = with_babeltrace2(bounded ? bounded->directory() : folder.path(), ticks);
        compare(native, babeltrace2);
        if (native.whole && native.records != 0) taken.take();
    } catch (const tiffany::Error& error) {
        if (error.kind() == tiffany::ErrorKind::content) return 0;
        std::fprintf(stderr, "%s\n", error.one_line().c_str());
        std::abort();
    }
    return 0;
}
