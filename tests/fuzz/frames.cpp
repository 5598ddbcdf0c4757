// What a decoder sends, were it taken over by its trace: frames of [u16 size][bytes], and the judge of losses that gets
// what is in them.
#include "frames.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <tiffany/pal/loss.hpp>

namespace {

class Nowhere : public tiffany::pal::EntrySink {
  public:
    void begin(const tiffany::pal::Begin&) override {}
    void record(const tiffany::pal::Record&) override {}
    void gap(const tiffany::pal::Gap&) override {}
    void end(const tiffany::pal::End&) override {}
};

class Judged : public tiffany::ctf::FrameHandler {
  public:
    void facts(const tiffany::ctf::TraceFacts& facts) override {
        if (facts.from_start) judge.mark_from_start(source);
        if (facts.selection) judge.mark_selection(source);
    }
    void begin(const tiffany::pal::Begin& begin) override {
        if (!begin.first.empty()) judge.mark_from_the_middle(source);
    }
    void discarded(const tiffany::pal::Discarded& discarded) override { judge.discarded(source, discarded); }
    void gap(const tiffany::pal::Gap& gap) override { judge.told(source, gap); }
    void end(const tiffany::pal::End& end) override { judge.told(source, end); }
    void unknown(const tiffany::ctf::Counts&, const tiffany::ctf::Counts&) override {}
    void left_out(std::uint64_t) override {}
    void lacks(const std::string&) override {}
    void cut(const std::string&) override {}

    Nowhere nowhere;
    tiffany::pal::LossJudge judge{nowhere};
    std::size_t source = judge.add_source();
};

/// Takes what a trace's child sends for its BoundedTrace, and what is read of metadata that may be lent.
class Kept : public tiffany::ctf::ChildHandler {
  public:
    void metadata(std::string_view uuid, std::string_view text) override { see(uuid), see(text); }
    void index(std::string_view stream, std::string_view bytes) override { see(stream), see(bytes); }
    void bounds(const tiffany::ctf::Said& said) override {
        sum_ = sum_ + static_cast<unsigned>(said.bytes ^ said.hash);
    }

  private:
    void see(std::string_view text) {
        for (const char byte : text)
            sum_ = sum_ + static_cast<unsigned char>(byte);
    }

    volatile unsigned sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Judged judged;
    Kept kept;
    tiffany::pal::Record record;
    judged.judge.begin({});
    std::string_view rest{reinterpret_cast<const char*>(bytes), size};
    try {
        std::uint16_t length = 0;
        while (rest.size() >= sizeof length) {
            std::memcpy(&length, rest.data(), sizeof length);
            rest.remove_prefix(sizeof length);
            const std::string_view frame = rest.substr(0, length);
            rest.remove_prefix(frame.size());
            if (take_frame(frame, record, judged, kept) == tiffany::ctf::FrameResult::record)
                judged.judge.record(judged.source, record);
        }
    } catch (const tiffany::Error&) {
    }
    judged.judge.ended(judged.source);
    judged.judge.finish();
    return 0;
}
