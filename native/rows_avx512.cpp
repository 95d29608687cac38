// The kernels for avx512; CMakeLists.txt gives this file the flags.
#define SOFTXENT_NAMESPACE avx512
#include "rows_impl.h"
