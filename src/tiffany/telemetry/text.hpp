#pragma once
/// Text as events carry it: UTF-8, bounded, with a final NUL.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tiffany::detail {

/// Copies `text` into `out`, which holds `out_bytes` with the final NUL: cut at a code point; each byte that is not
/// UTF-8 (or is NUL) becomes U+FFFD. Returns the bytes written, without the NUL. No allocation.
std::size_t copy_text(char* out, std::size_t out_bytes, std::string_view text) noexcept;

template <std::size_t Size>
std::size_t copy_text(char (&out)[Size], std::string_view text) noexcept {
    return copy_text(out, Size, text);
}

/// "file.cpp:line": the file's name without its folders, cut so that the line's number always fits.
void copy_site(char* out, std::size_t out_bytes, std::string_view file, std::uint32_t line) noexcept;

template <std::size_t Size>
void copy_site(char (&out)[Size], std::string_view file, std::uint32_t line) noexcept {
    copy_site(out, Size, file, line);
}

}  // namespace tiffany::detail
