// SPDX-License-Identifier: Apache-2.0
// Starting, signalling and reaping child processes. Every function returns -errno on failure.
#ifndef CLINUX_SPAWN_H
#define CLINUX_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What the child was doing when it failed, in the order in which it does these things.
enum clinux_spawn_step {
    CLINUX_STEP_CLONE,
    CLINUX_STEP_SESSION,
    CLINUX_STEP_DESCRIPTORS,
    CLINUX_STEP_CGROUP,
    CLINUX_STEP_NICE,
    CLINUX_STEP_RLIMIT,
    CLINUX_STEP_DIRECTORY,
    CLINUX_STEP_CREDENTIALS,
    CLINUX_STEP_PRIVILEGES,
    CLINUX_STEP_PARENT,
    CLINUX_STEP_EXEC,
};

struct clinux_rlimit {
    int resource;
    uint64_t soft;
    uint64_t hard;
};

struct clinux_spawn_request {
    const char *path;         // not searched for
    char *const *arguments;   // null-terminated, with the program's name
    char *const *environment; // null-terminated
    const char *directory;    // null: the parent's
    int output;               // becomes 1 and 2
    int socket;               // becomes 3
    int cgroup;               // an open cgroup.procs to join, or -1
    int nice;                 // added to the parent's
    const struct clinux_rlimit *limits;
    size_t limit_count;
    int64_t user;             // -1: the parent's
    int64_t group;            // -1: the parent's; else the only group
    int no_new_privileges;    // no program that it runs gives it more rights, ever
};

struct clinux_spawn_result {
    pid_t pid;
    int pidfd; // close-on-exec
    int step;  // where it failed
};

/// Starts a program in a session of its own, without copying the caller's page tables.
///
/// The child gets /dev/null as 0, `output` as 1 and 2, `socket` as 3 and no other descriptor, default dispositions
/// for all signals, an empty mask, and SIGTERM when the calling *thread* ends: so call this from one that stays.
/// Returns 0 only when the program runs; on failure no child is left.
int clinux_spawn(const struct clinux_spawn_request *request, struct clinux_spawn_result *result);

/// The caller's process number.
pid_t clinux_own_pid(void);

/// The process's environment, null-terminated.
char **clinux_environment(void);

/// Whether the process has SIGCHLD ignored, or SA_NOCLDWAIT set, so that the kernel throws exit statuses away.
int clinux_children_are_discarded(void);

struct clinux_exit {
    int is_signal; // `status` is a signal
    int status;
    int dumped_core;
    uint64_t cpu_microseconds; // of the child and of what it waited for
    uint64_t maximum_rss;      // bytes; exec inherits the parent's, see clinux_own_maximum_rss
};

/// Takes the status of a child that has ended. Returns 1, or 0 while it lives.
int clinux_reap(int pidfd, struct clinux_exit *status);

/// The caller's own peak resident set in bytes: what a child that was spawned before started with as its peak.
uint64_t clinux_own_maximum_rss(void);

/// Signals a process group. Only while its leader is an unreaped child: that keeps the number from being reused.
int clinux_signal_group(pid_t leader, int signal);

/// Signals the one process behind a pidfd.
int clinux_signal_process(int pidfd, int signal);

/// SIGKILL to the leader's group and to every other process of its session, until none is found. Returns the number
/// of those outside the group. Only while the leader is an unreaped child. Reads /proc: not for a reactor's thread.
int clinux_kill_session(pid_t leader);

/// A non-blocking, close-on-exec pipe end to read, and a blocking one to write.
int clinux_output_pipe(int *reader, int *writer);

/// A blocking, close-on-exec pipe: the end to read, the end to write.
int clinux_pipe(int fds[2]);

/// A pair of connected stream sockets, close-on-exec and blocking.
int clinux_socket_pair(int *first, int *second);

#endif
