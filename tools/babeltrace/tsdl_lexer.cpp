#include "tsdl_lexer.hpp"

#include <charconv>
#include <system_error>

#include "tsdl.hpp"

namespace tiffany::ctf::tsdl {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool begins_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool goes_on(char c) {
    return begins_word(c) || is_digit(c);
}

std::uint64_t number_of(std::string_view digits) {
    int base = 10;
    std::string_view rest = digits;
    if (rest.starts_with("0x")) {
        base = 16;
        rest.remove_prefix(2);
    } else if (rest.size() > 1 && rest.front() == '0') {
        base = 8;
    }
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
    if (failed != std::errc{} || end != rest.data() + rest.size())
        throw NotPlain{"the metadata has a number that is none: " + std::string{digits.substr(0, 40)}};
    return value;
}

}  // namespace

Token Lexer::take() {
    const Token taken = now_;
    advance();
    return taken;
}

void Lexer::skip_blanks() {
    for (;;) {
        if (!rest_.empty() && is_blank(rest_.front())) {
            rest_.remove_prefix(1);
        } else if (rest_.starts_with("/*")) {
            const std::size_t end = rest_.find("*/", 2);
            if (end == std::string_view::npos) throw NotPlain{"the metadata has a comment without an end"};
            rest_.remove_prefix(end + 2);
        } else {
            return;
        }
    }
}

void Lexer::advance() {
    skip_blanks();
    now_ = {};
    if (rest_.empty()) return;
    std::size_t size = 1;
    const char first = rest_.front();
    if (begins_word(first) || is_digit(first)) {
        while (size < rest_.size() && goes_on(rest_[size]))
            ++size;
        now_.kind = is_digit(first) ? TokenKind::number : TokenKind::word;
        now_.text = rest_.substr(0, size);
        if (now_.kind == TokenKind::number) now_.number = number_of(now_.text);
    } else if (first == '"') {
        while (size < rest_.size() && rest_[size] != '"') {
            if (rest_[size] < ' ' || rest_[size] > '~' || rest_[size] == '\\')
                throw NotPlain{"the metadata has a text with an escape or a character that is not ASCII"};
            ++size;
        }
        if (size == rest_.size()) throw NotPlain{"the metadata has a text without an end"};
        now_.kind = TokenKind::text;
        now_.text = rest_.substr(1, size - 1);
        ++size;
    } else {
        if (rest_.starts_with("..."))
            size = 3;
        else if (rest_.starts_with(":="))
            size = 2;
        else if (std::string_view{"{}[]()<>;:=,.-"}.find(first) == std::string_view::npos)
            throw NotPlain{"the metadata has a character that is not of TSDL as LTTng writes it"};
        now_.kind = TokenKind::sign;
        now_.text = rest_.substr(0, size);
    }
    rest_.remove_prefix(size);
}

}  // namespace tiffany::ctf::tsdl
