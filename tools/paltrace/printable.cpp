#include "printable.hpp"

#include <algorithm>
#include <ostream>

namespace tiffany::paltrace {
namespace {

/// So many bytes of what acts on the terminal, or on how the text around it is shown, are at the front of `text`.
std::size_t control_bytes(std::string_view text) {
    const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto last_is = [&](unsigned from, unsigned to) { return byte(2) >= from && byte(2) <= to; };
    if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
    if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) return 2;  // C1
    if (byte(0) == 0xd8 && byte(1) == 0x9c) return 2;                    // U+061C
    const bool marks = byte(0) == 0xe2 && byte(1) == 0x80 && (last_is(0x8e, 0x8f) || last_is(0xaa, 0xae));
    const bool isolates = byte(0) == 0xe2 && byte(1) == 0x81 && last_is(0xa6, 0xa9);
    return marks || isolates ? 3 : 0;  // U+200E, U+200F, U+202A to U+202E; U+2066 to U+2069
}

}  // namespace

std::string printable(std::string_view text, bool lines) {
    std::string safe;
    safe.reserve(text.size());
    while (!text.empty()) {
        const std::size_t control = lines && text.front() == '\n' ? 0 : control_bytes(text);
        safe += control != 0 ? '?' : text.front();
        text.remove_prefix(std::max<std::size_t>(control, 1));
    }
    return safe;
}

PrintableStream::PrintableStream(std::ostream& stream) : stream_{stream}, to_{stream.rdbuf(this)} {}

PrintableStream::~PrintableStream() {
    stream_.rdbuf(to_);
}

PrintableStream::int_type PrintableStream::overflow(int_type byte) {
    if (traits_type::eq_int_type(byte, traits_type::eof())) return traits_type::not_eof(byte);
    const char plain = traits_type::to_char_type(byte);
    return xsputn(&plain, 1) == 1 ? byte : traits_type::eof();
}

std::streamsize PrintableStream::xsputn(const char* text, std::streamsize bytes) {
    const std::string safe = printable({text, static_cast<std::size_t>(bytes)}, true);
    const auto size = static_cast<std::streamsize>(safe.size());
    return to_->sputn(safe.data(), size) == size ? bytes : 0;
}

int PrintableStream::sync() {
    return to_->pubsync();
}

}  // namespace tiffany::paltrace
