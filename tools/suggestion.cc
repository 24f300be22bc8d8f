#include "tools/suggestion.h"

#include <algorithm>
#include <vector>

namespace certfs {

namespace {

constexpr std::size_t kBeginningMin = 2;

char Folded(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool Begins(std::string_view word, std::string_view known) {
  return word.size() >= kBeginningMin && word.size() < known.size() &&
         EditDistance(word, known.substr(0, word.size())) == 0;
}

// What hyphens stand in front of is what was meant: they are not among the letters that may be wrong.
std::string_view WithoutHyphens(std::string_view word) {
  return word.substr(std::min(word.find_first_not_of('-'), word.size()));
}

}  // namespace

std::size_t EditDistance(std::string_view one, std::string_view other) {
  // The rows of the table that the next one is made of.
  std::vector<std::size_t> before(other.size() + 1);
  std::vector<std::size_t> last(other.size() + 1);
  std::vector<std::size_t> row(other.size() + 1);
  for (std::size_t j = 0; j <= other.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const char a = Folded(one[i - 1]);
      const char b = Folded(other[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a == b ? 0 : 1)});
      const bool exchanged = i > 1 && j > 1 && a == Folded(other[j - 2]) && Folded(one[i - 2]) == b;
      if (exchanged) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[other.size()];
}

std::optional<std::string> Nearest(std::string_view word, std::span<const std::string> known) {
  const std::string_view letters = WithoutHyphens(word);
  if (letters.empty()) return std::nullopt;
  std::optional<std::string> nearest;
  std::size_t least = std::max<std::size_t>(1, letters.size() / 3) + 1;
  std::optional<std::string> begun;
  std::size_t beginnings = 0;
  for (const std::string& each : known) {
    const std::size_t distance = EditDistance(letters, WithoutHyphens(each));
    if (distance < least) {
      least = distance;
      nearest = each;
    }
    if (!Begins(letters, WithoutHyphens(each))) continue;
    begun = each;
    ++beginnings;
  }
  // A single letter is within one change of every other.
  if (nearest && least < WithoutHyphens(*nearest).size()) return nearest;
  return beginnings == 1 ? begun : std::nullopt;
}

}  // namespace certfs
