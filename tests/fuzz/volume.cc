// Whoever has a shell on the machine makes requests of any kind, in any order, on whatever the tree has; the
// kernel frames them, and checks what a name may be. Here the input is what is asked for, and the target is
// that kernel.

#include <linux/fuse.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "crypto/store_file.h"
#include "fs/fuse/request_server.h"
#include "tests/fuzz/kernel.h"
#include "tests/fuzz/pieces.h"
#include "tests/fuzz/targets.h"
#include "tests/support/vectors.h"

namespace certfs::fuzz {

namespace {

// Of requests on names: words of the tree, so that not every request fails at the first.
constexpr std::string_view kWords[] = {"stores",
                                       "machine",
                                       "web",
                                       "cert.pem",
                                       "key.pem",
                                       "next",
                                       "crl.pem",
                                       "secret",
                                       "request.cfg",
                                       "export",
                                       "TRUSTED_ROOTS",
                                       "root",
                                       "backup",
                                       "manifest.json",
                                       "ca",
                                       "control",
                                       "requests",
                                       "a.cfg",
                                       "issued",
                                       "a.pem",
                                       "profiles",
                                       "status",
                                       "why",
                                       "request.csr",
                                       "BACKUP_STORE",
                                       "bkp_web",
                                       "hashed",
                                       "fullchain.pem",
                                       "info.txt",
                                       "scratch.tmp",
                                       "new",
                                       "server.toml",
                                       "health.json",
                                       "report.html",
                                       "audit.jsonl",
                                       "keystore.cms",
                                       "APPLMGMT_PASSWORD",
                                       "vpxd",
                                       "user.certfs.store",
                                       "system.posix_acl_access"};

// What is written: files that are good as they are, commands, and whatever the input has.
const Bytes& Sample(std::size_t which) {
  static const std::vector<Bytes> samples = [] {
    std::vector<Bytes> all;
    for (const char* const name : {"leaf.pem", "leaf.key", "other.key", "chain.pem", "expired.pem",
                                   "root.pem", "crl-5.pem", "leaf.der"})
      all.push_back(TestFile(std::string("vectors/pki/") + name));
    for (const std::string_view text :
         {"init --name=Fuzz", "show", "issue\nName = web\nHostname = web.example.com\n", "list",
          "Name = web\nHostname = web.example.com\n", "days = 10\nkey_usage = [\"digitalSignature\"]\n"})
      all.emplace_back(text.begin(), text.end());
    return all;
  }();
  return samples[which % samples.size()];
}

class Player {
 public:
  explicit Player(BytesView input)
      : input_(input), keystore_(Have(Keystore::InMemory({0, 0}, [] { return Time(test::kVectorTime); }))) {
    Populate();
    VolumeOptions options;
    options.version = "certfs fuzz\n";
    options.instants = [this] { return Instant(std::chrono::seconds(100 + requests_)); };
    server_ = Have(RequestServer::Make(*keystore_, options, [this](BytesView answer) { Take(answer); }));
  }

  void Run() {
    Init();
    while (!input_.empty() && requests_ < kRequestsMax) Next();
    LetGo();
    CheckPairs();
  }

 private:
  static constexpr int kRequestsMax = 64;

  void Populate() {
    const auto snapshot = Have(keystore_->Snapshot());
    const auto make = [&](const char* store, const char* alias) {
      const auto found = Have(snapshot->FindStore(Have(StoreName::Parse(store))));
      return Have(keystore_->CreateEntry(found->number, Have(Alias::Parse(alias)), {0, 0}, 0755)).number;
    };
    const Number web = make("machine", "web");
    Have(keystore_->WriteFile(web, Member::kKey, Sample(1), {0, 0}, {}));
    Have(keystore_->WriteFile(web, Member::kCertificate, Sample(0), {0, 0}, {}));
    Have(keystore_->WriteFile(make("TRUSTED_ROOTS", "root"), Member::kCertificate, Sample(5), {0, 0}, {}));
  }

