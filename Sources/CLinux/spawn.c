// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { stack_size = 64 * 1024, first_free_descriptor = 4, parking = 16, exit_not_started = 127 };

/// Lives in the parent's memory, which the child shares until it execs.
struct start {
    const struct clinux_spawn_request *request;
    pid_t parent;
    volatile int step;
    volatile int error;
};

// The child shares memory with a parent that is suspended. It therefore makes raw system calls only: no allocation,
// no lock, no C library function that keeps state (setresuid, for one, would signal the parent's threads).
// `syscall` touches nothing but errno, which belongs to the suspended thread.

static int fail(struct start *start, int step) {
    start->step = step;
    start->error = errno ? errno : EINVAL;
    syscall(SYS_exit_group, exit_not_started);
    __builtin_unreachable();
}

static void reset_signals(void) {
    // As the kernel lays it out: handler, flags, restorer, mask; all zero is the default disposition.
    unsigned long action[4] = {0, 0, 0, 0};
    for (int number = 1; number <= 64; number++) syscall(SYS_rt_sigaction, number, action, NULL, 8);
}

static void set_descriptors(struct start *start) {
    const struct clinux_spawn_request *request = start->request;
    // First out of the way: any of them may have a number that is about to be overwritten.
    long null = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) fail(start, CLINUX_STEP_DESCRIPTORS);
    long parked = syscall(SYS_fcntl, null, F_DUPFD_CLOEXEC, parking);
    long output = syscall(SYS_fcntl, request->output, F_DUPFD_CLOEXEC, parking);
    long socket = syscall(SYS_fcntl, request->socket, F_DUPFD_CLOEXEC, parking);
    if (parked < 0 || output < 0 || socket < 0) fail(start, CLINUX_STEP_DESCRIPTORS);
    if (request->cgroup >= 0 && syscall(SYS_write, request->cgroup, "0", 1) < 0) fail(start, CLINUX_STEP_CGROUP);
    // dup3 to another number clears close-on-exec.
    if (syscall(SYS_dup3, parked, 0, 0) < 0 || syscall(SYS_dup3, output, 1, 0) < 0 ||
        syscall(SYS_dup3, output, 2, 0) < 0 || syscall(SYS_dup3, socket, 3, 0) < 0)
        fail(start, CLINUX_STEP_DESCRIPTORS);
    if (syscall(SYS_close_range, first_free_descriptor, ~0u, 0) < 0) fail(start, CLINUX_STEP_DESCRIPTORS);
}

static void set_limits(struct start *start) {
    const struct clinux_spawn_request *request = start->request;
    if (request->nice != 0) {
        long now = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0);  // the kernel returns 40…1
        if (syscall(SYS_setpriority, PRIO_PROCESS, 0, now + request->nice) < 0) fail(start, CLINUX_STEP_NICE);
    }
    for (size_t index = 0; index < request->limit_count; index++) {
        uint64_t pair[2] = {request->limits[index].soft, request->limits[index].hard};
        if (syscall(SYS_prlimit64, 0, request->limits[index].resource, pair, NULL) < 0)
            fail(start, CLINUX_STEP_RLIMIT);
    }
}

static void set_credentials(struct start *start) {
    int64_t user = start->request->user, group = start->request->group;
    if (group >= 0) {
        uint32_t only = (uint32_t)group;
        if (syscall(SYS_setgroups, 1, &only) < 0 || syscall(SYS_setresgid, only, only, only) < 0)
            fail(start, CLINUX_STEP_CREDENTIALS);
    } else if (user >= 0 && user != syscall(SYS_geteuid) && syscall(SYS_setgroups, 0, NULL) < 0) {
        // Another user must not keep what the parent's supplementary groups may do.
        fail(start, CLINUX_STEP_CREDENTIALS);
    }
    if (user >= 0 && syscall(SYS_setresuid, (uint32_t)user, (uint32_t)user, (uint32_t)user) < 0)
        fail(start, CLINUX_STEP_CREDENTIALS);
}

