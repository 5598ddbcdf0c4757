// A trace that the native reader takes, or leaves.
#include "native_reader.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "taken.hpp"
#include "trace_parts.hpp"
#include "tsdl.hpp"

namespace {

tiffany::fuzz::Taken taken;  // traces that were read to their end, with records

/// Looks at all that it is given; time must not go back.
class Nowhere : public tiffany::ctf::FrameHandler {
  public:
    void facts(const tiffany::ctf::TraceFacts& facts) override {
        for (const std::string& event : facts.events)
            see(event);
        see(facts.host);
        see(facts.clock);
    }
    void begin(const tiffany::pal::Begin& begin) override { see(begin.trace); }
    void gap(const tiffany::pal::Gap& /*gap*/) override {}
    void end(const tiffany::pal::End& /*end*/) override {}
    void unknown(const tiffany::ctf::Counts& events, const tiffany::ctf::Counts& fields) override {
        for (const tiffany::ctf::Counts* const counts : {&events, &fields})
            for (const auto& [name, count] : *counts)
                see(name);
    }
    void left_out(std::uint64_t /*ticks*/) override {}
    void lacks(const std::string& what) override { see(what); }
    void cut(const std::string& what) override { see(what); }
    void record(const tiffany::pal::Record& record) {
        at(record.ts_ns);
        see(record.info != nullptr ? record.info->tracepoint : std::string_view{record.unknown});
        for (const std::string& text : record.texts)
            see(text);
        ++records;
    }
    void discarded(const tiffany::pal::Discarded& discarded) override { at(discarded.begin_ns); }

    std::uint64_t records = 0;

  private:
    void at(std::uint64_t ns) {
        if (ns < ns_) std::abort();
        ns_ = ns;
    }
    void see(std::string_view text) {
        for (const char byte : text)
            sum_ = sum_ + static_cast<unsigned char>(byte);
    }

    std::uint64_t ns_ = 0;
    volatile unsigned sum_ = 0;
};

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t most, unsigned seed) {
    return tiffany::fuzz::change_one_part(bytes, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const tiffany::fuzz::Folder folder;
    taken.input();
    const tiffany::fuzz::Parts parts = tiffany::fuzz::parts_of({reinterpret_cast<const char*>(bytes), size});
    write_streams(folder, parts);
    Nowhere nowhere;
    try {
        tiffany::ctf::RecordPool pool;
        tiffany::ctf::NativeReader reader{
            folder.path(), {.metadata = parts[0], .cut = {}}, (size & 1U) != 0, pool, [] {}};
        tiffany::ctf::RecordBatch batch{pool};
        for (; reader.next(batch, nowhere); batch.clear())
            for (const tiffany::pal::Record* const record : batch.records())
                nowhere.record(*record);
        if (nowhere.records != 0) taken.take();
    } catch (const tiffany::ctf::NotPlain&) {
    }
    return 0;
}
