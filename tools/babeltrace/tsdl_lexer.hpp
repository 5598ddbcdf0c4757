#pragma once
/// Takes TSDL text apart into words.

#include <cstdint>
#include <string>
#include <string_view>

namespace tiffany::ctf::tsdl {

enum class TokenKind : std::uint8_t { end, word, number, text, sign };

struct Token {
    TokenKind kind = TokenKind::end;
    std::string_view text;     // of a text: without its quotes
    std::uint64_t number = 0;  // of a number
};

class Lexer {
  public:
    explicit Lexer(std::string_view text) : rest_{text} { advance(); }

    const Token& now() const { return now_; }
    /// Errors: NotPlain for anything that LTTng does not write: an escape, a character that is not ASCII, ...
    Token take();

  private:
    void skip_blanks();
    void advance();

    std::string_view rest_;
    Token now_;
};

}  // namespace tiffany::ctf::tsdl
