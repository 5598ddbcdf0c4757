#include "printable.hpp"

#include <ostream>

namespace tiffany::paltrace {

std::string printable(std::string_view text, bool lines) {
    std::string safe;
    safe.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if ((byte < 0x20 && !(lines && byte == '\n')) || byte == 0x7f || c1) {
            safe += '?';
            if (c1) ++i;
        } else {
            safe += text[i];
        }
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
