// The kernels for avx2; CMakeLists.txt gives this file the flags.
#define SOFTXENT_NAMESPACE avx2
#include "rows_impl.h"
