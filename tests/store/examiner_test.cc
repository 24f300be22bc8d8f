// Goal: data.mdb is examined by another process before LMDB reads it, and again when something in it turns
// out damaged; whatever becomes of that process, or of the file, opening ends, with an Error. Method: real
// processes, stopped and killed; files that nobody would write.

#include "store/examiner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "crypto/base/descriptor.h"
#include "crypto/base/sanitized.h"
#include "store/examination_process.h"
#include "store/files.h"
#include "store/sealed_table.h"
#include "tests/store/data_file.h"
#include "tests/store/keystore_fixture.h"
#include "tests/support/in_child.h"

namespace certfs {
namespace {

namespace filesystem = std::filesystem;
using std::chrono::milliseconds;

class Examiner : public testing::Test {
 protected:
  Examiner() {
    Must(StartExaminer());
    Must(CreateSealedTable(path(), TestKeys()));
    const auto table = Must(OpenSealedTable(path(), TestKeys()));
    const auto transaction = Must(table->BeginTransaction());
    store_ = Must(transaction->PutStore(NewStore("Store")));
    for (int i = 0; i < 200; ++i) PutEntryWithFile(*transaction, store_, AliasAt(i), "the key " + AliasAt(i));
    Must(transaction->Commit());
  }
  static std::string AliasAt(int i) { return "alias" + std::to_string(i); }
  const filesystem::path& path() const { return directory_.path(); }
  Result<void> Look(Extent extent = Extent::kPages, std::optional<milliseconds> patience = {}) const {
    const Descriptor file(open((path() / "data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
    return Examine(file.number(), extent, patience);
  }
  Result<void> Open() const {
    TRY(OpenSealedTable(path(), TestKeys()));
    return {};
  }

  TemporaryDirectory directory_;
  Number store_ = 0;
};

TEST_F(Examiner, SaysWhatItFinds) {
  Must(Look());
  Must(Look(Extent::kMetas));
  const DataFile data(path());
  Bytes bytes = data.good();
  bytes[DataFile::Offset(data.LeafOf(data.TableFacts("entries").root), 13)] ^= 0x80;
  data.Write(bytes);
  const auto looked = Look();
  EXPECT_EQ(CodeOf(looked), ErrorCode::kCorrupt);
  EXPECT_NE(looked.error().message().find("of the entries"), std::string::npos) << looked.error().message();
  Must(Look(Extent::kMetas));
  const auto opened = Open();
  EXPECT_EQ(CodeOf(opened), ErrorCode::kCorrupt);
  EXPECT_NE(opened.error().message().find("of the entries"), std::string::npos) << opened.error().message();
  EXPECT_NE(opened.error().message().find("--salvage"), std::string::npos) << opened.error().message();
  data.Restore();
  Must(Open());
}

// Nobody starts it again by himself: there may be keys in memory by then.
TEST_F(Examiner, WhereItWasKilledNothingIsOpened) {
  const pid_t first = ExaminerProcess();
  kill(first, SIGKILL);
  waitpid(first, nullptr, 0);
  EXPECT_EQ(CodeOf(Look()), ErrorCode::kIo);
  EXPECT_EQ(CodeOf(Open()), ErrorCode::kIo);
  Must(StartExaminer());
  EXPECT_NE(ExaminerProcess(), first);
  Must(Open());
}

TEST_F(Examiner, WhereItHangsOneWaitsForAMomentOnly) {
  kill(ExaminerProcess(), SIGSTOP);
  waitpid(ExaminerProcess(), nullptr, WUNTRACED);  // Until then it may answer.
  const auto looked = Look(Extent::kPages, milliseconds(50));
  kill(ExaminerProcess(), SIGCONT);
  EXPECT_EQ(CodeOf(looked), ErrorCode::kIo);
  EXPECT_NE(looked.error().message().find("50 ms"), std::string::npos) << looked.error().message();
  // What it was asked meanwhile is done, and its answer goes nowhere.
  Must(Look());
}

// A line of what proc(5) says of a process, from its `label` on; of the whole file where there is none.
std::string FactOf(pid_t process, const std::string& file, const std::string& label = {}) {
  std::ifstream facts("/proc/" + std::to_string(process) + "/" + file);
  std::string line;
  while (std::getline(facts, line) && !line.starts_with(label)) {
  }
  return line;
}

// Goal: what walks a file may neither take the machine its memory nor outlive whoever gives way, and has shut
// itself in. Method: one that is stopped in the middle is looked at; as they take a millisecond, a few are
// tried.
TEST_F(Examiner, WhatWalksIsTheFirstToGiveWay) {
  std::atomic<bool> done = false;
  std::thread looking([&] {
    while (!done) static_cast<void>(Look().has_value());
  });
  const std::string of_examiner = std::to_string(ExaminerProcess());
  std::string filter;
  std::string score;
  std::string memory;
  std::string privileges;
  // The filter of system calls comes last: where it is seen all the rest has to be there.
  const auto is_seen = [&] { return filter == "Seccomp:\t2" && !score.empty() && !privileges.empty(); };
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!is_seen() && std::chrono::steady_clock::now() < give_up) {
    const std::string child = FactOf(ExaminerProcess(), "task/" + of_examiner + "/children");
    const pid_t walking = std::atoi(child.c_str());
    if (walking <= 0 || kill(walking, SIGSTOP) != 0) continue;
    filter = FactOf(walking, "status", "Seccomp:");
    score = FactOf(walking, "oom_score_adj");
    memory = FactOf(walking, "limits", "Max data size");
    privileges = FactOf(walking, "status", "NoNewPrivs:");
    kill(walking, SIGCONT);
  }
  done = true;
  looking.join();
  EXPECT_EQ(filter, "Seccomp:\t2");
  EXPECT_EQ(privileges, "NoNewPrivs:\t1");
  EXPECT_EQ(score, "1000");
  EXPECT_TRUE(kSanitized || memory.find("unlimited") == std::string::npos) << memory;
}

// Goal: nothing leads out of the process that walks. Method: children shut themselves in, and try.
TEST(ExaminerShutIn, WhateverElseItTriesEndsIt) {
  const auto status_of = [](const std::function<bool()>& attempt) {
    const pid_t child = fork();
    if (child == 0) {
      const rlimit none{0, 0};
      setrlimit(RLIMIT_CORE, &none);
      if (ShutIn() != 0) _exit(2);
      _exit(attempt() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  };
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "file";
  std::ofstream(path) << "x";
  const Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  char byte = 0;
  const int ended = status_of([&] {
    void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file.number(), 0);
    return pread(file.number(), &byte, 1, 0) == 1 && page != MAP_FAILED && send(ends[0], "x", 1, 0) == 1;
  });
  EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 0) << ended;

  constexpr auto kRunnable = PROT_READ | PROT_EXEC;
  char* const arguments[] = {nullptr};
  const std::pair<const char*, std::function<bool()>> attempts[] = {
      {"open", [&] { return syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY) >= 0; }},
      {"write to the file", [&] { return pwrite(file.number(), "y", 1, 0) == 1; }},
      {"socket", [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
      {"receive", [&] { return recv(ends[1], &byte, 1, MSG_DONTWAIT) >= 0; }},
      {"another program", [&] { return execve("/bin/true", arguments, arguments) == 0; }},
      {"another process", [] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0; }},
      {"a signal", [] { return kill(getppid(), 0) == 0; }},
      {"look into another", [] { return syscall(SYS_ptrace, 16, getppid(), 0, 0) == 0; }},
      {"memory that is run",
       [] { return mmap(nullptr, 4096, kRunnable, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; }},
      {"memory shared with the file",
       [&] {
         return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.number(), 0) != MAP_FAILED;
       }},
      {"no filter", [] { return prctl(PR_SET_SECCOMP, 0, 0, 0, 0) == 0; }},
  };
  for (const auto& [name, attempt] : attempts) {
    const int status = status_of(attempt);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << name << ": " << status;
  }
  for (const int each : ends) close(each);
}

// Of whoever started it, it has neither rights nor paths, also while it waits.
TEST_F(Examiner, WhatWaitsHasNoPrivileges) {
  Must(Look());
  const std::string none = std::string(16, '0');
  for (const char* const set : {"CapEff:", "CapPrm:", "CapInh:", "CapAmb:"})
    EXPECT_EQ(FactOf(ExaminerProcess(), "status", set), std::string(set) + "\t" + none);
  EXPECT_EQ(FactOf(ExaminerProcess(), "status", "NoNewPrivs:"), "NoNewPrivs:\t1");
}

constexpr std::size_t kAllowedAtOnce = 16;

std::vector<pid_t> ChildrenOf(pid_t process) {
  std::istringstream children(FactOf(process, "task/" + std::to_string(process) + "/children"));
  return std::vector<pid_t>(std::istream_iterator<pid_t>(children), {});
}

// Stops all that walk now, and says how many do: none where one had just ended.
std::size_t HoldWalkers(pid_t examiner) {
  const std::vector<pid_t> walking = ChildrenOf(examiner);
  for (const pid_t each : walking) kill(each, SIGSTOP);
  const auto is_stopped = [](pid_t each) {
    return FactOf(each, "status", "State:").starts_with("State:\tT");
  };
  return std::ranges::all_of(walking, is_stopped) ? walking.size() : 0;
}

// Goal: whoever asks for very many has no more than some at a time, and all in the end. Method: what walks is
// stopped until it is as many as may be; then no more come.
TEST_F(Examiner, AsManyAtOnceAsAreAllowed) {
  std::atomic<bool> done = false;
  std::atomic<int> failed = 0;
  std::vector<std::thread> asking;
  for (std::size_t i = 0; i < 2 * kAllowedAtOnce; ++i) {
    asking.emplace_back([&] {
      do {
        failed += Look(Extent::kPages, std::chrono::minutes(5)).has_value() ? 0 : 1;
      } while (!done);
    });
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  std::size_t held = 0;
  while (held < kAllowedAtOnce && std::chrono::steady_clock::now() < give_up)
    held = HoldWalkers(ExaminerProcess());
  EXPECT_EQ(held, kAllowedAtOnce);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(ChildrenOf(ExaminerProcess()).size(), kAllowedAtOnce);
    std::this_thread::sleep_for(milliseconds(1));
  }
  done = true;
  for (const pid_t each : ChildrenOf(ExaminerProcess())) kill(each, SIGCONT);
  for (std::thread& each : asking) each.join();
  EXPECT_EQ(failed, 0);
}

// The names of what a process has open.
std::set<std::string> OpenFiles(pid_t process) {
  std::set<std::string> files;
  for (const auto& each : filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd")) {
    std::error_code gone;
    files.insert(filesystem::read_symlink(each, gone).string());
  }
  return files;
}

TEST_F(Examiner, HoldsNothingOfWhoeverStartedIt) {
  // It has left everything once it has answered.
  Must(Look());
  const std::set<std::string> files = OpenFiles(ExaminerProcess());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_TRUE(files.begin()->starts_with("socket:")) << *files.begin();
  EXPECT_EQ(filesystem::read_symlink("/proc/" + std::to_string(ExaminerProcess()) + "/cwd"), "/");
}

// Goal: whatever it is sent that is no request, it keeps nothing of it. Method: the end of a pipe, which
// whoever has the other one hears of once nobody has it: alone, twice with a piece of a request or with more
// than one, and too often.
TEST_F(Examiner, KeepsNothingOfWhatIsNoRequest) {
  struct Message {
    std::size_t bytes;
    std::size_t descriptors;
  };
  const std::size_t request = sizeof(ExaminationRequest);
  for (const Message& each :
       {Message{request, 1}, Message{1, 2}, Message{request + 1, 2}, Message{request, 3}}) {
    SCOPED_TRACE(std::to_string(each.bytes) + " bytes, " + std::to_string(each.descriptors) + " descriptors");
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const Descriptor ours(ends[0]);
    Descriptor sent(ends[1]);
    std::array<char, 64> bytes{};
    iovec part{bytes.data(), each.bytes};
    const std::array<int, 3> descriptors{sent.number(), sent.number(), sent.number()};
    const std::size_t size = each.descriptors * sizeof(int);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(descriptors))> room{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    ASSERT_EQ(sendmsg(ExaminerDescriptor(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(each.bytes));
    sent.Close();
    pollfd watch{ours.number(), POLLIN, 0};
    constexpr int kGivenUpMs = 60'000;
    EXPECT_EQ(poll(&watch, 1, kGivenUpMs), 1) << "it is kept";
    EXPECT_NE(watch.revents & POLLHUP, 0);
  }
  Must(Look());
}

// Those that were forked since ask the same one, each for itself.
TEST_F(Examiner, ServesWhoeverWasForkedSince) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      bool all = true;
      for (int k = 0; k < 20; ++k) all = all && Look().has_value();
      _exit(all ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

// Waits for it. Whoever adopts it may be slow to take note.
bool Ends(pid_t process) {
  const auto running = [&] {
    const std::string line = FactOf(process, "stat");
    return !line.empty() && line.find(") Z") == std::string::npos;
  };
  for (int i = 0; i < 10000 && running(); ++i) usleep(1000);
  return !running();
}

// It ends with the last one that could ask it.
TEST_F(Examiner, EndsWithThem) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t inherited = ExaminerProcess();
    close(ExaminerDescriptor());
    static_cast<void>(StartExaminer().has_value());
    const pid_t own = ExaminerProcess();
    _exit(own != inherited && write(ends[1], &own, sizeof(own)) == sizeof(own) ? 0 : 1);
  }
  pid_t own = -1;
  ASSERT_EQ(read(ends[0], &own, sizeof(own)), static_cast<ssize_t>(sizeof(own)));
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(Ends(own));
  close(ends[0]);
  close(ends[1]);
}

// Also where as many as may be hang.
TEST_F(Examiner, EndsWithThemWhileItIsFull) {
  const std::string said = InChild([&]() -> std::string {
    // In the place of the line to the one that was inherited, one whose other end is gone.
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return "no socket";
    close(ends[1]);
    dup2(ends[0], ExaminerDescriptor());
    if (!StartExaminer().has_value()) return "no examiner";
    const Descriptor file(open((path() / "data.mdb").c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<std::unique_ptr<Examination>> asked;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    std::size_t held = 0;
    while (held < kAllowedAtOnce && std::chrono::steady_clock::now() < give_up) {
      auto examination = BeginExamination(file.number(), Extent::kPages, std::chrono::minutes(5));
      if (!examination.has_value()) return examination.error().message();
      asked.push_back(std::move(examination).value());
      held = HoldWalkers(ExaminerProcess());
    }
    return std::to_string(held) + " " + std::to_string(ExaminerProcess());
  });
  std::istringstream words(said);
  std::size_t held = 0;
  pid_t own = -1;
  words >> held >> own;
  EXPECT_EQ(held, kAllowedAtOnce) << said;
  EXPECT_TRUE(Ends(own));
}

// Files that ask for more than there is.
TEST_F(Examiner, HostileFiles) {
  const DataFile data(path());
  constexpr std::size_t kLastPage = lmdb::kPageHeaderBytes + 120;
  constexpr std::size_t kMapSize = lmdb::kPageHeaderBytes + 16;
  Bytes bytes = data.good();
  for (const std::size_t meta : {0, 1}) {
    SetNumber(bytes, DataFile::Offset(meta, kMapSize), (std::uint64_t{1} << 47) - 1);
    SetNumber(bytes, DataFile::Offset(meta, kLastPage), (std::uint64_t{1} << 35) - 1);
  }
  data.Write(bytes);
  EXPECT_EQ(CodeOf(Look()), ErrorCode::kCorrupt);
  // As large as it says, as far as the disk can have that, and all holes: no memory is set aside for them.
  if (truncate(data.path().c_str(), off_t{1} << 43) == 0) {
    const auto looked = Look();
    ASSERT_EQ(CodeOf(looked), ErrorCode::kCorrupt);
    EXPECT_NE(looked.error().message().find("it claims 2147483648 pages"), std::string::npos)
        << looked.error().message();
  } else {
    std::cout << "the file system has no file of 8 TiB: one is not looked at\n";
  }
  data.Restore();
  // Every page filled with what may be anything.
  for (std::size_t page = 0; page < data.good().size() / DataFile::kPage; ++page) {
    bytes = data.good();
    for (std::size_t i = 0; i < DataFile::kPage; ++i)
      bytes[page * DataFile::kPage + i] = static_cast<std::uint8_t>(i * 167 + page * 31 + (i >> 3) * 13);
    data.Write(bytes);
    const auto looked = Look();
    EXPECT_TRUE(looked.has_value() || looked.error().code() == ErrorCode::kCorrupt) << page;
  }
  data.Restore();
  Must(Look());
}

// What is damaged beneath an open keystore is refused before LMDB follows it anywhere.
TEST_F(Examiner, LooksAgainWhereSomethingIsDamaged) {
  const auto table = Must(OpenSealedTable(path(), TestKeys()));
  const DataFile data(path());
  const auto all = [&]() -> Result<void> {
    const auto snapshot = TRY(table->Snapshot());
    for (int i = 0; i < 200; ++i) {
      const auto entry = TRY(snapshot->FindEntry(store_, AliasOf(AliasAt(i))));
      TRY(snapshot->ReadFile(*entry, Member::kKey));
    }
    return {};
  };
  Must(all());
  const auto spoil = [&](std::size_t offset, std::uint8_t mask) {
    const auto byte = static_cast<std::uint8_t>(data.good()[offset] ^ mask);
    const Descriptor file(open(data.path().c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(pwrite(file.number(), &byte, 1, static_cast<off_t>(offset)), 1);
  };
  // The bytes of a file, which are read anew; later a page that says it is another one, which LMDB never
  // asks.
  const lmdb::PageNumber contents = data.LeafOf(data.TableFacts("contents").root);
  const std::size_t record =
      static_cast<std::size_t>(data.Tree(contents).At(0).value.data() - data.good().data());
  spoil(record + 90, 1);
  EXPECT_EQ(CodeOf(all()), ErrorCode::kCorrupt);
  // That was a record alone; what lies beside it is served, and nobody looks again at once.
  Must(table->Snapshot());
  spoil(DataFile::Offset(contents), 1);
  EXPECT_EQ(CodeOf(all()), ErrorCode::kCorrupt);
  Must(table->Snapshot());
}

TEST_F(Examiner, WhatItFindsThenIsRefused) {
  const auto table = Must(OpenSealedTable(path(), TestKeys()));
  const DataFile data(path());
  Bytes bytes = data.good();
  const lmdb::PageNumber contents = data.LeafOf(data.TableFacts("contents").root);
  bytes[static_cast<std::size_t>(data.Tree(contents).At(0).value.data() - data.good().data()) + 90] ^= 1;
  bytes[DataFile::Offset(data.LeafOf(data.TableFacts("nodes").root))] ^= 1;
  const Descriptor file(open(data.path().c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(pwrite(file.number(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  {
    const auto snapshot = Must(table->Snapshot());
    const auto first =
        Must(snapshot->FindEntryByNumber(Must(snapshot->FindEntry(store_, AliasOf(AliasAt(0))))->number));
    EXPECT_EQ(CodeOf(snapshot->ReadFile(*first, Member::kKey)), ErrorCode::kCorrupt);
  }
  const auto refused = table->Snapshot();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kCorrupt);
  EXPECT_NE(refused.error().message().find("of the hash trees"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(CodeOf(table->BeginTransaction(Room::kUpToLimit)), ErrorCode::kCorrupt);
}

// Goal: no commit rests on zeros that stand for what the disk did not give. Method: half of the file is gone
// for a read within a change, and for one before a change.
TEST_F(Examiner, NothingIsWrittenOnPagesThatCouldNotBeRead) {
  const auto table = Must(OpenSealedTable(path(), TestKeys()));
  const auto read = [&](TableSnapshot& reads, int i) -> Result<void> {
    const auto entry = TRY(reads.FindEntry(store_, AliasOf(AliasAt(i))));
    if (!entry) return Error(ErrorCode::kNotFound, AliasAt(i));
    TRY(reads.ReadFile(*entry, Member::kKey));
    return {};
  };
  const auto expect_whole = [&](TableSnapshot& reads) {
    for (int i = 0; i < 200; ++i) Must(read(reads, i));
  };
  const auto lose_half = [&](TableSnapshot& reads) {
    const filesystem::path data = path() / "data.mdb";
    const Bytes whole = test::ReadAll(data.string());
    const std::size_t half = whole.size() / 2 / DataFile::kPage * DataFile::kPage;
    filesystem::resize_file(data, half);
    bool lost = false;
    for (int i = 0; i < 200 && !lost; ++i) lost = !read(reads, i).has_value();
    EXPECT_TRUE(lost);
    const Descriptor file(open(data.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(pwrite(file.number(), whole.data() + half, whole.size() - half, static_cast<off_t>(half)),
              static_cast<ssize_t>(whole.size() - half));
  };
  // Then all of it has been examined.
  expect_whole(*Must(table->Snapshot()));
  {
    const auto transaction = Must(table->BeginTransaction());
    lose_half(*transaction);
    EXPECT_FALSE(transaction->Commit().has_value());
  }
  const auto change = [&](const std::string& alias) {
    const auto transaction = Must(table->BeginTransaction());
    expect_whole(*transaction);
    PutEntryWithFile(*transaction, store_, alias, "the key " + alias);
    Must(transaction->Commit());
  };
  change("first");
  lose_half(*Must(table->Snapshot()));
  change("second");
  expect_whole(*Must(table->Snapshot()));
  Must(Look());
}

}  // namespace
}  // namespace certfs
