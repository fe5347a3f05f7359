// What an image name stands for on this machine. There is no puller: internals are this program itself, all
// else is mapped by Image objects (`modelkit image map NAME PATH|env`).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace mk::node {

struct ImageProgram {
  std::vector<std::string> command;  // what runs when the container names no command
  bool open_exec = false;            // command[0] is this program; the Pod's user need not reach it
  std::string cwd;                   // empty = the Pod's own folder
  std::vector<std::string> path;     // folders before the usual PATH
  std::string folder;                // must be within the Pod's sight; empty = nothing of its own
};

// `images`: all Image objects. `self`: path of this program. kFailedPrecondition "ErrImagePull" when nothing
// fits.
Result<ImageProgram> resolve_image(std::string_view image, const std::vector<Json>& images,
                                   const std::string& self);

// '*' stands for any run of characters; a pattern without a tag fits every tag.
bool image_matches(std::string_view pattern, std::string_view image);

}  // namespace mk::node
