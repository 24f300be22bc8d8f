// vecs-cli entry list: one pass over the store.

#include <charconv>
#include <chrono>
#include <iostream>

#include "tools/json_text.h"
#include "tools/system.h"
#include "tools/vecs/entry_view.h"
#include "tools/vecs/errors.h"
#include "tools/vecs/store_place.h"

namespace certfs::vecs {

namespace fs = std::filesystem;

namespace {

using std::chrono::sys_seconds;

// "30d" or "30": until when something has to end to be listed.
Result<std::optional<sys_seconds>> LimitOf(const Options& options) {
  if (options.expiring.empty()) return std::optional<sys_seconds>();
  std::string_view text = options.expiring;
  if (text.ends_with('d')) text.remove_suffix(1);
  constexpr unsigned kDaysMax = 36500;
  unsigned days = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), days);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || days > kDaysMax) {
    return Error(ErrorCode::kInvalidArgument,
                 "--expiring " + options.expiring + ": say it in days, at most 36500: 30d");
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return std::optional<sys_seconds>(now + std::chrono::days(days));
}

// What could not be shown, each of which was said on stderr.
struct Unread {
  std::size_t count = 0;
  bool damaged = false;

  Result<void> Tell() const {
    if (count == 0) return {};
    return Error(damaged ? ErrorCode::kCorrupt : ErrorCode::kNotPermitted,
                 "the list is not whole: " + std::to_string(count) + " entries cannot be read");
  }
};

// Calls `use` with each entry of `names` that is there, and ends before the limit if there is one. Those that
// cannot be read are said on stderr and counted.
template <typename Use>
Unread ForEach(const StorePlace& store, const std::vector<std::string>& names,
               const std::optional<sys_seconds>& limit, Use&& use) {
  Unread unread;
  for (const std::string& name : names) {
    const auto view = ViewOf(store.mount, store.directory / name);
    if (!view.has_value()) {
      if (view.error().code() == ErrorCode::kNotFound) continue;  // It went meanwhile.
      std::cerr << "vecs-cli: [" << name << "]: " << view.error().message() << "\n";
      ++unread.count;
      unread.damaged |= view.error().code() == ErrorCode::kCorrupt;
      continue;
    }
    if (limit) {
      const auto end = EndOf(view.value());
      if (!end || *end > *limit) continue;
    }
    use(view.value());
  }
  return unread;
}

void Print(const EntryView& view, const Options& options) {
  if (options.aliases) {
    std::cout << view.alias << "\n";
    return;
  }
  std::cout << "Alias :\t" << view.alias << "\nEntry type :\t" << view.type << "\n";
  if (options.text && !view.pem.empty()) {
    std::cout << TextOf(view);
  } else {
    std::cout << "Certificate :\t" << AsText(view.pem) << "\n\n";
  }
}

Result<void> ListAsJson(const StorePlace& store, const std::vector<std::string>& names,
                        const std::optional<sys_seconds>& limit, bool aliases) {
  Json entries = Json::array();
  Unread unread;
  if (aliases && !limit) {
    for (const std::string& name : names) entries.push_back(name);
  } else {
    unread = ForEach(store, names, limit, [&](const EntryView& view) {
      entries.push_back(aliases ? Json(view.alias) : ToJson(view));
    });
  }
  const std::size_t count = entries.size();
  Json object{{"store", ShownName(store.name.text())},
              {"count", count},
              {"not_readable", unread.count},
              {aliases ? "aliases" : "entries", std::move(entries)}};
  const auto whole = unread.Tell();
  if (!whole.has_value()) object.update(ErrorJson(whole.error()));
  PrintJson(object);
  if (whole.has_value()) return {};
  return Error(whole.error().code(), kToldInObject, whole.error().message());
}

}  // namespace

Result<void> ListEntries(const Options& options) {
  const std::optional<sys_seconds> limit = TRY(LimitOf(options));
  const StorePlace store = TRY(FindStore(options));
  const auto names = NamesIn(store.directory);
  if (!names.has_value()) return Explain(names.error(), store.mount, store.directory, "read");
  if (options.json) return ListAsJson(store, names.value(), limit, options.aliases);
  const auto count = [](std::size_t entries) {
    std::cout << "Number of entries in store :\t" << entries << "\n";
  };
  if (limit) {
    std::vector<EntryView> ending;
    const Unread unread =
        ForEach(store, names.value(), limit, [&](const EntryView& view) { ending.push_back(view); });
    count(ending.size());
    for (const EntryView& view : ending) Print(view, options);
    return unread.Tell();
  }
  count(names.value().size());
  if (options.aliases) {
    for (const std::string& name : names.value()) std::cout << name << "\n";
    return {};
  }
  return ForEach(store, names.value(), limit, [&](const EntryView& view) { Print(view, options); }).Tell();
}

}  // namespace certfs::vecs
