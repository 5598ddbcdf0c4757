#include "text.hpp"

#include <charconv>
#include <cstring>

namespace tiffany::detail {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_continuation(char byte) noexcept {
    return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

// Length of the well-formed sequence at the start of `text`, or 0. Unicode 15, table 3-7: no overlong forms, no
// surrogates, nothing above U+10FFFF.
std::size_t sequence_bytes(std::string_view text) noexcept {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first == 0) return 0;
    if (first < 0x80) return 1;
    const std::size_t bytes = first >= 0xc2 && first <= 0xdf   ? 2
                              : first >= 0xe0 && first <= 0xef ? 3
                              : first >= 0xf0 && first <= 0xf4 ? 4
                                                               : 0;
    if (bytes == 0 || text.size() < bytes) return 0;
    for (std::size_t i = 1; i < bytes; ++i)
        if (!is_continuation(text[i])) return 0;
    const auto second = static_cast<unsigned char>(text[1]);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return bytes;
}

}  // namespace

std::size_t copy_text(char* out, std::size_t out_bytes, std::string_view text) noexcept {
    const std::size_t room = out_bytes - 1;
    std::size_t used = 0;
    while (!text.empty()) {
        const std::size_t bytes = sequence_bytes(text);
        const std::string_view piece = bytes == 0 ? kReplacement : text.substr(0, bytes);
        if (piece.size() > room - used) break;
        std::memcpy(out + used, piece.data(), piece.size());
        used += piece.size();
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    out[used] = '\0';
    return used;
}

void copy_site(char* out, std::size_t out_bytes, std::string_view file, std::uint32_t line) noexcept {
    if (file.empty()) {  // a task that was spawned without a site has none
        out[0] = '\0';
        return;
    }
    char number[1 + 10];  // ':' and the digits of a 32-bit number
    number[0] = ':';
    const auto end = std::to_chars(number + 1, number + sizeof number, line).ptr;
    const auto number_bytes = static_cast<std::size_t>(end - number);
    const std::size_t slash = file.rfind('/');
    const std::string_view name = slash == std::string_view::npos ? file : file.substr(slash + 1);
    const std::size_t used = copy_text(out, out_bytes - number_bytes, name);
    std::memcpy(out + used, number, number_bytes);
    out[used + number_bytes] = '\0';
}

}  // namespace tiffany::detail
