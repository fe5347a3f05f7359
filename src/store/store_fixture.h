// What the tests of the store share: a folder of their own and short ways to build transactions.
#pragma once
#include <filesystem>
#include <string>
#include <utility>

#include "base/log.h"
#include "store/store.h"

namespace mk::store {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mk-store-XXXXXX").string();
    MK_CHECK(mkdtemp(pattern.data()));
    path_ = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string db() const { return path_ + "/m.db"; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Quiet {  // the store is loud about what some cases do to it
  Quiet() { log::set_level(static_cast<log::Level>(99)); }
  ~Quiet() { log::set_level(log::Level::kInfo); }
};

inline const Schema kLedger{"ledger", {"CREATE TABLE ledger(id INTEGER PRIMARY KEY, note TEXT UNIQUE)"}};

inline Key pod(std::string name, std::string space = "default") {
  return {"pods", std::move(space), std::move(name)};
}

inline Json pod_body(const std::string& uid, int64_t n = 0) {
  return Json::object({{"kind", "Pod"}, {"metadata", Json::object({{"uid", uid}})}, {"n", n}});
}

inline ObjectOp create(Key key, int64_t n = 0) {
  Json body = pod_body("uid-" + key.name, n);
  return {ObjectOp::Kind::kCreate, std::move(key), std::move(body), {}};
}
inline ObjectOp update(Key key, std::optional<Version> if_version = {}, int64_t n = 1) {
  Json body = pod_body("uid-" + key.name, n);
  return {ObjectOp::Kind::kUpdate, std::move(key), std::move(body), if_version};
}
inline ObjectOp remove(Key key, std::optional<Version> if_version = {}) {
  return {ObjectOp::Kind::kDelete, std::move(key), {}, if_version};
}

template <typename... Ops>
Txn txn(Ops... ops) {
  Txn out;
  (out.objects.push_back(std::move(ops)), ...);
  return out;
}

inline Txn note(std::string text) {
  Txn out;
  out.rows = [text = std::move(text)](RowWriter& rows) -> Result<void> {
    MK_TRY([[maybe_unused]] auto n,
           rows.exec("INSERT INTO ledger(note) VALUES(?)", {std::string_view(text)}));
    return {};
  };
  return out;
}

inline int64_t ledger_size(const Store& store) {
  int64_t out = -1;
  auto done = store.read([&](RowReader& rows) {
    return rows.query("SELECT count(*) FROM ledger", {}, [&](const Row& row) {
      out = row.integer(0);
      return true;
    });
  });
  return done ? out : -1;
}

}  // namespace mk::store
