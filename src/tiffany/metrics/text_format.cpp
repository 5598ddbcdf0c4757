#include "text_format.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace tiffany {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr int kDigits = 16;                          // what most decimal fractions are told with as they were written
constexpr double kExactIntegers = 9007199254740992;  // 2^53

std::string_view name_of(MetricType type) noexcept {
    switch (type) {
        case MetricType::Counter:
            return "counter";
        case MetricType::Gauge:
            return "gauge";
        case MetricType::Summary:
            return "summary";
        case MetricType::Histogram:
            return "histogram";
        case MetricType::Untyped:
            break;
    }
    return "untyped";
}

class Page {
  public:
    /// @param bytes  that it will have, about
    explicit Page(std::size_t bytes) { text_.reserve(bytes); }
    std::string take() && { return std::move(text_); }

    void add(const MetricFamily& family) {
        if (!family.help.empty()) {
            add_all("# HELP ", family.name, " ");
            escape(text_, family.help, false);
            text_ += '\n';
        }
        add_all("# TYPE ", family.name, " ");
        add_all(name_of(family.type), "\n");
        name_ = family.name;
        for (const ClientMetric& metric : family.metric)
            add(metric, family.type);
    }

  private:
    void add(const ClientMetric& metric, MetricType type) {
        timestamp_ms_ = metric.timestamp_ms;
        labels_.clear();
        for (const ClientMetric::Label& label : metric.label) {
            if (!labels_.empty()) labels_ += ',';
            labels_ += label.name;
            labels_ += "=\"";
            escape(labels_, label.value, true);
            labels_ += '"';
        }
        switch (type) {
            case MetricType::Counter:
                line("", metric.counter.value);
                break;
            case MetricType::Gauge:
                line("", metric.gauge.value);
                break;
            case MetricType::Untyped:
                line("", metric.untyped.value);
                break;
            case MetricType::Summary:
                line("_count", metric.summary.sample_count);
                line("_sum", metric.summary.sample_sum);
                begin_lines_of("", "quantile");
                for (const ClientMetric::Quantile& quantile : metric.summary.quantile) {
                    std::string at;
                    number(at, quantile.quantile);
                    line_of(at, quantile.value);
                }
                break;
            case MetricType::Histogram:
                add(metric.histogram);
                break;
        }
    }
    void add(const ClientMetric::Histogram& histogram) {
        line("_count", histogram.sample_count);
        line("_sum", histogram.sample_sum);
        begin_lines_of("_bucket", "le");
        bool has_last = false;
        for (std::size_t i = 0; i < histogram.bucket.size(); ++i) {
            const ClientMetric::Bucket& bucket = histogram.bucket[i];
            line_of(bound(i, bucket.upper_bound), bucket.cumulative_count);
            has_last = bucket.upper_bound == std::numeric_limits<double>::infinity();
        }
        if (!has_last) line_of("+Inf", histogram.sample_count);
    }

    /// What a line begins with, up to the place of a further label.
    void begin(std::string& line, std::string_view suffix, bool has_more) const {
        line = name_;
        line += suffix;
        if (labels_.empty() && !has_more) return;
        line += '{';
        line += labels_;
        if (has_more && !labels_.empty()) line += ',';
    }
    template <typename Value>
    void end(Value value) {
        number(text_, value);
        if (timestamp_ms_ != 0) {
            text_ += ' ';
            number(text_, timestamp_ms_);
        }
        text_ += '\n';
    }
    template <typename Value>
    void line(std::string_view suffix, Value value) {
        begin(begin_, suffix, false);
        begin_ += labels_.empty() ? " " : "} ";
        text_ += begin_;
        end(value);
    }
    /// With a further label, whose name `begin_` ends with.
    template <typename Value>
    void line_of(std::string_view of_label, Value value) {
        text_ += begin_;
        text_ += of_label;
        text_ += "\"} ";
        end(value);
    }
    void begin_lines_of(std::string_view suffix, std::string_view label) {
        begin(begin_, suffix, true);
        begin_ += label;
        begin_ += "=\"";
    }
    void add_all(std::string_view first, std::string_view second, std::string_view third = {}) {
        text_ += first;
        text_ += second;
        text_ += third;
    }

    /// The text of a histogram's bound: most histograms have those of the one before.
    std::string_view bound(std::size_t i, double upper) {
        if (i >= bounds_.size()) bounds_.resize(i + 1);
        Bound& known = bounds_[i];
        if (known.text.empty() || known.upper != upper) {
            known.upper = upper;
            known.text.clear();
            number(known.text, upper);
        }
        return known.text;
    }

    static void escape(std::string& to, std::string_view text, bool quotes) {
        for (const char c : text) {
            if (c == '\n') {
                to += "\\n";
                continue;
            }
            if (c == '\\' || (c == '"' && quotes)) to += '\\';
            to += c;
        }
    }
    template <typename Integer>
    static void number(std::string& to, Integer value) {
        char digits[24];
        to.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    }
    static void number(std::string& to, double value) {
        if (std::isnan(value)) {
            to += "NaN";
        } else if (std::isinf(value)) {
            to += value < 0 ? "-Inf" : "+Inf";
        } else if (std::abs(value) < kExactIntegers && value == std::trunc(value)) {
            number(to, static_cast<std::int64_t>(value));
        } else {
            char digits[40];
            to.append(digits,
                      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, kDigits).ptr);
        }
    }

    struct Bound {
        double upper = 0;
        std::string text;
    };
    std::string text_;
    std::string_view name_;          // of the family
    std::string labels_;             // of the metric
    std::string begin_;              // of the metric's lines
    std::int64_t timestamp_ms_ = 0;  // likewise
    std::vector<Bound> bounds_;      // of the last histogram
};

}  // namespace

std::string text_format(const std::vector<MetricFamily>& families) {
    constexpr std::size_t kUsualLine = 72;
    std::size_t lines = 0;
    for (const MetricFamily& family : families)
        for (const ClientMetric& metric : family.metric)
            lines += 3 + metric.histogram.bucket.size() + metric.summary.quantile.size();
    Page page{lines * kUsualLine};
    for (const MetricFamily& family : families)
        page.add(family);
    return std::move(page).take();
}

}  // namespace tiffany
