#pragma once
// A scrape's text as {series: value}, and what has to hold in every one of them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

namespace tiffany {

using Page = std::map<std::string, double>;

/// A test fails if a series is there twice.
inline Page page_of(const std::string& text) {
    Page page;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        const std::size_t space = line.rfind(' ');
        EXPECT_TRUE(page.emplace(line.substr(0, space), std::strtod(line.c_str() + space, nullptr)).second)
            << "twice: " << line;
    }
    return page;
}

/// Of a histogram the last bucket is the count and no bucket is less than the one before; no value is below 0, and no
/// gauge is a difference that went below 0.
inline void expect_consistent(const Page& page) {
    for (const auto& [series, value] : page) {
        EXPECT_GE(value, 0) << series;
        EXPECT_LT(value, 1e12) << series;
        const std::size_t last = series.find("le=\"+Inf\"");
        if (last == std::string::npos) continue;
        // name_bucket{labels,le="+Inf"} -> name_count{labels}
        std::string count = series;
        count.erase(last - 1, std::string{",le=\"+Inf\""}.size());
        count.replace(count.find("_bucket"), 7, "_count");
        ASSERT_TRUE(page.contains(count)) << count;
        EXPECT_EQ(page.at(count), value) << series;
        std::map<double, double> buckets;
        const std::string begin = series.substr(0, last) + "le=\"";
        for (auto at = page.lower_bound(begin); at != page.end() && at->first.rfind(begin, 0) == 0; ++at)
            buckets[std::strtod(at->first.c_str() + begin.size(), nullptr)] = at->second;
        double before = 0;
        for (const auto& [bound, so_far] : buckets) {
            EXPECT_GE(so_far, before) << series << " at " << bound;
            before = so_far;
        }
        EXPECT_EQ(before, value) << series;
    }
}

/// Whether a series is one that only rises: a counter's, or a histogram's.
inline bool only_rises(const std::string& series) {
    const std::string name = series.substr(0, series.find('{'));
    for (const char* end : {"_total", "_bucket", "_count", "_sum"})
        if (name.ends_with(end)) return true;
    return false;
}

}  // namespace tiffany
