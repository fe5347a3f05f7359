# Files that the binary carries, in the library TARGET (modelkit_core unless named). mk_embed(NAME FILE [TARGET]) makes `extern const std::string_view NAME;` in namespace
# mk::embedded, declared in "embedded/NAME.h". The bytes go in by .incbin: no compile time for large files.
set(MK_EMBED_DIR ${CMAKE_BINARY_DIR}/generated/embedded)
file(MAKE_DIRECTORY ${MK_EMBED_DIR})
enable_language(ASM)

function(mk_embed name file)
  file(WRITE ${MK_EMBED_DIR}/${name}.h.tmp
"#pragma once
#include <string_view>
extern \"C\" const char mk_embedded_${name}_begin[];
extern \"C\" const char mk_embedded_${name}_end[];
namespace mk::embedded {
inline std::string_view ${name}() {
  return {mk_embedded_${name}_begin, static_cast<size_t>(mk_embedded_${name}_end - mk_embedded_${name}_begin)};
}
}  // namespace mk::embedded
")
  configure_file(${MK_EMBED_DIR}/${name}.h.tmp ${MK_EMBED_DIR}/${name}.h COPYONLY)
  file(WRITE ${MK_EMBED_DIR}/${name}.S.tmp
".section .rodata
.balign 16
.global mk_embedded_${name}_begin
.global mk_embedded_${name}_end
mk_embedded_${name}_begin:
.incbin \"${file}\"
mk_embedded_${name}_end:
.byte 0
.section .note.GNU-stack,\"\",%progbits
")
  configure_file(${MK_EMBED_DIR}/${name}.S.tmp ${MK_EMBED_DIR}/${name}.S COPYONLY)
  set_source_files_properties(${MK_EMBED_DIR}/${name}.S PROPERTIES OBJECT_DEPENDS ${file})
  set(target modelkit_core)
  if(ARGC GREATER 2)
    set(target ${ARGV2})
  endif()
  target_sources(${target} PRIVATE ${MK_EMBED_DIR}/${name}.S)
endfunction()