  void Init() {
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_readahead = 131072;
    init.flags = 0xFFFFFFFF & ~static_cast<unsigned>(FUSE_INIT_EXT);
    Send(FUSE_INIT, FUSE_ROOT_ID, BytesOf(init));
  }

  // One request, as the input has it.
  void Next() {
    // Root asks mostly: the kernel lets nobody through whom the mode forbids.
    const std::size_t choice = input_.U8();
    const KernelRequest& kind = KernelRequests()[choice % KernelRequests().size()];
    uid_ = choice / KernelRequests().size() >= 5 ? 1000 : 0;
    const std::uint64_t node = Node();
    Bytes body(kind.fixed_bytes);
    const std::size_t changed = input_.U8();
    const BytesView fixed = input_.Take(std::min(changed, body.size()));
    std::copy(fixed.begin(), fixed.end(), body.begin());
    if (kind.handle_at >= 0) Put(body, static_cast<std::size_t>(kind.handle_at), Handle());
    if (kind.node_at >= 0) Put(body, static_cast<std::size_t>(kind.node_at), Node());
    if (kind.size_at >= 0) {
      // The kernel asks for no more than fits into a page cache's readahead; what a write brings it counts.
      std::uint32_t size = 0;
      std::memcpy(&size, body.data() + kind.size_at, sizeof size);
      Put(body, static_cast<std::size_t>(kind.size_at), size % (std::uint32_t{1} << 17));
    }
    for (int i = 0; i < kind.names; ++i) Append(body, Name());
    if (kind.data) {
      const Bytes content = Content();
      Put(body, static_cast<std::size_t>(kind.size_at), static_cast<std::uint32_t>(content.size()));
      body.insert(body.end(), content.begin(), content.end());
    }
    // A forgotten node is one of those that were told.
    if (kind.opcode == FUSE_BATCH_FORGET) Put(body, 0, std::uint32_t{1});
    Send(kind.opcode, node, body);
  }

  std::uint64_t Node() {
    const std::uint8_t which = input_.U8();
    if (which == 0xFF) return input_.U64();
    return nodes_[which % nodes_.size()];
  }
  std::uint64_t Handle() {
    const std::uint8_t which = input_.U8();
    if (which == 0xFF) return input_.U64();
    return handles_[which % handles_.size()];
  }
  // As the kernel lets through: not empty, no slash, no NUL, at most 255 bytes.
  std::string Name() {
    const std::uint8_t size = input_.U8();
    if (size >= 0xC0) return std::string(kWords[(size - 0xC0U) % std::size(kWords)]);
    std::string name;
    for (const std::uint8_t byte : input_.Take(size))
      name.push_back(byte == 0 || byte == '/' ? '_' : static_cast<char>(byte));
    return name.empty() ? "_" : name;
  }
  Bytes Content() {
    const std::uint8_t high = input_.U8();
    if (high >= 0xC0) return Sample(high - 0xC0U);
    const BytesView taken = input_.Take(static_cast<std::size_t>(high) * 64 + input_.U8());
    return {taken.begin(), taken.end()};
  }

  void Send(std::uint32_t opcode, std::uint64_t node, BytesView body) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = ++requests_ * 2;
    header.nodeid = node;
    header.uid = uid_;
    header.gid = uid_;
    header.pid = static_cast<std::uint32_t>(getpid());
    Bytes request = BytesOf(header);
    request.insert(request.end(), body.begin(), body.end());
    asked_ = opcode;
    answers_ = 0;
    server_->Serve(request);
    const bool unanswered = opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
    PROPERTY(unanswered || answers_ == 1);
  }

