#include "core/access/sight.h"

#include "core/access/authoriser.h"

namespace mk::core {
namespace {

// A namespace is in itself, so that a role there can speak of it.
bool is_namespace(const Sight::Wish& wish) {
  return wish.resource == "namespaces" && wish.group.empty();
}

}  // namespace

Sight::Sight(const Authoriser* authoriser, Wish wish)
    : authoriser_(authoriser), wish_(std::make_shared<const Wish>(std::move(wish))) {}

bool Sight::allows(const Ask& ask) const {
  return authoriser_ != nullptr ? authoriser_->allows(wish_->who, ask) : wish_->who.owner;
}

Ask Sight::ask() const {
  if (!wish_) return {};
  const Wish& w = *wish_;
  Ask ask{.verb = w.verb, .group = w.group, .resource = w.resource, .name = w.name};
  if (w.space) ask.space = *w.space;
  if (is_namespace(w)) ask.space = w.name;
  ask.anywhere = w.only_visible && ask.space.empty();
  return ask;
}

bool Sight::holds() const {
  return !wish_ || allows(ask());
}

bool Sight::sees(const store::Key& key) const {
  if (!wish_ || !wish_->only_visible) return true;
  const Wish& w = *wish_;
  const std::string& space = is_namespace(w) ? key.name : key.space;
  return allows({.verb = w.verb, .group = w.group, .resource = w.resource, .space = space, .name = key.name});
}

store::Listing Sight::of(store::Listing listing) const {
  if (wish_ && wish_->only_visible)
    std::erase_if(listing.objects, [this](const store::ObjectRef& object) { return !sees(object->key); });
  return listing;
}

}  // namespace mk::core
