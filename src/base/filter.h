// MLflow's search language: `clause (AND clause)*` and `entity.key [ASC|DESC]`. What may be asked is data (a
// Grammar); runs, experiments, models and versions each have one. Hand-written because no library speaks it;
// linear in the text, bounded, and LIKE never backtracks over more than one segment of its pattern.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mk::filter {

inline constexpr size_t kTextBytesMax = 256u << 10;
inline constexpr size_t kClausesMax = 100;
inline constexpr size_t kListItemsMax = 5000;
inline constexpr size_t kLikeBytesMax = 1000;
inline constexpr size_t kLikeBytesWithUnderscoreMax = 200;  // those are matched by trying each position
inline constexpr size_t kKeyBytesMax = 1000;

enum class Op : uint8_t {
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  kLike,
  kIlike,
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull,
};
std::string_view op_name(Op op);

using Ops = uint32_t;  // a set of Op
constexpr Ops ops(std::initializer_list<Op> list) {
  Ops set = 0;
  for (Op op : list) set |= 1u << static_cast<unsigned>(op);
  return set;
}
inline constexpr Ops kNumberOps =
    ops({Op::kEqual, Op::kNotEqual, Op::kGreater, Op::kGreaterEqual, Op::kLess, Op::kLessEqual});
inline constexpr Ops kTextOps = ops({Op::kEqual, Op::kNotEqual, Op::kLike, Op::kIlike});
inline constexpr Ops kListOps = ops({Op::kIn, Op::kNotIn});
inline constexpr Ops kPresenceOps = ops({Op::kIsNull, Op::kIsNotNull});

enum class Kind : uint8_t { kNumber, kText };

// One key that an entity knows.
struct Field {
  std::string_view name;                    // canonical
  std::vector<std::string_view> spellings;  // all that are accepted, `name` included
  Kind kind = Kind::kText;
  Ops ops = kTextOps;  // 0: may only be ordered by
  bool sortable = true;
};

struct Entity {
  std::string_view name;                    // as messages suggest it: "metrics"
  std::vector<std::string_view> spellings;  // "metric", "metrics"
  std::vector<Field> fields;                // the only keys; empty = any key, of `kind` with `ops`
  Kind kind = Kind::kText;
  Ops ops = kTextOps;
  bool sortable = true;
};

struct Grammar {
  std::vector<Entity> entities;
  size_t bare = 0;  // the entity of a key written without one
};

// LIKE: % is any text, _ any one character; nothing escapes them. ILIKE folds ASCII letters.
class LikePattern {
 public:
  LikePattern() = default;
  LikePattern(std::string_view pattern, bool fold_case);
  bool matches(std::string_view text) const;

 private:
  struct Segment {
    std::string text;
    bool any_one = false;  // holds a '_'
  };
  std::vector<Segment> segments_;  // between the %
  bool open_start_ = false, open_end_ = false;
  bool fold_ = false;
};

struct Column {
  size_t entity = 0;  // index in Grammar::entities
  std::string key;    // canonical for entities with fields
  Kind kind = Kind::kText;
};

struct Clause {
  Column column;
  Op op = Op::kEqual;
  std::string text;               // of text columns
  double number = 0;              // of number columns
  std::vector<std::string> list;  // IN, NOT IN; sorted
  LikePattern like;

  // Whether a value passes; an absent one (nullopt) passes only IS NULL, and NaN nothing but !=.
  bool matches(std::optional<std::string_view> value) const;
  bool matches(std::optional<double> value) const;
};

struct Order {
  Column column;
  bool ascending = true;
};

// All clauses must hold. Errors say what was found where and what would be right. Empty text = no clauses.
Result<std::vector<Clause>> parse(std::string_view text, const Grammar& grammar);
Result<Order> parse_order(std::string_view text, const Grammar& grammar);

}  // namespace mk::filter
