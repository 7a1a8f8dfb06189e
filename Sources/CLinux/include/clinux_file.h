// SPDX-License-Identifier: Apache-2.0
// Open files that go from one process to another to be read. Every function returns -errno on failure.
#ifndef CLINUX_FILE_H
#define CLINUX_FILE_H

#include <stddef.h>
#include <stdint.h>

/// Opens the regular file behind `fd` once more, for reading, with an offset and status flags of its own. Close-on-exec.
/// Fails with -EINVAL on what is no regular file, and as open(2) where this process may not read the file or has no /proc.
int clinux_file_reopen(int fd);

/// Whether `fd` is a regular file that has `count` bytes from `offset` on and cannot be written through `fd`: -EINVAL if it is
/// no regular file or cannot be read, -EPERM if it can be written, -ERANGE if it is too short. A memory file that is sealed
/// SHRINK, GROW, WRITE and SEAL cannot be written, however it was opened.
int clinux_file_check(int fd, uint64_t offset, uint64_t count);

/// A memory file with these bytes, sealed so that nothing of it can ever change. Close-on-exec.
int clinux_file_sealed(const void *bytes, size_t count);
#endif
