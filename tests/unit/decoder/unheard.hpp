#pragma once
/// Takes what a decoding child tells beside records, and keeps what it said of the trace.

#include "frames.hpp"

namespace tiffany::ctf::test {

class Unheard : public FrameHandler {
  public:
    void facts(const TraceFacts& facts) override {
        ++told_facts;
        tiffany = facts.tiffany;
    }
    void begin(const pal::Begin&) override {}
    void discarded(const pal::Discarded&) override {}
    void gap(const pal::Gap&) override {}
    void end(const pal::End&) override {}
    void unknown(const Counts&, const Counts&) override {}
    void left_out(std::uint64_t) override {}
    void lacks(const std::string&) override {}
    void cut(const std::string&) override {}

    int told_facts = 0;
    bool tiffany = false;
};

}  // namespace tiffany::ctf::test
