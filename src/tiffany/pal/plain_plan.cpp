#include "plain_plan.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldInfo;
using catalogue::FieldType;

ValueForm form_of(const FieldInfo& field) {
    if (field.is_string()) return ValueForm::text;
    if (field.type == FieldType::enumeration) return ValueForm::label;
    return field.type == FieldType::duration ? ValueForm::duration : ValueForm::number;
}

}  // namespace

void WordSet::add(std::string_view word, std::uint64_t number) {
    static_assert(kEvents < kSlots, "one slot is free at least, where a search ends");
    std::array<char, Token::kMost> bytes{};
    if (word.size() >= bytes.size()) throw std::length_error{"the word is too long"};
    std::ranges::copy(word, bytes.begin());
    bytes[word.size()] = '"';
    std::size_t slot = slot_of(bytes.data());
    while (words_[slot].text.size() != 0)
        slot = (slot + 1) % kSlots;
    words_[slot] = {Token{{bytes.data(), word.size() + 1}}, number};
}

PlainPlans::PlainPlans() {
    const std::vector<LinePlan> lines = make_line_plans();
    plans_.resize(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const LinePlan& line = lines[i];
        PlainPlan& plan = plans_[i];
        plan.info = line.info;
        plan.has_seq = line.has_seq;
        plan.has_tid = line.has_tid;
        plan.has_step = line.has_step;
        plan.kind = line.kind;
        for (const LinePlan::OwnField& own : line.own) {
            const FieldInfo& field = *own.info;
            PlainPlan::Field& added = plan.fields.emplace_back();
            added.form = form_of(field);
            const bool is_quoted = added.form == ValueForm::label || added.form == ValueForm::text;
            added.key = Token{own.key + (is_quoted ? "\"" : "")};
            added.slot = own.slot;
            if (added.form == ValueForm::label) added.labels = labels_of(*field.enumeration);
            if (added.form != ValueForm::text) added.most = field.most();
        }
    }
    for (PlainPlan& plan : plans_) {
        PlainPlan& first =
            *std::ranges::find(plans_, plan.info->record, [](const PlainPlan& p) { return p.info->record; });
        if (&first == &plan)
            names_.add(plan.info->record, static_cast<std::uint64_t>(&plan - plans_.data()));
        else
            plan.next = std::exchange(first.next, &plan);
    }
}

const WordSet* PlainPlans::labels_of(const catalogue::EnumInfo& enumeration) {
    const auto at = static_cast<std::size_t>(&enumeration - catalogue::enumerations().data());
    labels_.resize(catalogue::enumerations().size());
    if (labels_[at] == nullptr) {
        labels_[at] = std::make_unique<WordSet>();
        for (const catalogue::EnumValue& value : enumeration.values)
            labels_[at]->add(value.label, value.number);
    }
    return labels_[at].get();
}

}  // namespace tiffany::pal
