// SPDX-License-Identifier: Apache-2.0
// Stream sockets with descriptors. Every function returns -errno on failure.
#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#define CLINUX_MAX_RECEIVED_FDS 8

/// What came beside the bytes of one receive.
struct clinux_received {
    int fds[CLINUX_MAX_RECEIVED_FDS];
    int count;
    /// MSG_CTRUNC: more descriptors had been sent than there was room for.
    int truncated;
};

/// A connected pair of stream sockets, close-on-exec.
int clinux_socketpair(int fds[2]);

/// Reads into `first`, then into `second` (either may be empty), sleeping only with `waits`. Returns the bytes read, 0 at end of
/// file (a reset by the peer counts as one), -EAGAIN when there is nothing now. Received descriptors are close-on-exec.
int64_t clinux_receive(int fd, void *first, size_t first_count, void *second, size_t second_count,
                       int waits, struct clinux_received *received);

/// One part of a write.
struct clinux_part {
    const void *bytes;
    size_t count;
};

/// Writes the parts, never blocking and never raising SIGPIPE. Returns the bytes written, or -EAGAIN.
int64_t clinux_send(int fd, const struct clinux_part *parts, int part_count);

/// The same with a copy of the open descriptor `passed`, which goes with the first byte.
int64_t clinux_send_descriptor(int fd, const struct clinux_part *parts, int part_count, int passed);

/// Lets the kernel hold more of what is written than its default, as far as the system allows: fewer wake-ups of both
/// sides for large bodies. Never fails; without it all is slower and nothing is wrong.
void clinux_widen(int fd);

/// Has a read that sleeps give up with -EAGAIN after so long (SO_RCVTIMEO); 0 for never.
void clinux_limit_reading(int fd, uint64_t nanoseconds);

/// For programs that do little else than move chunks: freed memory of a few MiB stays with the process, instead of going
/// back to the kernel and coming again, page fault by page fault, for each chunk. Not for a library to decide.
void clinux_keep_memory(void);

/// Asks for huge pages where the memory lies (madvise(2), MADV_HUGEPAGE): a large block that is written for the first time
/// then costs a page fault for 2 MiB instead of one for 4 KiB. Never fails; without it all is slower and nothing is wrong.
void clinux_use_huge_pages(void *start, size_t count);

/// Whether a receive would not have to wait: bytes, the end of the file, or an error.
int clinux_readable(int fd);

/// Shuts down the writing half.
int clinux_shutdown_write(int fd);

/// Sets FD_CLOEXEC. Fails with -EBADF on what is no descriptor, -ENOTSOCK on what is no socket.
int clinux_adopt_socket(int fd);
#endif
