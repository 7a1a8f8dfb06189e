// SPDX-License-Identifier: Apache-2.0
// epoll, eventfd, the monotonic clock and threads without signals. Every function returns -errno on failure.
#ifndef CLINUX_REACTOR_H
#define CLINUX_REACTOR_H

#include <stddef.h>
#include <stdint.h>

#define CLINUX_READ 1u
#define CLINUX_WRITE 2u
#define CLINUX_HANGUP 4u
#define CLINUX_ERROR 8u

/// One ready descriptor: the token it was added with, and CLINUX_… bits.
struct clinux_event {
    uint64_t token;
    uint32_t readiness;
};

/// A new epoll instance, close-on-exec.
int clinux_epoll_create(void);

/// Adds `fd` (level-triggered) with an interest in CLINUX_READ and CLINUX_WRITE.
int clinux_epoll_add(int epoll, int fd, uint32_t interest, uint64_t token);

/// Adds an eventfd, edge-triggered: each signal is told once, and need not be read.
int clinux_epoll_add_edge(int epoll, int fd, uint64_t token);

/// Changes the interest of an `fd` that was added.
int clinux_epoll_modify(int epoll, int fd, uint32_t interest, uint64_t token);

/// Takes `fd` out again.
int clinux_epoll_remove(int epoll, int fd);

/// Waits up to `timeout_ns` (negative: for ever; rounded up to milliseconds). Returns the number of events; an
/// interrupting signal counts as none.
int clinux_epoll_wait(int epoll, struct clinux_event *events, int capacity, int64_t timeout_ns);

/// A new eventfd: non-blocking, close-on-exec.
int clinux_eventfd_create(void);

/// Makes the eventfd readable.
int clinux_eventfd_signal(int fd);

/// Makes the eventfd unreadable.
int clinux_eventfd_clear(int fd);

/// CLOCK_MONOTONIC in nanoseconds.
uint64_t clinux_monotonic_now(void);

/// A number that no other living thread of this process has. Never 0.
uintptr_t clinux_thread_identity(void);

/// Processors that the calling thread may run on, at least 1.
int clinux_processor_count(void);

/// The text for an error number, in English; null for an unknown one.
const char *clinux_error_text(int number);

/// Starts a detached thread in which every signal is blocked. `name` is cut to 15 bytes.
int clinux_thread_start(const char *name, void (*body)(void *context), void *context);

#endif
