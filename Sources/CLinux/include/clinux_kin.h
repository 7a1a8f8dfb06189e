// SPDX-License-Identifier: Apache-2.0
// What supervision must know of processes, and do about them. Functions return -errno on failure.
#ifndef CLINUX_KIN_H
#define CLINUX_KIN_H

#include <sys/types.h>

/// A close-on-exec handle of whatever process has the number now.
int clinux_open_process(pid_t pid);

/// Makes orphans among this process's descendants its own children instead of init's.
int clinux_become_subreaper(void);

/// Takes the status of a child, if it has ended. Returns 1, or 0 while it lives.
int clinux_reap_orphan(pid_t pid);

/// The name of a system call of this machine in which a program may hang; null for others.
const char *clinux_system_call_name(long number);

/// For a worker, which leads its session: makes SIGTERM end the whole session, not just this process.
///
/// Without effect where SIGTERM is ignored or handled already.
void clinux_end_session_on_sigterm(void);

/// SIGKILL to every other process of the session that the caller leads, then to the group that it leads, itself too.
void clinux_end_own_session(void);

#endif
