// What is live no more, or went live a moment ago; what a volume has from the one before it, and from other
// processes.

#include <algorithm>

#include "fs/pair_notes.h"
#include "tests/fs/faulted_operations.h"

namespace certfs::test {

namespace {

using Effect = FaultedOperation::Effect;
using At = FaultedVolume&;

constexpr auto kEntry = "stores/machine/web";
constexpr std::size_t kAll = std::size_t{2} << 20;
const Caller kReader{1000, 1000, 300};

std::string In(std::string_view name) { return std::string(kEntry) + "/" + std::string(name); }

std::string Renewed() { return "# renewed\n" + TextOf("leaf.pem"); }
// The certificate of Furnish, TextOf("chain.pem"), is replaced.
void Renew(At at) { Must(at.Put(kRoot, In("cert.pem"), Renewed())); }

void GoLive(At at) {
  Furnish(at);
  Must(at.MakeDirectory(kRoot, In("next")));
  Must(at.Put(kRoot, In("next/key.pem"), StoreText("serial.key")));
  Must(at.Put(kRoot, In("next/cert.pem"), StoreText("serial-first.pem")));
}

// The same bytes whenever it succeeds.
Result<std::string> Expect(const std::string& bytes, Result<std::string> read) {
  if (read.has_value()) {
    EXPECT_EQ(read.value(), bytes);
  }
  return read;
}

void AddMoments(std::vector<FaultedOperation>& operations) {
  operations.push_back(
      {"a name in next/ whose file went live", GoLive,
       [](At at) { return Expect(StoreText("serial.key"), at.tree.Get(kRoot, In("next/key.pem"))); },
       Effect::kReads});
  AttributeChange times;
  times.atime = times.mtime = Time(std::chrono::seconds(5));
  operations.push_back({"attributes by a name in next/ whose file went live", GoLive,
                        [=](At at) { return Done(at.SetAttributes(kRoot, In("next/cert.pem"), times)); }});

  const auto replaced = std::make_shared<NodeId>();
  operations.push_back({"a revision that was replaced before it is opened",
                        [=](At at) {
                          Furnish(at);
                          *replaced = at.tree.At(In("cert.pem")).id;
                          Renew(at);
                        },
                        [=](At at) {
                          auto read = at.tree.ReadNode(kReader, *replaced);
                          // Who comes by no name finds the same once more.
                          if (Failure(read) == ErrorCode::kStale) read = at.tree.ReadNode(kReader, *replaced);
                          return Expect(TextOf("chain.pem"), std::move(read));
                        },
                        Effect::kReads});
  operations.push_back(
      {"the other half of a pair that was replaced",
       [](At at) {
         Furnish(at);
         static_cast<void>(Must(at.tree.Get(kReader, In("key.pem"))));
         Renew(at);
       },
       [](At at) { return Expect(TextOf("chain.pem"), at.tree.Get(kReader, In("cert.pem"))); },
       Effect::kTells});

  operations.push_back(
      {"a key where revocation is enforced",
       [](At at) {
         Furnish(at);
         // Nobody has reached a verdict since.
         Must(at.Put(kRoot, "stores/TRUSTED_ROOTS_CRLS/root/crl.pem", TextOf("crl-6.pem")));
       },
       [](At at) {
         // Whoever walks the tree reads the key as well: it is so for the operation alone.
         const auto enforce = [&](bool on) {
           at.Aside([&] {
             Must(at.tree.volume.SetEnforcesRevocation(kRoot, at.tree.At("stores/machine").id, on));
           });
         };
         enforce(true);
         auto read = at.tree.Get(kRoot, In("key.pem"));
         enforce(false);
         return Expect(TextOf("leaf.key"), std::move(read));
       },
       Effect::kReads, true});

  operations.push_back({"what a writer that is killed had removed",
                        [](At at) {
                          Furnish(at);
                          at.or_else = at.State();
                          Must(at.Unlink(kRoot, In("cert.pem")));
                        },
                        [](At at) -> Result<std::string> {
                          const Tree::Writer writer = TRY(at.OpenToWrite(kRoot, In("cert.pem"), kReplace));
                          auto done = at.tree.volume.Write(kRoot, writer.handle, 0, AsBytes(Renewed()));
                          at.tree.processes.dying.insert(kRoot.thread);
                          if (done.has_value()) done = at.tree.volume.Flush(kRoot, writer.handle);
                          at.tree.volume.Release(writer.node, writer.handle);
                          at.tree.processes.dying.erase(kRoot.thread);
                          if (!done.has_value()) return done.error();
                          // Nobody is left to hear that it did not return: the log alone tells.
                          if (at.Aside([&] { return Failure(at.tree.Find(kRoot, In("cert.pem"))); }))
                            return Error(at.faults.code, at.tree.listener.refusals.back());
                          return std::string();
                        },
                        Effect::kChanges, true});
}

// --- A daemon that takes over

struct Opened {
  NodeId node;
  HandleId handle = 0;
};

std::unique_ptr<Volume> Successor(At at, PairNotes* pairs) {
  FaultedVolume* const volume = &at;
  VolumeOptions options{0, 0, "certfs test\n", std::filesystem::temp_directory_path(),
                        [volume] { return volume->tree.instant(); }};
  options.incarnation = 2;
  options.pairs = pairs;
  return std::make_unique<Volume>(*at.tree.keystore, at.tree.processes, at.tree.listener, options);
}

Result<std::string> ReadAndClose(Volume& volume, const Opened& opened) {
  const auto bytes = volume.Read(opened.node, opened.handle, 0, kAll);
  volume.Release(opened.node, opened.handle);
  if (!bytes.has_value()) return bytes.error();
  return std::string(AsText(bytes.value().Reveal()));
}

// The daemon before left this one note.
class OneNote final : public PairNotes {
 public:
  void KeepPair(const PairNote&) override {}
  void DropPair(std::int32_t, Number) override {}
  std::vector<PairNote> KeptPairs() override { return {note}; }
  PairNote note;
};

void AddSuccessor(std::vector<FaultedOperation>& operations) {
  const auto add = [&](const std::string& path, bool renewed) {
    const auto opened = std::make_shared<Opened>();
    const auto before = std::make_shared<std::string>();
    operations.push_back({"a successor reads " + std::string(renewed ? "the kept " : "") + path,
                          [=](At at) {
                            Furnish(at);
                            *before = Must(at.tree.Get(kRoot, path));
                            opened->node = at.tree.At(path).id;
                            opened->handle = Must(at.tree.volume.Open(kRoot, opened->node, kRead));
                            if (renewed) Renew(at);
                          },
                          [=](At at) {
                            const auto successor = Successor(at, nullptr);
                            return Expect(*before, ReadAndClose(*successor, *opened));
                          },
                          Effect::kReads, true});
  };
  for (const char* const name : {"cert.pem", "key.pem"}) {
    add(In(name), false);
    add(In(name), true);
  }
  for (const char* const path :
       {"export/machine/web/fullchain.pem", "export/machine/web/combined.pem", "ca/profiles/server.toml"})
    add(path, false);

  const auto notes = std::make_shared<OneNote>();
  operations.push_back({"a successor gives the other half",
                        [=](At at) {
                          Furnish(at);
                          const NodeId key = at.tree.At(In("key.pem")).id;
                          notes->note = {kReader.thread, key.number(),      Member::kKey,
                                         key.revision(), at.tree.instant(), false};
                          Renew(at);
                        },
                        [=](At at) -> Result<std::string> {
                          const auto successor = Successor(at, notes.get());
                          const NodeId entry = TRY(at.tree.Find(kRoot, kEntry)).id;
                          const NodeId node = TRY(successor->Lookup(kReader, entry, "cert.pem")).id;
                          const HandleId handle = TRY(successor->Open(kReader, node, kRead));
                          auto read = ReadAndClose(*successor, {node, handle});
                          // What could not be looked at costs the pair, and nothing else.
                          if (at.faults.failed != 0 && read.has_value() && read.value() == Renewed())
                            return read;
                          return Expect(TextOf("chain.pem"), std::move(read));
                        },
                        Effect::kTells});
}

// Another process replaces a file of which the kernel knows.
void AddForeign(std::vector<FaultedOperation>& operations) {
  operations.push_back({"others' commits",
                        [](At at) {
                          Furnish(at);
                          const Node entry = at.tree.At(kEntry);
                          at.tree.volume.Named(entry);
                          static_cast<void>(Must(at.tree.Get(kReader, In("key.pem"))));
                          at.CommitElsewhere([&](Keystore& other) {
                            static_cast<void>(Must(other.WriteFile(entry.id.number(), Member::kCertificate,
                                                                   AsBytes(Renewed()), {0, 0}, {})));
                          });
                          at.tree.listener.replaced.clear();
                        },
                        [](At at) -> Result<std::string> {
                          TRY(at.tree.volume.CatchUp());
                          const auto& replaced = at.tree.listener.replaced;
                          const auto told =
                              std::count_if(replaced.begin(), replaced.end(),
                                            [](const auto& each) { return each.name == "cert.pem"; });
                          // However often it failed before, it is told once. A damaged entry answers for
                          // itself.
                          if (at.faults.failed == 0 || at.faults.code != ErrorCode::kCorrupt) {
                            EXPECT_EQ(told, 1);
                          }
                          return std::string();
                        },
                        Effect::kTells});
}

}  // namespace

void AddRevisions(std::vector<FaultedOperation>& operations) {
  AddMoments(operations);
  AddSuccessor(operations);
  AddForeign(operations);
}

}  // namespace certfs::test
