// An authority that answers what a test has it answer, and remembers what it was asked.

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/certificate_manager/situation.h"

namespace certfs {

class ScriptedAuthority {
 public:
  // The answers to a command line, in their order; the last one stands. What has none is answered by {}.
  void Answer(const std::string& line, Json answer) {
    answers_[line].push_back({std::move(answer), std::nullopt});
  }
  void Refuse(const std::string& line, Error error) { answers_[line].push_back({Json(), std::move(error)}); }

  AuthorityCommand command() {
    return [this](const ControlCommand& command) -> Result<Json> {
      asked_.push_back(command.line());
      payloads_.emplace_back(AsText(command.payload()));
      const auto found = answers_.find(command.line());
      if (found == answers_.end()) return Json::object();
      std::vector<Scripted>& left = found->second;
      const Scripted answer = left.front();
      if (left.size() > 1) left.erase(left.begin());
      if (answer.error) return *answer.error;
      return answer.json;
    };
  }

  const std::vector<std::string>& asked() const { return asked_; }
  const std::vector<std::string>& payloads() const { return payloads_; }

 private:
  struct Scripted {
    Json json;
    std::optional<Error> error;
  };
  std::map<std::string, std::vector<Scripted>> answers_;
  std::vector<std::string> asked_;
  std::vector<std::string> payloads_;
};

}  // namespace certfs
