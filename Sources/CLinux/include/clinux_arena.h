// SPDX-License-Identifier: Apache-2.0
// Memory that two processes share. Every function returns -errno on failure.
#ifndef CLINUX_ARENA_H
#define CLINUX_ARENA_H

#include <stddef.h>

/// A memfd of `count` bytes, all of them there, which can neither shrink nor grow nor be sealed further. Close-on-exec.
int clinux_arena_create(size_t count);

/// A memfd of `count` bytes with any seals (F_SEAL_*), to test what must be refused. Close-on-exec.
int clinux_memfd_create(size_t count, int seals);

/// Whether `fd` is what clinux_arena_create makes: -EINVAL if it is no memfd, -EPERM if its seals are not exactly SHRINK,
/// GROW and SEAL, -ERANGE if its size is another.
int clinux_arena_check(int fd, size_t count);

/// Maps `fd`: `count` bytes, of which `own_count` from `own_start` on can be written. Both are multiples of the page size.
int clinux_arena_map(int fd, size_t count, size_t own_start, size_t own_count, void **base);

/// Gives the memory of a part that can be written back to the system; it reads as zeros, and comes back as it is written.
void clinux_arena_release(void *start, size_t count);

void clinux_arena_unmap(void *base, size_t count);
#endif
