#pragma once
/// The text of a scrape, for a program that has an HTTP server, or a file, of its own.
///
///     my_server.on_get("/metrics", [=] {
///         return Answer{tiffany::kScrapeType, tiffany::scrape_text({metrics, process, registry})};
///     });

#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Collectable;
}

namespace tiffany {

/// The Content-Type that goes with the text.
inline constexpr const char* kScrapeType = "text/plain; version=0.0.4; charset=utf-8";

/// Collects once and gives the text format 0.0.4. Each family stands there once, each series too: schedulers of one
/// name are told as one, and of two other series with the same name and labels the first is kept. A null pointer is
/// passed over. Any thread. Cost: that of the collectables, and the text. Errors: std::bad_alloc, also where
/// `Collect()` of one of ours would leave something out; whatever another collectable throws.
std::string scrape_text(const std::vector<std::shared_ptr<prometheus::Collectable>>& from);

}  // namespace tiffany
