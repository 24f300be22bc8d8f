// How libarchive is to take names: as bytes. Private to store/.

#pragma once

#include <locale.h>

namespace certfs {

// While it lives, names are bytes to libarchive, whatever locale its thread has been set to: what is not
// ASCII is written with `hdrcharset=BINARY`, and comes back as it was. As UTF-8, its reader would normalise
// it.
class NamesAreBytes {
 public:
  NamesAreBytes() : before_(uselocale(Plain())) {}
  ~NamesAreBytes() { uselocale(before_); }
  NamesAreBytes(const NamesAreBytes&) = delete;
  NamesAreBytes& operator=(const NamesAreBytes&) = delete;

 private:
  static locale_t Plain() {
    static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
    return plain;
  }
  locale_t before_;
};

}  // namespace certfs
