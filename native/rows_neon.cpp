// The kernels for neon; CMakeLists.txt gives this file the flags.
#define SOFTXENT_NAMESPACE neon
#include "rows_impl.h"