  void Take(BytesView answer) {
    fuse_out_header header{};
    PROPERTY(answer.size() >= sizeof header);
    std::memcpy(&header, answer.data(), sizeof header);
    PROPERTY(header.len == answer.size() && header.error <= 0 && header.error > -512);
    PROPERTY(header.error == 0 || answer.size() == sizeof header);
    PROPERTY(header.unique == requests_ * 2);
    ++answers_;
    if (header.error != 0) return;
    if (asked_ == FUSE_WRITE) NoteRead();
    const BytesView body = answer.subspan(sizeof header);
    switch (asked_) {
      case FUSE_LOOKUP:
      case FUSE_MKDIR:
      case FUSE_LINK:
        NoteEntry(body);
        break;
      case FUSE_CREATE:
        NoteEntry(body);
        PROPERTY(body.size() == sizeof(fuse_entry_out) + sizeof(fuse_open_out));
        NoteHandle(body.subspan(sizeof(fuse_entry_out)));
        break;
      case FUSE_OPEN:
      case FUSE_OPENDIR:
        NoteHandle(body);
        break;
      default:
        break;
    }
  }

  void NoteEntry(BytesView body) {
    fuse_entry_out entry{};
    PROPERTY(body.size() >= sizeof entry);
    std::memcpy(&entry, body.data(), sizeof entry);
    PROPERTY(entry.nodeid == 0 || S_ISREG(entry.attr.mode) || S_ISDIR(entry.attr.mode) ||
             S_ISLNK(entry.attr.mode));
    if (entry.nodeid != 0) nodes_.push_back(entry.nodeid);
  }
  void NoteHandle(BytesView body) {
    fuse_open_out opened{};
    PROPERTY(body.size() == sizeof opened);
    std::memcpy(&opened, body.data(), sizeof opened);
    handles_.push_back(opened.fh);
  }

  // Whatever was asked, and however much of it: what is live is a certificate and its key.
  void CheckPairs() {
    const auto snapshot = Have(keystore_->Snapshot());
    for (Cursor at = 0; const auto store = Have(snapshot->NextStore(at, nullptr));) {
      at = store->at;
      for (Cursor after = 0;
           const auto entry = Have(snapshot->NextEntry(store->item.number, after, nullptr));) {
        after = entry->at;
        if (entry->item.is_staged() || !entry->item.is_pair()) continue;
        const auto key = ReadKeyFile(Have(snapshot->ReadFile(entry->item, Member::kKey)).Reveal());
        const auto certificate =
            ReadCertificateFile(Have(snapshot->ReadFile(entry->item, Member::kCertificate)).Reveal());
        PROPERTY(key.has_value() && certificate.has_value());
        PROPERTY(key.value().key.Matches(certificate.value().certificates.front()));
      }
    }
  }

  // Closes what is open and forgets what was named, as the kernel does when a mount ends.
  void LetGo() {
    uid_ = 0;
    for (const std::uint64_t handle : handles_) {
      for (const std::uint64_t node : nodes_) {
        if (handle == 0 || handles_.size() * nodes_.size() > 200) break;
        fuse_release_in release{};
        release.fh = handle;
        Send(FUSE_RELEASE, node, BytesOf(release));
      }
    }
    for (const std::uint64_t node : nodes_) {
      fuse_forget_in forget{};
      forget.nlookup = 1;
      Send(FUSE_FORGET, node, BytesOf(forget));
    }
    // Whatever was asked, the tree is there.
    Send(FUSE_GETATTR, FUSE_ROOT_ID, BytesOf(fuse_getattr_in{}));
    PROPERTY(answers_ == 1);
  }

  Pieces input_;
  std::unique_ptr<Keystore> keystore_;
  std::unique_ptr<RequestServer> server_;
  std::vector<std::uint64_t> nodes_{FUSE_ROOT_ID};
  std::vector<std::uint64_t> handles_{0};
  std::uint64_t requests_ = 0;
  std::uint32_t uid_ = 0;
  std::uint32_t asked_ = 0;
  int answers_ = 0;
};

}  // namespace

int FuzzVolume(const std::uint8_t* data, std::size_t size) {
  // Each refusal is a line of the log.
  [[maybe_unused]] static const bool silent = (spdlog::set_level(spdlog::level::off), true);
  Player(BytesView(data, size)).Run();
  return 0;
}

}  // namespace certfs::fuzz
