// A trace that the native reader takes, or leaves: [u16 size][metadata's text], then [u16 size][bytes] for the index of
// the first stream and for three streams. An index or a stream without bytes is not there.
#include "native_reader.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "inputs.hpp"
#include "taken.hpp"
#include "tsdl.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace {

constexpr std::array kFiles{"index/a.idx", "a", "b", "c"};
constexpr std::size_t kParts = kFiles.size() + 1;

using Parts = std::array<std::string, kParts>;

Parts parts_of(std::string_view input) {
    Parts parts;
    for (std::string& part : parts)
        part = tiffany::fuzz::take_part(input);
    return parts;
}

std::size_t put(const Parts& parts, std::uint8_t* out, std::size_t most) {
    std::string made;
    for (const std::string& part : parts) {
        const auto size = static_cast<std::uint16_t>(part.size());
        made.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
    }
    const std::size_t size = std::min(made.size(), most);
    std::memcpy(out, made.data(), size);
    return size;
}

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

/// Makes a stream's first packet as long as the stream: else most inputs end at its header.
void make_one_packet(std::string& stream) {
    constexpr std::size_t kSizes = 48;  // where its content's size is, in bits, and the packet's behind it
    const std::uint64_t bits = stream.size() * 8;
    if (stream.size() < kSizes + 2 * sizeof bits) return;
    std::memcpy(stream.data() + kSizes, &bits, sizeof bits);
    std::memcpy(stream.data() + kSizes + sizeof bits, &bits, sizeof bits);
}

}  // namespace

/// Changes one part, a stream twice as often as the others, and leaves the sizes right.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size, std::size_t most, unsigned seed) {
    constexpr std::array<std::size_t, 7> kWhich{0, 0, 1, 2, 2, 3, 4};
    constexpr std::size_t kGrowth = 64;
    Parts parts = parts_of({reinterpret_cast<const char*>(bytes), size});
    const std::size_t which = kWhich.at(seed % kWhich.size());
    std::string& part = parts.at(which);
    const std::size_t before = part.size();
    part.resize(std::min<std::size_t>(before + kGrowth, 0xffff));
    part.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(part.data()), before, part.size()));
    if (which > 1 && seed / kWhich.size() % 2 == 0) make_one_packet(part);
    return put(parts, bytes, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const tiffany::fuzz::Folder folder;
    taken.input();
    const Parts parts = parts_of({reinterpret_cast<const char*>(bytes), size});
    for (std::size_t i = 0; i < kFiles.size(); ++i)
        if (parts.at(i + 1).empty())
            folder.remove(kFiles.at(i));
        else
            folder.write(kFiles.at(i), parts.at(i + 1));
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
