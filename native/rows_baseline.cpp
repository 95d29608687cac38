// The kernels for baseline; CMakeLists.txt gives this file the flags.
#define SOFTXENT_NAMESPACE baseline
#include "rows_impl.h"
