// Makes the sums of a tar's headers fit, which anybody can: else whatever is changed in a header is refused
// for that alone.

#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

#include "crypto/base/bytes.h"

namespace certfs::fuzz {

inline void FixTarSums(Bytes& tar) {
  constexpr std::size_t kBlock = 512;
  constexpr std::size_t kSumAt = 148;
  constexpr std::size_t kSizeAt = 124;
  for (std::size_t at = 0; at + kBlock <= tar.size(); at += kBlock) {
    const std::span<std::uint8_t> header(tar.data() + at, kBlock);
    if (std::ranges::all_of(header, [](std::uint8_t byte) { return byte == 0; })) continue;
    std::fill_n(header.begin() + kSumAt, 8, std::uint8_t{' '});
    unsigned sum = 0;
    for (const std::uint8_t byte : header) sum += byte;
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    std::copy_n(digits, 7, header.begin() + kSumAt);
    std::uint64_t size = 0;
    for (std::size_t i = kSizeAt; i < kSizeAt + 11 && header[i] >= '0' && header[i] <= '7'; ++i)
      size = size * 8 + (header[i] - '0');
    at += std::min<std::uint64_t>((size + kBlock - 1) / kBlock * kBlock, tar.size());
  }
}

}  // namespace certfs::fuzz
