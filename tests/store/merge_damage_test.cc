// Goal: what is damaged in a keystore keeps nothing else of a backup from being merged into it, and is named.
// Method: records of a keystore on disk are changed by somebody without the key; a plan and a merge agree.

#include "tests/store/damage_door.h"
#include "tests/store/merge_fixture.h"

namespace certfs {

namespace {

class MergeDamage : public MergeDoor<DamageDoor> {
 protected:
  // A backup of something of everything, of which "machine/other" is gone since.
  void Prepare() {
    change_.All();
    Put(Make("machine", "other"), Member::kKey, "other.key");
    BackUp();
    Remove("machine", "other");
  }
  // Everything else is merged; `kept` says what is left as it is, and why.
  void ExpectMerged(const std::vector<std::string>& kept) {
    const std::vector<std::string> lines = Lines(Merged());
    EXPECT_NE(std::ranges::find(lines, "add machine/other"), lines.end());
    for (const std::string& name : kept) {
      const auto is_kept = [&](const std::string& line) {
        return line.starts_with("keep " + name + ": what is there is damaged");
      };
      EXPECT_TRUE(std::ranges::any_of(lines, is_kept)) << name;
    }
    EXPECT_TRUE(Find("machine", "other"));
  }
};

INSTANTIATE_TEST_SUITE_P(Keystores, MergeDamage, kOnDisk, NameOfDoor);

TEST_P(MergeDamage, AFileThatIsDamagedIsPutBack) {
  Prepare();
  const Number web = Find("machine", "web")->number;
  Flip("contents", KeyOf(web, Member::kKey));
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_NE(std::ranges::find(lines, "replace machine/web"), lines.end());
  EXPECT_EQ(Text(web, Member::kKey), AsText(VectorOf("leaf.key")));
}

TEST_P(MergeDamage, AnEntryWhoseRecordIsDamagedStays) {
  Prepare();
  Flip("entries", KeyOf(Find("machine", "web")->number));
  ExpectMerged({"machine/web"});
}

TEST_P(MergeDamage, AReplacementWhoseRecordIsDamagedStays) {
  Prepare();
  Flip("entries", KeyOf(Find("machine", "web/next")->number));
  ExpectMerged({"machine/web/next"});
}

TEST_P(MergeDamage, AKeptStateWhoseRecordIsDamagedStays) {
  Prepare();
  Flip("entries", KeyOf(Find("BACKUP_STORE", "bkp_web")->number));
  ExpectMerged({"BACKUP_STORE/bkp_web"});
}

// What is there goes beside it.
TEST_P(MergeDamage, AnEntryWhoseKeptStateIsDamagedIsReplaced) {
  Prepare();
  const Number web = Find("machine", "web")->number;
  Put(web, Member::kCertificate, "leaf.pem");
  Flip("entries", KeyOf(Find("BACKUP_STORE", "bkp_web")->number));
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_NE(std::ranges::find(lines, "replace machine/web"), lines.end());
  const auto kept = Find("BACKUP_STORE", "bkp_web@machine");
  ASSERT_TRUE(kept);
  EXPECT_EQ(Text(kept->number, Member::kCertificate), AsText(VectorOf("leaf.pem")));
}

TEST_P(MergeDamage, AStoreWhoseRecordIsDamagedStays) {
  Prepare();
  Flip("stores", KeyOf(StoreNumber("vpxd")));
  ExpectMerged({"vpxd", "vpxd/web"});
}

TEST_P(MergeDamage, TheStoreOfListsWhoseRecordIsDamagedStays) {
  Prepare();
  Flip("stores", KeyOf(StoreNumber("TRUSTED_ROOTS_CRLS")));
  ExpectMerged({"TRUSTED_ROOTS_CRLS", "TRUSTED_ROOTS_CRLS/issuing"});
}

TEST_P(MergeDamage, AListWhoseRecordIsDamagedStaysBesideTheOthers) {
  Prepare();
  Flip("entries", KeyOf(Find("TRUSTED_ROOTS_CRLS", "issuing")->number));
  ExpectMerged({"TRUSTED_ROOTS_CRLS/issuing"});
}

// Lists are compared with those that can be read.
TEST_P(MergeDamage, AListComesBesideOneThatIsDamaged) {
  Prepare();
  Must(keystore_->RenameEntry(StoreNumber("TRUSTED_ROOTS_CRLS"), AliasOf("issuing"), AliasOf("renamed"),
                              kRoot));
  Flip("entries", KeyOf(Find("TRUSTED_ROOTS_CRLS", "renamed")->number));
  ExpectMerged({});
  EXPECT_TRUE(Find("TRUSTED_ROOTS_CRLS", "issuing"));
}

// Somebody made the directory, and went no further.
TEST_P(MergeDamage, AnEmptyReplacementIsFilled) {
  Prepare();
  const Number web = Find("machine", "web")->number;
  const Number next = Find("machine", "web/next")->number;
  Must(keystore_->RemoveFile(next, Member::kKey, kRoot));
  const std::vector<std::string> lines = Lines(Merged());
  EXPECT_NE(std::ranges::find(lines, "replace machine/web/next"), lines.end());
  EXPECT_EQ(Text(next, Member::kKey), AsText(VectorOf("other.key")));
  EXPECT_EQ(Get(next).origin, web);
}

}  // namespace

}  // namespace certfs
