#include "base/filter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/format.h"

namespace mk::filter {
namespace {

constexpr std::string_view kOpNames[] = {
    "=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"};

char fold(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
bool equal_fold(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return fold(x) == fold(y); });
}
std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = fold(c);
  return out;
}

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kWord,
    kText,
    kNumber,
    kOperator,
    kOpen,
    kClose,
    kComma,
    kOther
  } kind = Kind::kEnd;
  std::string_view raw;  // as written, for messages
  std::string text;      // of kText: without quotes; of kWord: as written
  // A word may name a column: entity.key with either part quoted.
  std::string entity, key;
  bool dotted = false;
  size_t at = 0;
};

bool word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool word_char(char c) {
  return word_start(c) || digit(c) || c == '-' || c == '/' || c == ':' || c == '.';
}
bool space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> next() {
    while (at_ < text_.size() && space(text_[at_])) ++at_;
    Token token;
    token.at = at_;
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (word_start(c) || c == '`') return column(std::move(token));
    if (c == '\'' || c == '"') return quoted_or_column(std::move(token));
    if (digit(c) || ((c == '-' || c == '+' || c == '.') && at_ + 1 < text_.size() &&
                     (digit(text_[at_ + 1]) || text_[at_ + 1] == '.')))
      return number(std::move(token));
    ++at_;
    if (c == '(' || c == ')' || c == ',') {
      token.kind = c == '(' ? Token::Kind::kOpen : c == ')' ? Token::Kind::kClose : Token::Kind::kComma;
    } else if (c == '=' || c == '!' || c == '<' || c == '>') {
      token.kind = Token::Kind::kOperator;
      while (at_ < text_.size() && (text_[at_] == '=' || text_[at_] == '>')) ++at_;
    } else {
      token.kind = Token::Kind::kOther;
    }
    token.raw = text_.substr(token.at, at_ - token.at);
    return token;
  }

 private:
  // Reads up to the closing quote; a doubled quote stands for one.
  Result<std::string> quoted() {
    const char quote = text_[at_];
    const size_t start = at_++;
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] != quote) {
        out += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
        out += text_[at_++];
      } else {
        ++at_;
        return out;
      }
    }
    return invalid(fmt::format("the filter has a {} at position {} that is never closed", quote, start + 1));
  }

  Result<Token> quoted_or_column(Token token) {
    MK_TRY(token.text, quoted());
    token.kind = Token::Kind::kText;
    token.raw = text_.substr(token.at, at_ - token.at);
    return token;
  }

  Result<std::string> part(bool dots) {
    if (at_ < text_.size() && (text_[at_] == '`' || text_[at_] == '"' || text_[at_] == '\'')) return quoted();
    const size_t start = at_;
    while (at_ < text_.size() && word_char(text_[at_]) && (dots || text_[at_] != '.')) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  Result<Token> column(Token token) {
    token.kind = Token::Kind::kWord;
    MK_TRY(token.entity, part(false));
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      token.dotted = true;
      MK_TRY(token.key, part(true));
    } else {
      std::swap(token.entity, token.key);
    }
    token.raw = text_.substr(token.at, at_ - token.at);
    token.text = token.raw;
    return token;
  }

  Result<Token> number(Token token) {
    while (at_ < text_.size() &&
           (digit(text_[at_]) || text_[at_] == '.' || word_start(text_[at_]) ||
            ((text_[at_] == '-' || text_[at_] == '+') && (at_ == token.at || fold(text_[at_ - 1]) == 'e'))))
      ++at_;
    token.kind = Token::Kind::kNumber;
    token.raw = text_.substr(token.at, at_ - token.at);
    token.text = token.raw;
    return token;
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string shown(std::string_view text) {
  if (text.size() <= 100) return std::string(text);
  return std::string(text.substr(0, 97)) + "...";
}

std::string found(const Token& token) {
  if (token.kind == Token::Kind::kEnd) return "the end";
  return fmt::format("'{}' at position {}", shown(token.raw), token.at + 1);
}

bool keyword(const Token& token, std::string_view word) {
  return token.kind == Token::Kind::kWord && !token.dotted && equal_fold(token.raw, word);
}

template <typename List, typename Name>
std::string listed(const List& list, Name name) {
  std::string out;
  for (const auto& item : list) out += fmt::format("{}{}", out.empty() ? "" : ", ", name(item));
  return out;
}

std::string listed_ops(Ops set) {
  std::string out;
  for (unsigned i = 0; i < std::size(kOpNames); ++i) {
    if (set & (1u << i)) out += fmt::format("{}{}", out.empty() ? "" : ", ", kOpNames[i]);
  }
  return out;
}

// For a bare word that is no attribute: " or write metrics.loss, params.loss, tags.loss".
std::string with_entity(std::string_view key, const Grammar& grammar) {
  std::string out;
  for (const Entity& entity : grammar.entities)
    if (entity.fields.empty()) out += fmt::format("{}{}.{}", out.empty() ? ", or write " : ", ", entity.name, shown(key));
  return out;
}

// What may be done with one column.
struct Resolved {
  Column column;
  Ops ops = 0;
  bool sortable = true;
};

// Names the word that was typed, not the entity's canonical name: that is what its writer looks for.
Result<Resolved> resolve(const Token& token, const Grammar& grammar) {
  size_t entity = grammar.bare;
  if (token.dotted) {
    const auto it = std::ranges::find_if(grammar.entities, [&](const Entity& e) {
      return std::ranges::find(e.spellings, token.entity) != e.spellings.end();
    });
    if (it == grammar.entities.end())
      return invalid(fmt::format("'{}' is nothing that can be searched; use one of {}", shown(token.entity),
                                 listed(grammar.entities, [](const Entity& e) { return e.name; })));
    entity = static_cast<size_t>(it - grammar.entities.begin());
  }
  const Entity& known = grammar.entities[entity];
  if (token.key.empty() || token.key.size() > kKeyBytesMax)
    return invalid(fmt::format("the key after '{}.' must have 1 to {} bytes",
                               token.dotted ? std::string_view(token.entity) : known.name, kKeyBytesMax));
  if (known.fields.empty()) return Resolved{{entity, token.key, known.kind}, known.ops, known.sortable};
  for (const Field& field : known.fields) {
    if (std::ranges::find(field.spellings, token.key) == field.spellings.end()) continue;
    return Resolved{{entity, std::string(field.name), field.kind}, field.ops, field.sortable};
  }
  return invalid(fmt::format("there is no '{}'; use one of {}{}", shown(token.raw),
                             listed(known.fields, [](const Field& f) { return f.name; }),
                             token.dotted ? "" : with_entity(token.key, grammar)));
}

class Parser {
 public:
  Parser(std::string_view text, const Grammar& grammar) : lexer_(text), grammar_(grammar) {}

  Result<std::vector<Clause>> clauses() {
    std::vector<Clause> out;
    MK_OK(advance());
    if (token_.kind == Token::Kind::kEnd) return out;
    while (true) {
      if (out.size() == kClausesMax)
        return invalid(fmt::format("the filter has more than {} clauses", kClausesMax));
      MK_TRY(Clause one, clause());
      out.push_back(std::move(one));
      if (token_.kind == Token::Kind::kEnd) return out;
      if (keyword(token_, "or"))
        return invalid(
            fmt::format("OR at position {} is not supported; search twice, or use IN", token_.at + 1));
      if (!keyword(token_, "and"))
        return invalid(fmt::format("expected AND between clauses, found {}", found(token_)));
      MK_OK(advance());
    }
  }

  Result<Order> order() {
    MK_OK(advance());
    const Token column = token_;
    MK_TRY(const Resolved what, this->column());
    if (!what.sortable) return invalid(fmt::format("results cannot be ordered by '{}'", shown(column.raw)));
    Order out{what.column, true};
    if (keyword(token_, "desc")) {
      out.ascending = false;
      MK_OK(advance());
    } else if (keyword(token_, "asc")) {
      MK_OK(advance());
    }
    if (token_.kind != Token::Kind::kEnd)
      return invalid(fmt::format("expected ASC, DESC or nothing after '{}', found {}", shown(column.raw),
                                 found(token_)));
    return out;
  }

 private:
  Result<void> advance() {
    MK_TRY(token_, lexer_.next());
    return {};
  }

  Result<Resolved> column() {
    Token name = token_;
    if (name.kind == Token::Kind::kText) {  // "run name" as a bare key
      name.kind = Token::Kind::kWord;
      name.key = name.text;
    }
    if (name.kind != Token::Kind::kWord || keyword(name, "and") || keyword(name, "or"))
      return invalid(
          fmt::format("expected something like metrics.loss or params.\"my key\", found {}", found(name)));
    MK_TRY(Resolved out, resolve(name, grammar_));
    MK_OK(advance());
    return out;
  }

  Result<Op> comparison() {
    if (token_.kind == Token::Kind::kOperator) {
      for (size_t i = 0; i <= static_cast<size_t>(Op::kLessEqual); ++i) {
        if (token_.raw != kOpNames[i]) continue;
        MK_OK(advance());
        return static_cast<Op>(i);
      }
    }
    bool negated = false;
    if (keyword(token_, "is")) {
      MK_OK(advance());
      if (keyword(token_, "not")) {
        negated = true;
        MK_OK(advance());
      }
      if (!keyword(token_, "null"))
        return invalid(fmt::format("expected NULL after IS, found {}", found(token_)));
      MK_OK(advance());
      return negated ? Op::kIsNotNull : Op::kIsNull;
    }
    if (keyword(token_, "not")) {
      negated = true;
      MK_OK(advance());
    }
    const Op op = keyword(token_, "in")      ? (negated ? Op::kNotIn : Op::kIn)
                  : keyword(token_, "ilike") ? Op::kIlike
                                             : Op::kLike;
    if (op == Op::kLike && !keyword(token_, "like"))
      return invalid(fmt::format("expected a comparison such as = or LIKE, found {}", found(token_)));
    if (negated && op != Op::kNotIn) return invalid(fmt::format("NOT {} is not supported", op_name(op)));
    MK_OK(advance());
    return op;
  }

  Result<Clause> clause() {
    const Token name = token_;
    MK_TRY(const Resolved what, column());
    MK_TRY(const Op op, comparison());
    if (!(what.ops & ops({op}))) {
      if (what.ops == 0) return invalid(fmt::format("'{}' cannot be filtered by", shown(name.raw)));
      return invalid(fmt::format("'{}' cannot be compared with {}; use one of {}", shown(name.raw),
                                 op_name(op), listed_ops(what.ops)));
    }
    Clause out{what.column, op};
    if (op == Op::kIsNull || op == Op::kIsNotNull) return out;
    if (op == Op::kIn || op == Op::kNotIn) {
      MK_TRY(out.list, list());
      return out;
    }
    if (what.column.kind == Kind::kNumber) {
      MK_TRY(out.number, number(name));
    } else {
      if (token_.kind != Token::Kind::kText)
        return invalid(fmt::format("'{}' is compared with a quoted text such as 'a', found {}",
                                   shown(name.raw), found(token_)));
      out.text = token_.text;
      MK_OK(like(out));
    }
    MK_OK(advance());
    return out;
  }

  static Result<void> like(Clause& out) {
    if (out.op != Op::kLike && out.op != Op::kIlike) return {};
    const size_t most = out.text.find('_') == std::string::npos ? kLikeBytesMax : kLikeBytesWithUnderscoreMax;
    if (out.text.size() > most)
      return invalid(fmt::format("a LIKE pattern may have {} bytes ({} with '_' in it), this one has {}",
                                 kLikeBytesMax, kLikeBytesWithUnderscoreMax, out.text.size()));
    out.like = LikePattern(out.text, out.op == Op::kIlike);
    return {};
  }

  Result<double> number(const Token& name) const {
    double value = 0;
    const std::string_view text = token_.raw.starts_with('+') ? token_.raw.substr(1) : token_.raw;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (token_.kind != Token::Kind::kNumber || problem != std::errc() || end != text.data() + text.size())
      return invalid(fmt::format("'{}' is compared with a number such as 0.5, found {}", shown(name.raw),
                                 found(token_)));
    return value;
  }

  Result<std::vector<std::string>> list() {
    if (token_.kind != Token::Kind::kOpen)
      return invalid(fmt::format("expected a list such as ('a', 'b') after IN, found {}", found(token_)));
    std::vector<std::string> out;
    do {
      MK_OK(advance());
      if (token_.kind != Token::Kind::kText)
        return invalid(fmt::format("a list holds quoted texts, found {}", found(token_)));
      if (out.size() == kListItemsMax)
        return invalid(fmt::format("a list has at most {} items", kListItemsMax));
      out.push_back(token_.text);
      MK_OK(advance());
    } while (token_.kind == Token::Kind::kComma);
    if (token_.kind != Token::Kind::kClose)
      return invalid(fmt::format("expected ) after the list, found {}", found(token_)));
    MK_OK(advance());
    std::ranges::sort(out);
    return out;
  }

  Lexer lexer_;
  const Grammar& grammar_;
  Token token_;
};

// Length in bytes of the UTF-8 character at text[at].
size_t character(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

// Where the segment ends when it matches at text[at], or npos.
size_t match_at(std::string_view text, size_t at, std::string_view segment) {
  for (char c : segment) {
    if (at >= text.size()) return std::string_view::npos;
    if (c == '_') {
      at += character(text, at);
    } else if (text[at++] != c) {
      return std::string_view::npos;
    }
  }
  return at;
}

}  // namespace

std::string_view op_name(Op op) {
  return kOpNames[static_cast<size_t>(op)];
}

LikePattern::LikePattern(std::string_view pattern, bool fold_case) : fold_(fold_case) {
  open_start_ = pattern.starts_with('%');
  open_end_ = pattern.ends_with('%');
  const std::string source = fold_case ? folded(pattern) : std::string(pattern);
  size_t start = 0;
  while (start <= source.size()) {
    size_t end = source.find('%', start);
    if (end == std::string::npos) end = source.size();
    if (end > start) {
      std::string text = source.substr(start, end - start);
      const bool any_one = text.find('_') != std::string::npos;
      segments_.push_back({std::move(text), any_one});
    }
    start = end + 1;
  }
}

bool LikePattern::matches(std::string_view subject) const {
  std::string lowered;
  if (fold_) subject = lowered = folded(subject);
  if (segments_.empty()) return open_start_ || subject.empty();
  size_t at = 0;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const auto& [text, any_one] = segments_[i];
    const bool pinned = i == 0 && !open_start_;
    const bool last = i + 1 == segments_.size() && !open_end_;
    // The leftmost match of every segment is right: it leaves most for the rest. Only the last, when the
    // pattern does not end with %, must be tried on until it reaches the end.
    while (true) {
      size_t end;
      if (pinned) {
        end = match_at(subject, at, text);
        if (end == std::string_view::npos) return false;
      } else if (!any_one) {
        if (last) {
          if (subject.size() - at < text.size()) return false;
          return subject.ends_with(text);
        }
        const size_t where = subject.find(text, at);
        if (where == std::string_view::npos) return false;
        end = where + text.size();
      } else {
        for (end = std::string_view::npos; at < subject.size(); at += character(subject, at)) {
          end = match_at(subject, at, text);
          if (end != std::string_view::npos) break;
        }
        if (end == std::string_view::npos) return false;
      }
      if (!last || end == subject.size()) {
        at = end;
        break;
      }
      if (pinned) return false;
      at += character(subject, at);
    }
  }
  return true;
}

