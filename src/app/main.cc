// The one binary. Everything it can do is a verb of cli/.
#include "base/format.h"

int main(int, char**) {
  fmt::print("modelkit {}\n", MODELKIT_VERSION);
  return 0;
}
