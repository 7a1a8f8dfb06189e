// SPDX-License-Identifier: Apache-2.0
// Internal to this module.
#ifndef CLINUX_SESSION_H
#define CLINUX_SESSION_H

#include <sys/types.h>

/// SIGKILL to every process of a session but its leader, until none is found. Returns how many
/// there were outside the leader's group, up to some hundred.
///
/// Makes system calls only, so that a signal handler may call it.
int clinux_sweep_session(pid_t leader);

#endif
