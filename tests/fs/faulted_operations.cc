#include "tests/fs/faulted_operations.h"

namespace certfs::test {

namespace {

using Effect = FaultedOperation::Effect;
using At = FaultedVolume&;

constexpr auto kEntry = "stores/machine/web";

std::string In(std::string_view name) { return std::string(kEntry) + "/" + std::string(name); }

// The next handle on `path`, opened for reading and read.
Result<std::string> Get(At at, const Caller& caller, const std::string& path) {
  return at.tree.Get(caller, path);
}

// Opens `path` to write, does `what` with the handle, and closes it.
Result<void> WithWriter(At at, const Caller& caller, const std::string& path, OpenMode mode,
                        const std::function<Result<void>(const Tree::Writer&)>& what) {
  const Tree::Writer writer = TRY(at.OpenToWrite(caller, path, mode));
  auto done = what(writer);
  auto closed = at.tree.volume.Flush(caller, writer.handle);
  at.tree.volume.Release(writer.node, writer.handle);
  if (!done.has_value()) return done;
  return closed;
}

Result<void> Drop(const Result<Node>& node) {
  if (!node.has_value()) return node.error();
  return {};
}

}  // namespace

std::string StoreText(const std::string& name) {
  return std::string(AsText(ReadAll(std::string(CERTFS_SOURCE_DIR) + "/tests/store/vectors/" + name)));
}

void SetPassword(FaultedVolume& at) {
  Settings settings;
  settings.export_password = SecretBytes::CopyOf(AsBytes("correct horse"));
  Must(at.tree.keystore->SetSettings(settings));
}

void Furnish(FaultedVolume& at) {
  const auto put = [&](const std::string& directory, const std::string& name, const std::string& vector) {
    if (Failure(at.tree.Find(kRoot, directory))) Must(at.MakeDirectory(kRoot, directory));
    Must(at.Put(kRoot, directory + "/" + name, TextOf(vector)));
  };
  put("stores/TRUSTED_ROOTS/root", "cert.pem", "root.pem");
  put("stores/TRUSTED_ROOTS/issuing", "cert.pem", "issuing.pem");
  put("stores/TRUSTED_ROOTS_CRLS/root", "crl.pem", "crl-5.pem");
  put(kEntry, "key.pem", "leaf.key");
  put(kEntry, "cert.pem", "leaf.pem");
  put(kEntry, "cert.pem", "chain.pem");
  Must(at.MakeDirectory(kRoot, "stores/machine/empty"));
  Must(at.MakeDirectory(kRoot, "stores/APPLMGMT_PASSWORD/one"));
  Must(at.Put(kRoot, "stores/APPLMGMT_PASSWORD/one/secret", "a password"));
  // Whoever was in the middle of anything is so no more.
  at.tree.now += std::chrono::minutes(1);
  at.tree.volume.DropExpired();
}

void AddReading(std::vector<FaultedOperation>& operations) {
  for (const char* const path :
       {"stores", "stores/machine", "stores/machine/web", "stores/BACKUP_STORE", "export", "export/machine",
        "export/machine/web", "export/TRUSTED_ROOTS", "backup", "ca", "ca/profiles"}) {
    operations.push_back({path, Furnish, [=](At at) { return at.Names(kRoot, path); }, Effect::kReads});
  }
  for (const char* const path :
       {"stores/machine/web/cert.pem", "stores/machine/web/key.pem", "stores/BACKUP_STORE/bkp_web/cert.pem",
        "stores/TRUSTED_ROOTS_CRLS/root/crl.pem", "ca/profiles/server.toml"}) {
    operations.push_back({path, Furnish, [=](At at) { return Get(at, kRoot, path); }, Effect::kReads});
  }
  operations.push_back({"stat", Furnish,
                        [](At at) -> Result<std::string> {
                          const Node node = TRY(at.tree.Find(kUser, In("cert.pem")));
                          return std::to_string(TRY(at.tree.volume.GetAttributes(kUser, node.id, 0)).size);
                        },
                        Effect::kReads});
  operations.push_back({"the other questions", Furnish,
                        [](At at) -> Result<std::string> {
                          Volume& volume = at.tree.volume;
                          const NodeId entry = TRY(at.tree.Find(kRoot, "stores/BACKUP_STORE/bkp_web")).id;
                          const NodeId store = TRY(at.tree.Find(kRoot, "stores/machine")).id;
                          const auto from = TRY(volume.KeptFrom(entry));
                          const auto path = TRY(volume.PathOfDirectory(entry));
                          const auto enforces = TRY(volume.EnforcesRevocation(store));
                          const auto digest = TRY(volume.ListingDigest(store));
                          return from.value_or("?") + path.value_or("?") +
                                 (enforces.value_or(true) ? "y" : "n") +
                                 (digest ? std::string(digest->begin(), digest->end()) : "?");
                        },
                        Effect::kReads});
  operations.push_back({"looking for others' commits", Furnish,
                        [](At at) { return Done(at.tree.volume.CatchUp()); }, Effect::kTells});
}

void AddWriting(std::vector<FaultedOperation>& operations) {
  const auto add = [&](const char* name, std::function<Result<void>(At)> act,
                       Effect effect = Effect::kChanges, std::function<void(At)> prepare = {}) {
    operations.push_back({name,
                          [prepare](At at) {
                            Furnish(at);
                            if (prepare) prepare(at);
                          },
                          [act](At at) { return Done(act(at)); }, effect});
  };
  const std::string renewed = "# renewed\n" + TextOf("leaf.pem");

  add("a new file by close",
      [](At at) { return at.Put(kRoot, "stores/machine/empty/cert.pem", TextOf("zero-serial.pem")); });
  add("a replacement by close", [=](At at) { return at.Put(kRoot, In("cert.pem"), renewed); });
  add("a replacement of a key",
      [](At at) { return at.Put(kRoot, In("key.pem"), "# again\n" + TextOf("leaf.key")); });
  add("a replacement by fsync", [=](At at) {
    return WithWriter(at, kRoot, In("cert.pem"), kReplace, [&](const Tree::Writer& writer) -> Result<void> {
      TRY(at.tree.volume.Write(kRoot, writer.handle, 0, AsBytes(renewed)));
      return at.tree.volume.Sync(kRoot, writer.handle);
    });
  });
  add("a file that is edited", [](At at) {
    return WithWriter(at, kRoot, In("cert.pem"), kEdit, [&](const Tree::Writer& writer) {
      return at.tree.volume.Write(kRoot, writer.handle, TextOf("chain.pem").size(), AsBytes("# more\n"));
    });
  });
  add("a file that is cut by its handle", [](At at) {
    return WithWriter(at, kRoot, In("cert.pem"), kEdit, [&](const Tree::Writer& writer) {
      // Of leaf and issuer the leaf remains.
      return Drop(
          at.tree.volume.SetAttributes(kRoot, writer.node, writer.handle, {}, TextOf("leaf.pem").size()));
    });
  });
  add("a last close, after its opener's", [=](At at) -> Result<void> {
    const Tree::Writer writer = TRY(at.OpenToWrite(kRoot, In("cert.pem"), kReplace));
    const std::size_t refused = at.tree.listener.refusals.size();
    auto done = at.tree.volume.Flush(kRoot, writer.handle);
    if (done.has_value()) done = at.tree.volume.Write(kUser, writer.handle, 0, AsBytes(renewed));
    at.tree.volume.Release(writer.node, writer.handle);
    // Nobody waits for it: the log alone tells.
    if (done.has_value() && at.tree.listener.refusals.size() != refused)
      return Error(at.faults.code, at.tree.listener.refusals.back());
    return done;
  });
  add("attributes by a handle", [=](At at) {
    return WithWriter(
        at, kRoot, "stores/machine/empty/cert.pem", kReplace,
        [&](const Tree::Writer& writer) -> Result<void> {
          TRY(at.tree.volume.Write(kRoot, writer.handle, 0, AsBytes(TextOf("zero-serial.pem"))));
          return Drop(at.tree.volume.SetAttributes(kRoot, writer.node, writer.handle, {0600, 7, 8, {}, {}},
                                                   std::nullopt));
        });
  });
  add("a secret", [](At at) { return at.Put(kRoot, "stores/APPLMGMT_PASSWORD/one/secret", "another"); });
  add("a CRL",
      [](At at) { return at.Put(kRoot, "stores/TRUSTED_ROOTS_CRLS/root/crl.pem", TextOf("crl-6.pem")); });
  add(
      "an anchor",
      [](At at) { return at.Put(kRoot, "stores/TRUSTED_ROOTS/new/cert.pem", TextOf("other-root.pem")); },
      Effect::kChanges, [](At at) { Must(at.MakeDirectory(kRoot, "stores/TRUSTED_ROOTS/new")); });

  add("a file that goes", [](At at) { return at.Unlink(kRoot, In("cert.pem")); });
  operations.back().removes = true;
  add(
      "a file that was removed, written again", [=](At at) { return at.Put(kRoot, In("cert.pem"), renewed); },
      Effect::kChanges,
      [](At at) {
        at.or_else = at.State();
        Must(at.Unlink(kRoot, In("cert.pem")));
      });
  add(
      "a file that was renamed away, written again",
      [=](At at) { return at.Put(kRoot, In("cert.pem"), renewed); }, Effect::kChanges,
      [](At at) { Must(at.Rename(kRoot, In("cert.pem"), In("cert.pem~"))); });

  add("scratch", [](At at) { return at.PutScratch(kRoot, In(".tmp"), "anything"); });
  const auto scratch = [=](At at) { Must(at.PutScratch(kRoot, In(".tmp"), renewed)); };
  add(
      "scratch becomes live by rename", [](At at) { return at.Rename(kRoot, In(".tmp"), In("cert.pem")); },
      Effect::kChanges, scratch);
  add(
      "scratch becomes live by link",
      [](At at) { return at.Link(kRoot, "stores/machine/empty/.tmp", "stores/machine/empty/cert.pem"); },
      Effect::kChanges,
      [](At at) { Must(at.PutScratch(kRoot, "stores/machine/empty/.tmp", TextOf("zero-serial.pem"))); });
  add(
      "scratch under another name", [](At at) { return at.Rename(kRoot, In(".tmp"), In(".other")); },
      Effect::kChanges, scratch);
  add(
      "scratch under two names", [](At at) { return at.Link(kRoot, In(".tmp"), In(".other")); },
      Effect::kChanges, scratch);
  add(
      "scratch goes", [](At at) { return at.Unlink(kRoot, In(".tmp")); }, Effect::kChanges, scratch);
  add(
      "attributes of scratch",
      [](At at) {
        return at.SetAttributes(kRoot, In(".tmp"), {0640, 5, 6, {}, {}});
      },
      Effect::kChanges, scratch);
  add("a copy by rename", [](At at) { return at.Rename(kRoot, In("key.pem"), In("key.pem~")); });
  add("a copy by link", [](At at) { return at.Link(kRoot, In("cert.pem"), In(".copy")); });
  add("a directory of scratch", [](At at) { return at.MakeDirectory(kRoot, In(".tmp")); });
  add(
      "a directory of scratch goes", [](At at) { return at.RemoveDirectory(kRoot, In(".tmp")); },
      Effect::kChanges, [](At at) { Must(at.MakeDirectory(kRoot, In(".tmp"))); });

  add("an empty file", [](At at) {
    return WithWriter(at, kRoot, "stores/machine/empty/cert.pem", kReplace,
                      [](const Tree::Writer&) { return Result<void>(); });
  });
  const auto empty = [](At at) {
    Must(WithWriter(at, kRoot, "stores/machine/empty/cert.pem", kReplace,
                    [](const Tree::Writer&) { return Result<void>(); }));
  };
  add(
      "an empty file is written",
      [](At at) { return at.Put(kRoot, "stores/machine/empty/cert.pem", TextOf("zero-serial.pem")); },
      Effect::kChanges, empty);
  add(
      "an empty file goes", [](At at) { return at.Unlink(kRoot, "stores/machine/empty/cert.pem"); },
      Effect::kChanges, empty);

  const auto next = [](At at) { Must(at.MakeDirectory(kRoot, In("next"))); };
  add(
      "a staged half", [](At at) { return at.Put(kRoot, In("next/key.pem"), StoreText("serial.key")); },
      Effect::kChanges, next);
  add(
      "a staged pair goes live",
      [](At at) { return at.Put(kRoot, In("next/cert.pem"), StoreText("serial-first.pem")); },
      Effect::kChanges,
      [=](At at) {
        next(at);
        Must(at.Put(kRoot, In("next/key.pem"), StoreText("serial.key")));
      });
  add(
      "a request is made",
      [](At at) {
        return at.Put(kRoot, In("next/request.cfg"), "Name = web.example.com\nHostname = web.example.com\n");
      },
      Effect::kChanges, next);
}

void AddNaming(std::vector<FaultedOperation>& operations) {
  const auto add = [&](const char* name, std::function<Result<void>(At)> act,
                       std::function<void(At)> prepare = {}) {
    operations.push_back({name,
                          [prepare](At at) {
                            Furnish(at);
                            if (prepare) prepare(at);
                          },
                          [act](At at) { return Done(act(at)); }});
  };
  const auto store = [](At at) { Must(at.MakeDirectory(kRoot, "stores/new")); };
  add("a store", [](At at) { return at.MakeDirectory(kRoot, "stores/new"); });
  add(
      "a store goes", [](At at) { return at.RemoveDirectory(kRoot, "stores/new"); }, store);
  add(
      "a store's name", [](At at) { return at.Rename(kRoot, "stores/new", "stores/newer"); }, store);
  add("an entry", [](At at) { return at.MakeDirectory(kRoot, "stores/machine/new"); });
  add("an entry's name", [](At at) { return at.Rename(kRoot, kEntry, "stores/machine/www"); });
  add(
      "an entry goes, and scratch with it",
      [](At at) { return at.RemoveDirectory(kRoot, "stores/machine/empty"); },
      [](At at) { Must(at.PutScratch(kRoot, "stores/machine/empty/.tmp", "x")); });
  add("next/", [](At at) { return at.MakeDirectory(kRoot, In("next")); });
  add(
      "next/ goes, and scratch with it", [](At at) { return at.RemoveDirectory(kRoot, In("next")); },
      [](At at) {
        Must(at.MakeDirectory(kRoot, In("next")));
        Must(at.PutScratch(kRoot, In("next/.tmp"), "x"));
      });
  add("a state in BACKUP_STORE goes",
      [](At at) { return at.RemoveDirectory(kRoot, "stores/BACKUP_STORE/bkp_web"); });

  AttributeChange mode;
  mode.mode = 0400;
  AttributeChange owner;
  owner.uid = 33;
  owner.gid = 44;
  AttributeChange times;
  times.atime = times.mtime = Time(std::chrono::seconds(5));
  AttributeChange list;
  list.access_acl = AccessControlList();
  list.mode = 0640;
  for (const char* const path : {"stores/machine", kEntry, "stores/machine/web/key.pem"}) {
    const auto at_path = [=](const AttributeChange& change) {
      return [=](At at) { return at.SetAttributes(kRoot, path, change); };
    };
    add("chmod", at_path(mode));
    add("chown", at_path(owner));
    add("utimens", at_path(times));
    add("setfacl", at_path(list));
  }
  add("enforcing revocation", [](At at) -> Result<void> {
    return at.tree.volume.SetEnforcesRevocation(kRoot, TRY(at.tree.Find(kRoot, "stores/machine")).id, true);
  });
}

std::vector<FaultedOperation> FaultedOperations() {
  std::vector<FaultedOperation> operations;
  AddReading(operations);
  AddWriting(operations);
  AddNaming(operations);
  AddAuthority(operations);
  AddGenerated(operations);
  AddRevisions(operations);
  return operations;
}

}  // namespace certfs::test
