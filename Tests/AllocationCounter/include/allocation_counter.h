// SPDX-License-Identifier: Apache-2.0
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// Whether allocations are counted: not under a sanitizer, which has a malloc of its own.
int allocations_are_counted(void);

/// How often the calling thread has called malloc, calloc, realloc or one of their kind.
uint64_t allocations_of_this_thread(void);
#endif