bool Clause::matches(std::optional<std::string_view> value) const {
  if (!value) return op == Op::kIsNull;
  switch (op) {
    case Op::kEqual:
      return *value == text;
    case Op::kNotEqual:
      return *value != text;
    case Op::kLike:
    case Op::kIlike:
      return like.matches(*value);
    case Op::kIn:
      return std::ranges::binary_search(list, *value);
    case Op::kNotIn:
      return !std::ranges::binary_search(list, *value);
    case Op::kIsNotNull:
      return true;
    default:
      return false;
  }
}

bool Clause::matches(std::optional<double> value) const {
  if (!value) return op == Op::kIsNull;
  switch (op) {
    case Op::kEqual:
      return *value == number;
    case Op::kNotEqual:
      return *value != number;
    case Op::kGreater:
      return *value > number;
    case Op::kGreaterEqual:
      return *value >= number;
    case Op::kLess:
      return *value < number;
    case Op::kLessEqual:
      return *value <= number;
    case Op::kIsNotNull:
      return true;
    default:
      return false;
  }
}

Result<std::vector<Clause>> parse(std::string_view text, const Grammar& grammar) {
  if (text.size() > kTextBytesMax)
    return invalid(fmt::format("the filter has {} bytes; at most {} are read", text.size(), kTextBytesMax));
  return Parser(text, grammar).clauses();
}

Result<Order> parse_order(std::string_view text, const Grammar& grammar) {
  if (text.size() > kTextBytesMax) return invalid("the order_by is too long");
  return Parser(text, grammar).order();
}

}  // namespace mk::filter
