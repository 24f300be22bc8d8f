// The bytes of a data.mdb, to be spoilt where it hurts. For tests alone.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "store/lmdb/page_layout.h"
#include "tests/support/vectors.h"

namespace certfs {

class DataFile {
 public:
  explicit DataFile(const std::filesystem::path& directory)
      : path_(directory / "data.mdb"), bytes_(test::ReadAll(path_.string())) {
    EXPECT_GE(bytes_.size(), 2 * kPage);
  }

  static constexpr std::size_t kPage = 4096;

  // Writes the bytes as they are now; the destructor, and Restore, put the file back as it was.
  void Write(const Bytes& bytes) const {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void Restore() const { Write(bytes_); }
  const Bytes& good() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  lmdb::Meta MetaAt(std::size_t index) const {
    const char* wrong = nullptr;
    const lmdb::Meta meta = lmdb::Meta::Parse(BytesView(bytes_).subspan(index * kPage), &wrong);
    EXPECT_EQ(wrong, nullptr);
    return meta;
  }
  std::size_t newer() const { return lmdb::NewerOf(MetaAt(0), MetaAt(1)); }

  BytesView Page(lmdb::PageNumber number) const { return BytesView(bytes_).subspan(number * kPage, kPage); }
  lmdb::TreePage Tree(lmdb::PageNumber number) const {
    const char* wrong = nullptr;
    const auto page = lmdb::TreePage::Parse(Page(number), number, &wrong);
    EXPECT_EQ(wrong, nullptr) << number;
    return page.value();
  }

  // Where in the file the node of that place in a page begins, and where a part of the page does.
  std::size_t NodeOffset(lmdb::PageNumber number, std::size_t index) const {
    return number * kPage + lmdb::NumberAt<std::uint16_t>(Page(number), lmdb::kPageHeaderBytes + 2 * index);
  }
  static std::size_t Offset(lmdb::PageNumber number, std::size_t within = 0) {
    return number * kPage + within;
  }

  // The root of a table. Precondition: the list of tables is one page.
  lmdb::TreeFacts TableFacts(std::string_view name) const {
    const lmdb::TreePage main = Tree(MetaAt(newer()).main.root);
    for (std::size_t i = 0; i < main.count(); ++i) {
      if (AsText(main.At(i).key) == name) return lmdb::TreeFacts::Parse(main.At(i).value);
    }
    ADD_FAILURE() << "no table " << name;
    return {};
  }
  // Where in the file what LMDB knows of a table stands.
  std::size_t FactsOffset(std::string_view name) const {
    const lmdb::PageNumber root = MetaAt(newer()).main.root;
    const lmdb::TreePage main = Tree(root);
    for (std::size_t i = 0; i < main.count(); ++i) {
      if (AsText(main.At(i).key) == name)
        return static_cast<std::size_t>(main.At(i).value.data() - bytes_.data());
    }
    ADD_FAILURE() << "no table " << name;
    return 0;
  }
  lmdb::PageNumber LeafOf(lmdb::PageNumber root) const {
    lmdb::PageNumber number = root;
    while (!Tree(number).is_leaf()) number = Tree(number).At(0).child;
    return number;
  }

 private:
  const std::filesystem::path path_;
  const Bytes bytes_;
};

template <typename T>
void SetNumber(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

}  // namespace certfs
