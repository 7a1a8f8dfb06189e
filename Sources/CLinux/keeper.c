// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_keeper.h"
#include "clinux_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/// Small enough that a pipe takes it as a whole or not at all.
struct record {
    uint64_t start;
    int64_t pid;
};

/// The workers that live, as far as the keeper was told.
struct list {
    struct record *records;
    size_t count, capacity;
};

static void learn(struct list *list, struct record news) {
    for (size_t index = 0; index < list->count; index++) {
        if (list->records[index].pid != news.pid) continue;
        list->records[index] = news.start ? news : list->records[--list->count];
        return;
    }
    if (!news.start) return;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct record *records = realloc(list->records, capacity * sizeof *records);
        if (!records) return;
        list->records = records;
        list->capacity = capacity;
    }
    list->records[list->count++] = news;
}

/// The start time of /proc/PID/stat; 0 when the process has ended.
static uint64_t start_time(pid_t pid) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return 0;
    text[count] = 0;
    // ") S parent …", with the start time twenty fields on; the name before it may hold anything.
    char *field = strrchr(text, ')');
    if (!field || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return 0;
    for (int spaces = 0; spaces < 20; spaces++)
        if (!(field = strchr(field + 1, ' '))) return 0;
    return strtoull(field + 1, NULL, 10);
}

/// Sends a signal to a worker that is still the same; returns whether it was.
static int signal_worker(struct record worker, int signal) {
    // Pinned before it is looked at: a stranger who got the number is never met.
    int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)worker.pid, 0);
    if (pidfd < 0) return 0;
    int is_same = start_time((pid_t)worker.pid) == worker.start;
    if (is_same) clinux_signal_process(pidfd, signal);
    close(pidfd);
    return is_same;
}

static void end_all(struct list *list) {
    for (size_t index = 0; index < list->count; index++) signal_worker(list->records[index], SIGCONT);
    for (int tenths = 0; tenths < 10 && list->count > 0; tenths++) {
        usleep(100 * 1000);
        for (size_t index = list->count; index-- > 0;)
            if (start_time((pid_t)list->records[index].pid) != list->records[index].start)
                list->records[index] = list->records[--list->count];
    }
    // It leads its session: while it lives, or is a zombie, the number is nobody else's.
    for (size_t index = 0; index < list->count; index++)
        if (signal_worker(list->records[index], SIGSTOP)) clinux_kill_session((pid_t)list->records[index].pid);
}

static _Noreturn void keep(int news) {
    setsid();
    if (news != 0) dup2(news, 0);
    syscall(SYS_close_range, 1u, ~0u, 0u);
    prctl(PR_SET_NAME, "ipc-keeper");
    if (chdir("/") < 0) { /* It then holds a directory, for as long as its parent does. */ }
    struct list list = {0};
    struct record record;
    for (;;) {
        ssize_t count = read(0, &record, sizeof record);
        if (count == sizeof record) {
            learn(&list, record);
        } else if (count >= 0 || errno != EINTR) {
            break;
        }
    }
    end_all(&list);
    _exit(0);
}

int clinux_keeper_start(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    pid_t middle = fork();
    if (middle < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    if (middle == 0) {
        close(ends[1]);
        // The one in the middle ends at once, so that the keeper is init's child and nobody here must wait for it.
        pid_t keeper = fork();
        if (keeper == 0) keep(ends[0]);
        _exit(keeper < 0 ? 1 : 0);
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {}
    if (status == 0) return ends[1];
    close(ends[1]);
    return -EAGAIN;
}

int clinux_keeper_tell(int keeper, pid_t worker, uint64_t start) {
    struct record record = {.start = start, .pid = worker};
    while (write(keeper, &record, sizeof record) < 0)
        if (errno != EINTR) return -errno;
    return 0;
}
