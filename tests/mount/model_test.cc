// Goal: through the kernel, too, everything goes as the model says. Method: the histories of
// tests/fs/history.h, with the seeds that the volume itself is tested by, on a mount in a directory of the
// test's own; its daemon is a child of this process, with a clock that both share. CERTFS_ROUNDS scales the
// number of seeds.

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <new>

#include "fs/errno.h"
#include "fs/fuse/session.h"
#include "tests/fs/history.h"
#include "tests/support/must.h"
#include "tests/support/rounds.h"
#include "tests/support/vectors.h"

namespace certfs::test {
namespace {

constexpr int kSeeds = 600;
constexpr int kSeedsMin = 60;

// Milliseconds since kVectorTime; the daemon's clock, which the test moves.
using SharedClock = std::atomic<std::int64_t>;

SharedClock* NewSharedClock() {
  void* const page =
      mmap(nullptr, sizeof(SharedClock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? nullptr : new (page) SharedClock(0);
}

// The daemon: a keystore in memory, mounted until it is ended.
[[noreturn]] void Serve(const std::string& mountpoint, SharedClock& clock, int ready) {
  spdlog::set_level(spdlog::level::err);  // It is refused much, as it should be.
  const auto now = [&clock]() -> Time { return kVectorTime + std::chrono::milliseconds(clock.load()); };
  const auto keystore = Keystore::InMemory({0, 0}, now);
  if (!keystore.has_value()) _exit(2);
  const auto instants = [&clock] { return Instant(std::chrono::milliseconds(clock.load())); };
  const MountOptions options{mountpoint, "model"};
  MountPoint point(options);
  const auto end =
      RunMount(*keystore.value(), {0, 0, "certfs test\n", std::filesystem::temp_directory_path(), instants},
               options, point, {}, [ready] {
                 const char byte = 1;
                 if (write(ready, &byte, 1) != 1) _exit(3);
               });
  _exit(end.has_value() ? 0 : 1);
}

class MountWorld final : public World {
 public:
  explicit MountWorld(SharedClock& clock) : clock_(clock) {
    clock_ = 0;
    std::array<char, 32> name{"/tmp/certfs-model-XXXXXX"};
    root_ = mkdtemp(name.data());
    std::array<int, 2> pipe_ends{};
    EXPECT_EQ(pipe(pipe_ends.data()), 0);
    daemon_ = fork();
    if (daemon_ == 0) Serve(root_, clock_, pipe_ends[1]);
    close(pipe_ends[1]);
    char byte = 0;
    mounted_ = read(pipe_ends[0], &byte, 1) == 1;
    close(pipe_ends[0]);
  }
  ~MountWorld() override {
    for (const int each : open_) close(each);
    umount2(root_.c_str(), MNT_DETACH);
    kill(daemon_, SIGTERM);
    waitpid(daemon_, nullptr, 0);
    rmdir(root_.c_str());
  }
  bool mounted() const { return mounted_; }

  bool Agree(const Outcome& real, const Outcome& model) const override {
    if (!real || !model) return real == model;
    return ToErrno(*real) == ToErrno(*model);
  }
  bool HasInventedCallers() const override { return false; }
  void Advance(std::chrono::milliseconds by) override { clock_ += by.count(); }

  Outcome MakeDirectory(const std::string& path) override { return Done(mkdir(At(path).c_str(), 0755)); }
  Outcome RemoveDirectory(const Caller&, const std::string& path) override {
    return Done(rmdir(At(path).c_str()));
  }
  Outcome Rename(const Caller&, const std::string& from, const std::string& to) override {
    return Done(rename(At(from).c_str(), At(to).c_str()));
  }
  Outcome Unlink(const Caller&, const std::string& path) override { return Done(unlink(At(path).c_str())); }
  Outcome Chmod(const std::string& path, std::uint32_t mode) override {
    return Done(chmod(At(path).c_str(), mode));
  }

  Opened OpenToRead(const std::string& path) override { return Keep(open(At(path).c_str(), O_RDONLY)); }
  std::string Read(Handle reader) override {
    std::string text(std::size_t{64} << 10, '\0');
    const ssize_t size = pread(File(reader), text.data(), text.size(), 0);
    EXPECT_GE(size, 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
  }
  std::uint64_t SizeOf(Handle reader) override {
    struct stat status {};
    EXPECT_EQ(fstat(File(reader), &status), 0);
    return static_cast<std::uint64_t>(status.st_size);
  }
  void CloseReader(Handle reader) override { Release(reader); }

  Opened OpenToWrite(const Caller&, const std::string& path, bool edit) override {
    return Keep(open(At(path).c_str(), edit ? O_RDWR : O_WRONLY | O_CREAT | O_TRUNC, 0644));
  }
  Outcome Write(const Caller&, Handle writer, std::size_t offset, const std::string& bytes) override {
    const ssize_t put = pwrite(File(writer), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put >= 0) {
      EXPECT_EQ(static_cast<std::size_t>(put), bytes.size());
    }
    return Done(put < 0 ? -1 : 0);
  }
  Outcome Empty(const Caller&, Handle writer) override { return Done(ftruncate(File(writer), 0)); }
  Outcome Flush(const Caller&, Handle writer, bool) override {
    const int copy = dup(File(writer));
    EXPECT_GE(copy, 0);
    return Done(close(copy));
  }
  Outcome Sync(const Caller&, Handle writer) override { return Done(fsync(File(writer))); }
  void Release(Handle handle) override {
    close(File(handle));
    std::erase(open_, File(handle));
  }

  Outcome ReplaceByRename(const Caller&, const std::string& path, const std::string& bytes) override {
    const std::string scratch = At(path.substr(0, path.rfind('/'))) + "/.t";
    const int file = open(scratch.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0) return Done(-1);
    EXPECT_EQ(write(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    EXPECT_EQ(close(file), 0);
    const Outcome renamed = Done(rename(scratch.c_str(), At(path).c_str()));
    if (renamed) {
      EXPECT_EQ(unlink(scratch.c_str()), 0);
    }
    return renamed;
  }

  std::vector<std::string> Names(const std::string& path) override {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(At(path)))
      names.push_back(item.path().filename());
    return names;
  }
  std::optional<Status> StatusOf(const std::string& path) override {
    struct stat status {};
    if (stat(At(path).c_str(), &status) != 0) return std::nullopt;
    return Status{static_cast<std::uint64_t>(status.st_size), status.st_mode & 07777, status.st_uid};
  }
  std::string ReadFile(const std::string& path) override { return std::string(AsText(ReadAll(At(path)))); }

 private:
  std::string At(const std::string& path) const { return root_ + "/" + path; }
  static int File(Handle handle) { return static_cast<int>(handle); }
  // The errno in the words of ErrorCode, any of those that it stands for.
  static Outcome Done(int returned) {
    if (returned == 0) return std::nullopt;
    for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
      if (ToErrno(static_cast<ErrorCode>(code)) == errno) return static_cast<ErrorCode>(code);
    }
    ADD_FAILURE() << "an errno that nothing of ours has: " << errno;
    return ErrorCode::kInternal;
  }
  Opened Keep(int file) {
    if (file < 0) return {Done(-1)};
    open_.push_back(file);
    return {std::nullopt, static_cast<Handle>(file)};
  }

  SharedClock& clock_;
  std::string root_;
  pid_t daemon_ = -1;
  bool mounted_ = false;
  std::vector<int> open_;
};

TEST(MountModel, RandomHistoriesGoAsTheModelSays) {
  ASSERT_EQ(access("/dev/fuse", R_OK | W_OK), 0)
      << "this test mounts, and there is no /dev/fuse to do it with";
  umask(0);
  SharedClock* const clock = NewSharedClock();
  ASSERT_NE(clock, nullptr);
  const int seeds = Rounds(kSeeds, kSeedsMin);
  Coverage coverage;
  for (int seed = 0; seed < seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MountWorld world(*clock);
    ASSERT_TRUE(world.mounted());
    History(static_cast<unsigned>(seed), world, coverage).Run();
  }
  using enum ErrorCode;
  for (const ErrorCode code :
       {kMalformed, kRejected, kNotFound, kAlreadyExists, kNotEmpty, kNotPermitted, kReadOnly})
    EXPECT_GT(coverage.outcomes[Show(code)], 0) << "never met: " << ToString(code);
}

}  // namespace
}  // namespace certfs::test
