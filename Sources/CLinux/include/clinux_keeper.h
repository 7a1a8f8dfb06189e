// SPDX-License-Identifier: Apache-2.0
// A process that outlives this one, to end its workers when it is killed. Functions return -errno on failure.
#ifndef CLINUX_KEEPER_H
#define CLINUX_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

/// Starts the keeper, in a session of its own, and returns the descriptor to tell it of workers.
///
/// It holds no other descriptor of this process, ends with it, and is no child of it. To be called while this process
/// has one thread. When every copy of the descriptor is closed, the keeper continues each worker that it knows, so that
/// one that was stopped notices its own end; a second later it kills what is left, and its session.
int clinux_keeper_start(void);

/// Tells of a worker that has begun, with the start time of /proc/PID/stat, or has been reaped, with 0.
int clinux_keeper_tell(int keeper, pid_t worker, uint64_t start);

#endif
