// What every EntryTable does with an authority and its ledger; a part of EntryTableContract.

#pragma once

#include <algorithm>
#include <map>

#include "tests/store/entry_table_contract.h"
#include "tests/store/ledger_fixture.h"

namespace certfs {

using Serials = std::vector<SerialNumber>;

inline Serials Sorted(Serials serials) {
  std::sort(serials.begin(), serials.end());
  return serials;
}

inline Serials ListGroup(TableSnapshot& snapshot, const IssuedGroupKey& group) {
  Serials serials;
  Must(snapshot.ListIssued(group, [&](Cursor at, const IssuedCertificate& issued) {
    EXPECT_GT(at, 0U);
    serials.push_back(issued.serial);
    return true;
  }));
  return Sorted(std::move(serials));
}

// Goal: the authority is what was put last, and there is one when it has certificates. Method: put, abandoned
// and replaced; a snapshot of before.
TEST_P(EntryTableContract, KeepsTheAuthority) {
  const auto before = Snapshot();
  EXPECT_FALSE(before->has_authority());
  EXPECT_EQ(Encoded(Must(before->GetAuthority())), Encoded(AuthorityRecord{}));
  Must(Begin()->PutAuthority(SomeAuthority()));
  EXPECT_FALSE(Snapshot()->has_authority());
  {
    const auto transaction = Begin();
    Must(transaction->PutAuthority(SomeAuthority()));
    EXPECT_TRUE(transaction->has_authority());
    EXPECT_EQ(Encoded(Must(transaction->GetAuthority())), Encoded(SomeAuthority()));
    Must(transaction->Commit());
  }
  MakeStore("S");
  EXPECT_TRUE(Snapshot()->has_authority());
  EXPECT_EQ(Encoded(Must(Snapshot()->GetAuthority())), Encoded(SomeAuthority()));
  EXPECT_FALSE(before->has_authority());
  AuthorityRecord without;
  without.profiles = {{"own", "days = 3\n"}};
  const auto transaction = Begin();
  Must(transaction->PutAuthority(without));
  Must(transaction->Commit());
  EXPECT_FALSE(Snapshot()->has_authority());
  EXPECT_EQ(Encoded(Must(Snapshot()->GetAuthority())), Encoded(without));
  AuthorityRecord two_issue = SomeAuthority();
  two_issue.certificates[1].role = AuthorityRole::kIssuing;
  EXPECT_EQ(CodeOf(Begin()->PutAuthority(two_issue)), ErrorCode::kInvalidArgument);
}

// Goal: lines are found by serial number, by number, and all of them in one order. Method: 300 lines, put in
// two transactions; a listing that goes on behind each of them.
TEST_P(EntryTableContract, FindsAndListsTheLedger) {
  std::map<SerialNumber, Number> numbers;
  for (std::uint32_t half = 0; half < 2; ++half) {
    const auto transaction = Begin();
    for (std::uint32_t i = half * 150; i < half * 150 + 150; ++i) {
      numbers[SerialOf(i)] = Must(transaction->PutIssued(SomeIssued(i)));
      EXPECT_EQ(Must(transaction->FindIssued(SerialOf(i)))->number, numbers[SerialOf(i)]);
    }
    EXPECT_EQ(transaction->issued_count(), half * 150 + 150);
    Must(transaction->Commit());
  }
  const auto snapshot = Snapshot();
  EXPECT_EQ(snapshot->issued_count(), 300U);
  for (std::uint32_t i = 0; i < 300; ++i) {
    IssuedCertificate expected = SomeIssued(i);
    expected.number = numbers[expected.serial];
    EXPECT_EQ(Encoded(*Must(snapshot->FindIssued(expected.serial))), Encoded(expected));
    EXPECT_EQ(Encoded(*Must(snapshot->FindIssuedByNumber(expected.number))), Encoded(expected));
  }
  EXPECT_FALSE(Must(snapshot->FindIssued(SerialOf(300))));
  EXPECT_FALSE(Must(snapshot->FindIssuedByNumber(1'000'000)));
  Serials at_once;
  Cursor last = 0;
  Must(snapshot->ListIssued(0, [&](Cursor at, const IssuedCertificate& issued) {
    EXPECT_GT(at, last);
    last = at;
    at_once.push_back(issued.serial);
    return true;
  }));
  EXPECT_EQ(at_once.size(), 300U);
  Serials one_by_one;
  for (Cursor after = 0;;) {
    bool found = false;
    Must(snapshot->ListIssued(after, [&](Cursor at, const IssuedCertificate& issued) {
      after = at;
      found = true;
      one_by_one.push_back(issued.serial);
      return false;
    }));
    if (!found) break;
  }
  EXPECT_EQ(one_by_one, at_once);
}

// Goal: each group lists exactly its lines. Method: 300 lines, each group compared with what GroupsOf says.
TEST_P(EntryTableContract, ListsTheGroupsOfTheLedger) {
  std::vector<std::pair<IssuedGroupKey, Serials>> groups;
  const auto transaction = Begin();
  for (std::uint32_t i = 0; i < 300; ++i) {
    const IssuedCertificate issued = SomeIssued(i);
    for (const IssuedGroupKey& key : GroupsOf(issued)) {
      const auto found =
          std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == key; });
      auto& group = found == groups.end() ? groups.emplace_back(key, Serials()) : *found;
      group.second.push_back(issued.serial);
    }
    Must(transaction->PutIssued(issued.Clone()));
  }
  EXPECT_EQ(ListGroup(*transaction, IssuedGroupKey::Name("ALIAS.example.COM")).size(), 300U);
  Must(transaction->Commit());
  const auto snapshot = Snapshot();
  for (const auto& [key, serials] : groups) EXPECT_EQ(ListGroup(*snapshot, key), Sorted(serials));
  EXPECT_EQ(ListGroup(*snapshot, IssuedGroupKey::Revoked(1)).size(), 50U);
  EXPECT_TRUE(ListGroup(*snapshot, IssuedGroupKey::Name("nobody.example.com")).empty());
  EXPECT_TRUE(ListGroup(*snapshot, IssuedGroupKey::Revoked(3)).empty());
  int shown = 0;
  Must(snapshot->ListIssued(IssuedGroupKey::Revoked(1),
                            [&](Cursor, const IssuedCertificate&) { return ++shown < 2; }));
  EXPECT_EQ(shown, 2);
}

