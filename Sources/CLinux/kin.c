// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_kin.h"
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_open_process(pid_t pid) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return pidfd < 0 ? -errno : pidfd;
}

int clinux_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0; }

int clinux_reap_orphan(pid_t pid) {
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0)
        if (errno != EINTR) return -errno;
    return info.si_pid == pid;
}

void clinux_end_own_session(void) {
    // Only a leader's session is its own: of a program that a shell started, the shell's terminal is the session.
    if (getsid(0) == getpid()) clinux_sweep_session(getpid());
    if (getpgrp() == getpid()) kill(0, SIGKILL);
}

static void end_session(int signal) {
    if (getsid(0) == getpid()) clinux_sweep_session(getpid());
    // Blocked while this runs; delivered, and deadly, on return.
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
    kill(getpid(), signal);
}

void clinux_end_session_on_sigterm(void) {
    struct sigaction before;
    if (sigaction(SIGTERM, NULL, &before) < 0 || before.sa_handler != SIG_DFL) return;
    struct sigaction action = {.sa_handler = end_session, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
}