static int child_main(void *argument) {
    struct start *start = argument;
    if (syscall(SYS_setsid) < 0) fail(start, CLINUX_STEP_SESSION);
    reset_signals();
    set_descriptors(start);
    set_limits(start);
    if (start->request->directory && syscall(SYS_chdir, start->request->directory) < 0)
        fail(start, CLINUX_STEP_DIRECTORY);
    set_credentials(start);
    if (start->request->no_new_privileges && syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(start, CLINUX_STEP_PRIVILEGES);
    // After the change of user, which would clear it; then the check, for a parent that died before.
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0) fail(start, CLINUX_STEP_PARENT);
    if (syscall(SYS_getppid) != start->parent) {
        errno = ESRCH;
        fail(start, CLINUX_STEP_PARENT);
    }
    uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    syscall(SYS_execve, start->request->path, start->request->arguments, start->request->environment);
    return fail(start, CLINUX_STEP_EXEC);
}

/// One stack serves all: the parent is suspended until its child has left it.
static char *child_stack(void) {
    static char *top;
    if (top) return top;
    long page = sysconf(_SC_PAGESIZE);
    char *base = mmap(NULL, stack_size + (size_t)page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) return NULL;
    mprotect(base, (size_t)page, PROT_NONE);
    return top = base + page + stack_size;
}

int clinux_spawn(const struct clinux_spawn_request *request, struct clinux_spawn_result *result) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    struct start start = {.request = request, .parent = getpid()};
    *result = (struct clinux_spawn_result){.pid = -1, .pidfd = -1, .step = CLINUX_STEP_CLONE};

    pthread_mutex_lock(&one_at_a_time);
    char *stack = child_stack();
    if (!stack) {
        pthread_mutex_unlock(&one_at_a_time);
        return -ENOMEM;
    }
    // No handler of the parent's may run in the child, in the parent's memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    pid_t pid = clone(child_main, stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &start, &pidfd);
    int error = pid < 0 ? errno : start.error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_unlock(&one_at_a_time);

    if (pid >= 0 && error) {
        while (waitid(P_PIDFD, (id_t)pidfd, &(siginfo_t){0}, WEXITED) < 0 && errno == EINTR) {}
        close(pidfd);
        result->step = start.step;
    }
    if (error) return -error;
    result->pid = pid;
    result->pidfd = pidfd;
    return 0;
}

pid_t clinux_own_pid(void) { return getpid(); }

char **clinux_environment(void) { return environ; }

int clinux_children_are_discarded(void) {
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) < 0) return -errno;
    return action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0;
}

int clinux_reap(int pidfd, struct clinux_exit *status) {
    siginfo_t info = {0};
    struct rusage usage = {0};
    // The system call rather than the C library's: that one hides the usage.
    while (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, &usage) < 0)
        if (errno != EINTR) return -errno;
    if (info.si_pid == 0) return 0;
    *status = (struct clinux_exit){
        .is_signal = info.si_code != CLD_EXITED,
        .status = info.si_status,
        .dumped_core = info.si_code == CLD_DUMPED,
        .cpu_microseconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
        .maximum_rss = (uint64_t)usage.ru_maxrss * 1024u,
    };
    return 1;
}

uint64_t clinux_own_maximum_rss(void) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024u;
}

int clinux_signal_group(pid_t leader, int signal) {
    // 0, 1 and -1 mean other groups than a child's; never by accident.
    if (leader <= 1) return -EINVAL;
    return kill(-leader, signal) < 0 ? -errno : 0;
}

int clinux_signal_process(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int clinux_output_pipe(int *reader, int *writer) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    // Each end has its own status flags: the child's stays blocking.
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    *reader = ends[0];
    *writer = ends[1];
    return 0;
}

int clinux_socket_pair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
    *first = ends[0];
    *second = ends[1];
    return 0;
}

int clinux_pipe(int fds[2]) { return pipe2(fds, O_CLOEXEC) == 0 ? 0 : -errno; }
