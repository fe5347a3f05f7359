#include "api/kubernetes/documents.h"

namespace mk::api::kubernetes {

std::shared_ptr<const Documents::Set> Documents::now() {
  const std::lock_guard lock(mutex_);
  if (!set_ || set_->kinds.generation() != kinds::generation()) {
    const kinds::Kinds kinds = kinds::all();
    auto openapi = std::make_shared<OpenApi>(kinds, set_ ? set_->openapi : nullptr);
    set_ = std::make_shared<const Set>(kinds, Discovery(kinds), std::move(openapi));
  }
  return set_;
}

}  // namespace mk::api::kubernetes
