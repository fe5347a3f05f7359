// Build step: the OpenAPI documents of the program's own kinds. Usage: openapi_bundle OUT
#include "api/kubernetes/openapi_bundle.h"

#include <cstdio>
#include <fstream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: openapi_bundle OUT\n");
    return 1;
  }
  std::ofstream out(argv[1], std::ios::binary);
  out << mk::api::kubernetes::make_openapi_bundle(mk::kinds::all());
  out.close();
  if (out.good()) return 0;
  std::fprintf(stderr, "%s cannot be written\n", argv[1]);
  return 1;
}