// Goal: a line that changes leaves its old groups and joins its new ones. Method: one among others, changed
// in every respect, and back.
TEST_P(EntryTableContract, KeepsTheGroupsInStep) {
  const auto transaction = Begin();
  for (std::uint32_t i = 1; i < 40; ++i) Must(transaction->PutIssued(SomeIssued(i)));
  IssuedCertificate first = SomeIssued(0);
  first.number = Must(transaction->PutIssued(first.Clone()));
  Must(transaction->Commit());
  IssuedCertificate second = first.Clone();
  second.not_after += std::chrono::days(100);
  second.common_name = "elsewhere";
  second.names = {"elsewhere.example.com", "ALIAS.example.com"};
  second.revocation.reset();
  second.entry = 7000;
  second.pickup.clear();
  second.key.clear();
  const auto is_in = [&](TableSnapshot& snapshot, const IssuedGroupKey& group) {
    const Serials serials = ListGroup(snapshot, group);
    return std::find(serials.begin(), serials.end(), first.serial) != serials.end();
  };
  const IssuedCertificate* states[] = {&first, &second, &first};
  for (std::size_t i = 1; i < 3; ++i) {
    const auto change = Begin();
    EXPECT_EQ(Must(change->PutIssued(states[i]->Clone())), first.number);
    Must(change->Commit());
    const auto snapshot = Snapshot();
    EXPECT_EQ(Encoded(*Must(snapshot->FindIssued(first.serial))), Encoded(*states[i]));
    EXPECT_EQ(snapshot->issued_count(), 40U);
    const auto groups = GroupsOf(*states[i]);
    for (const IssuedGroupKey& group : groups) EXPECT_TRUE(is_in(*snapshot, group));
    for (const IssuedGroupKey& group : GroupsOf(*states[i - 1])) {
      const bool stays = std::find(groups.begin(), groups.end(), group) != groups.end();
      EXPECT_EQ(is_in(*snapshot, group), stays);
    }
  }
}

// Goal: no serial number twice, and no line under another's number. Method: each way to ask for it.
TEST_P(EntryTableContract, RefusesAnotherLineOfOneSerialNumber) {
  const auto transaction = Begin();
  IssuedCertificate line = SomeIssued(1);
  line.number = Must(transaction->PutIssued(line.Clone()));
  const Number other = Must(transaction->PutIssued(SomeIssued(2)));
  EXPECT_EQ(CodeOf(transaction->PutIssued(SomeIssued(1))), ErrorCode::kAlreadyExists);
  IssuedCertificate moved = line.Clone();
  moved.number = other;
  EXPECT_EQ(CodeOf(transaction->PutIssued(std::move(moved))), ErrorCode::kAlreadyExists);
  IssuedCertificate renamed = line.Clone();
  renamed.serial = SerialOf(3);
  EXPECT_EQ(CodeOf(transaction->PutIssued(std::move(renamed))), ErrorCode::kNotFound);
  IssuedCertificate unnamed = SomeIssued(4);
  unnamed.authority = 0;
  EXPECT_EQ(CodeOf(transaction->PutIssued(std::move(unnamed))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(transaction->issued_count(), 2U);
  EXPECT_EQ(Encoded(*Must(transaction->FindIssued(line.serial))), Encoded(line));
}

}  // namespace certfs
