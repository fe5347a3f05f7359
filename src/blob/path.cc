#include "base/format.h"
#include "blob/blob.h"
#include "blob/limits.h"

namespace mk::blob {

namespace {

bool valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80                ? 1
                          : c >= 0xc2 && c < 0xe0 ? 2
                          : c >= 0xe0 && c < 0xf0 ? 3
                          : c >= 0xf0 && c < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || i + length > text.size()) return false;
    uint32_t point = length == 1 ? c : c & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
    i += length;
  }
  return true;
}

// What is wrong with the whole text, or null. Says nothing of the text itself: it may hold anything.
const char* flaw_of(std::string_view text) {
  if (text.size() > kPathBytesMax) return "it is too long";
  if (text.front() == '/') return "it must be relative";
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "it holds a control character";
    if (c == '\\') return "it holds a backslash";
    if (c == '%') return "it holds a percent sign";
  }
  const auto letter = static_cast<unsigned char>(text[0] | 0x20);
  if (text.size() > 1 && text[1] == ':' && letter >= 'a' && letter <= 'z')
    return "it starts with a drive letter";
  if (!valid_utf8(text)) return "it is not valid UTF-8";
  return nullptr;
}

const char* flaw_of_part(std::string_view part) {
  if (part.empty()) return "a part of it is empty";
  if (part == "." || part == "..") return "a part of it is . or ..";
  if (part.size() > kNameBytesMax) return "a part of it is too long";
  return nullptr;
}

}  // namespace

Result<Path> Path::parse(std::string_view text) {
  Path out;
  if (text.empty()) return out;
  const char* flaw = flaw_of(text);
  size_t parts = 0;
  for (size_t start = 0; !flaw && start <= text.size();) {
    const size_t end = std::min(text.find('/', start), text.size());
    flaw = ++parts > kPathPartsMax ? "it has too many parts" : flaw_of_part(text.substr(start, end - start));
    start = end + 1;
  }
  if (flaw)
    return fail(Code::kInvalidArgument, "invalid_path", fmt::format("the path is not allowed: {}", flaw));
  out.text_ = text;
  return out;
}

Path Path::operator/(const Path& below) const {
  if (is_root()) return below;
  Path out = *this;
  if (!below.is_root()) out.text_ += "/" + below.text_;
  return out;
}

std::string_view Path::name() const {
  const size_t slash = text_.rfind('/');
  return slash == std::string::npos ? std::string_view(text_) : std::string_view(text_).substr(slash + 1);
}

Path Path::parent() const {
  Path out;
  if (const size_t slash = text_.rfind('/'); slash != std::string::npos) out.text_ = text_.substr(0, slash);
  return out;
}

}  // namespace mk::blob
