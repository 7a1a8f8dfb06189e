// SPDX-License-Identifier: Apache-2.0
// Counts allocations by standing before those of the C library, as malloc(3) allows ("Replacing malloc" in glibc's
// manual); all of them are handed on.
#define _GNU_SOURCE
#include "allocation_counter.h"

#include <errno.h>
#include <stddef.h>

static _Thread_local uint64_t allocations;

uint64_t allocations_of_this_thread(void) { return allocations; }

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
int allocations_are_counted(void) { return 0; }
#else
int allocations_are_counted(void) { return 1; }

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    allocations++;
    *result = __libc_memalign(alignment, size);
    return *result == NULL ? ENOMEM : 0;
}
#endif
