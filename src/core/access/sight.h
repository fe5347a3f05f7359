// What one caller sees of one kind: all that was asked for, or only what roles show them. Asked anew each
// time, so that a right that is withdrawn hides things from then on, in a watch that is open, too. Copies are
// cheap; thread-safe.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/access.h"
#include "store/store.h"

namespace mk::core {

class Authoriser;

class Sight {
 public:
  Sight() = default;  // of our own code: everything
  // `space` unset: every namespace. `name` not empty: of the one object that is asked for.
  struct Wish {
    Identity who;
    std::string verb;  // "list" or "watch"
    std::string group, resource;
    std::optional<std::string> space = {};
    std::string name = {};
    bool only_visible = false;  // show what is visible, instead of refusing what is not
  };
  // Without an authoriser the owner and our own code see everything, others nothing.
  Sight(const Authoriser* authoriser, Wish wish);

  // The question whose answer decides whether there is anything to see.
  Ask ask() const;
  // Whether it is still yes.
  bool holds() const;
  bool sees(const store::Key& key) const;
  // Only what is seen of it.
  store::Listing of(store::Listing listing) const;

 private:
  bool allows(const Ask& ask) const;

  const Authoriser* authoriser_ = nullptr;
  std::shared_ptr<const Wish> wish_;  // null: no question asked
};

}  // namespace mk::core
