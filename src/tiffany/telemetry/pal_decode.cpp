#include "pal_decode.hpp"

#include <cstring>

namespace tiffany::detail {
namespace {

using catalogue::FieldInfo;
using catalogue::FieldRole;

/// Walks over a struct by the compiler's own rule: a member lies at the next multiple of its alignment, which is its
/// size, or 1 for a string. A test holds it against the real structs, filled by name.
class Walk {
  public:
    explicit Walk(const std::byte* event) noexcept : event_{event} {}

    std::uint64_t number(std::size_t bytes) noexcept {
        at_ = (at_ + bytes - 1) / bytes * bytes;
        const std::byte* from = event_ + at_;
        at_ += bytes;
        switch (bytes) {
            case 1:
                return read<std::uint8_t>(from);
            case 2:
                return read<std::uint16_t>(from);
            case 4:
                return read<std::uint32_t>(from);
            default:
                return read<std::uint64_t>(from);
        }
    }
    std::string_view text(std::size_t max_bytes) noexcept {
        const char* from = reinterpret_cast<const char*>(event_ + at_);
        at_ += max_bytes + 1;
        return {from, strnlen(from, max_bytes)};
    }

  private:
    template <typename Number>
    static std::uint64_t read(const std::byte* from) noexcept {
        Number number;
        std::memcpy(&number, from, sizeof number);
        return number;
    }

    const std::byte* event_;
    std::size_t at_ = 0;
};

}  // namespace

void decode_event(const catalogue::EventInfo& info, const std::byte* event, pal::Record& record) {
    record.info = &info;
    record.worker = {};
    record.seq = record.tid = record.step = 0;
    record.numbers.fill(0);
    for (std::string& text : record.texts)
        text.clear();
    Walk walk{event};
    std::size_t texts = 0;
    for (std::size_t i = 0; i < info.fields.size(); ++i) {
        const FieldInfo& field = info.fields[i];
        if (field.is_string()) {
            record.texts[texts++].assign(walk.text(field.max_bytes));
            continue;
        }
        const std::uint64_t number = walk.number(field.max_bytes);
        switch (field.role) {
            case FieldRole::worker:
                record.worker = pal::WorkerId::from_event(number);
                break;
            case FieldRole::tid:
                record.tid = number;
                break;
            case FieldRole::seq:
                record.seq = number;
                break;
            case FieldRole::step:
                record.step = number;
                break;
            case FieldRole::pid:
                record.pid = static_cast<std::uint32_t>(number);
                break;
            case FieldRole::own:
                record.numbers[i] = number;
                break;
        }
    }
}

}  // namespace tiffany::detail
