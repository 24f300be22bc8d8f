// Goal: an entry says who changed its content last, and when, and nothing but a change of content moves that.
// Method: changes of every kind through the door on both tables, each by somebody else at another moment.

#include "tests/store/keystore_fixture.h"

namespace certfs {
namespace {

using enum Member;

class LastChangeOf : public Door {
 protected:
  std::optional<LastChange> Of(Number number) { return Get(number).changed; }
  LastChange Now(std::uint32_t uid) { return {uid, clock_.now()}; }
  void PutAs(Actor actor, Number number, Member member, const std::string& vector) {
    clock_.Tick();
    Must(Write(number, member, VectorOf(vector), actor));
  }
};
INSTANTIATE_TEST_SUITE_P(Keystores, LastChangeOf, kBothDoors, NameOfDoor);

TEST_P(LastChangeOf, AWriteIsTheWriters) {
  const Number number = Make("machine", "www");
  EXPECT_EQ(Of(number), std::nullopt);
  PutAs(kAlice, number, kKey, "leaf.key");
  EXPECT_EQ(Of(number), Now(kAlice.uid));
  PutAs(kRoot, number, kCertificate, "leaf.pem");
  EXPECT_EQ(Of(number), Now(kRoot.uid));
}

TEST_P(LastChangeOf, NothingElseMovesIt) {
  const Number number = Make("machine", "www");
  PutAs(kAlice, number, kCertificate, "leaf.pem");
  const std::optional<LastChange> before = Of(number);
  clock_.Tick();
  Must(Write(number, kCertificate, VectorOf("leaf.pem"), kRoot));  // The same bytes.
  EXPECT_FALSE(Write(number, kCertificate, AsBytes("no certificate"), kRoot).has_value());
  Must(keystore_->SetFileAttributes(number, kCertificate,
                                    {0640, 7, 8, Time(std::chrono::seconds(1)), Time()}));
  Must(keystore_->SetEntryAttributes(number, {0700, 7, 8, {}, {}}));
  Must(keystore_->RenameEntry(StoreNumber("machine"), AliasOf("www"), AliasOf("web"), kRoot));
  EXPECT_EQ(Of(number), before);
}

TEST_P(LastChangeOf, ARemovalIsAChangeAndUndoingItIsNone) {
  const Number number = Make("machine", "www");
  PutAs(kAlice, number, kCertificate, "leaf.pem");
  const std::optional<LastChange> before = Of(number);
  clock_.Tick();
  RemovedFile removed;
  Must(keystore_->RemoveFile(number, kCertificate, kRoot, &removed));
  EXPECT_EQ(Of(number), Now(kRoot.uid));
  clock_.Tick();
  Must(keystore_->RestoreFile(removed));
  EXPECT_EQ(Of(number), before);
}

TEST_P(LastChangeOf, GoingLiveIsOfWhoeverCompletedThePair) {
  for (const bool key_first : {true, false}) {
    const Number live = Make(key_first ? "machine" : "vpxd", "www");
    PutAs(kRoot, live, kKey, "leaf.key");
    const std::optional<LastChange> before = Of(live);
    const Number next = Must(keystore_->CreateNext(live, kRoot, 0755)).number;
    const char* const vectors[] = {key_first ? "serial.key" : "serial-first.pem",
                                   key_first ? "serial-first.pem" : "serial.key"};
    PutAs(kRoot, next, key_first ? kKey : kCertificate, vectors[0]);
    EXPECT_EQ(Of(next), Now(kRoot.uid));
    EXPECT_EQ(Of(live), before);
    PutAs(kAlice, next, key_first ? kCertificate : kKey, vectors[1]);
    EXPECT_EQ(Of(live), Now(kAlice.uid));
    // The pair that is live already changes nothing.
    const std::optional<LastChange> completed = Of(live);
    PutAs(kRoot, next, kKey, "serial.key");
    PutAs(kRoot, next, kCertificate, "serial-first.pem");
    EXPECT_EQ(Of(live), completed);
    Must(keystore_->RemoveFile(live, kCertificate, kRoot));
  }
}

TEST_P(LastChangeOf, AKeptStateKeepsItsOwn) {
  const Number number = Make("machine", "www");
  PutAs(kAlice, number, kCertificate, "leaf.pem");
  const std::optional<LastChange> first = Of(number);
  const Number kept = [&] {
    clock_.Tick();
    return Must(Write(number, kCertificate, VectorOf("chain.pem"), kRoot)).kept;
  }();
  EXPECT_EQ(Of(kept), first);
  const std::optional<LastChange> second = Of(number);
  clock_.Tick();
  RemovedFile removed;
  Must(keystore_->RemoveFile(number, kCertificate, kAlice, &removed));
  EXPECT_EQ(Of(kept), second);
  Must(keystore_->RestoreFile(removed));
  EXPECT_EQ(Of(kept), first);
}

}  // namespace
}  // namespace certfs
