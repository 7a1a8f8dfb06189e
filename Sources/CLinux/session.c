// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "session.h"
#include "clinux_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t number(const char *text) {
    pid_t value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    return value;
}

enum membership { no_member, in_the_group, outside_the_group };

/// How a living process belongs to a session, seen from the group of the session's leader.
static enum membership living_member(int proc, const char *name, pid_t session) {
    char path[32] = {0}, text[1024];
    size_t length = strlen(name);
    if (length > 16) return no_member;  // no number is so long
    memcpy(path, name, length);
    memcpy(path + length, "/stat", 5);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return no_member;
    ssize_t count = read(fd, text, sizeof text - 1);
    close(fd);
    if (count <= 0) return no_member;
    text[count] = 0;
    // ") S parent group session": the name before the last parenthesis may hold anything.
    char *field = strrchr(text, ')');
    if (!field || field[1] != ' ' || field[2] == 'Z' || field[2] == 'X') return no_member;
    pid_t values[2] = {0, 0};
    for (int spaces = 0; spaces < 4; spaces++) {
        if (!(field = strchr(field + 1, ' '))) return no_member;
        if (spaces >= 2) values[spaces - 2] = number(field + 1);
    }
    if (values[1] != session) return no_member;
    return values[0] == session ? in_the_group : outside_the_group;
}

/// Who was counted already: the killed take a moment to go, and are met again.
struct tally {
    pid_t seen[256];
    int count;
};

static void add(struct tally *tally, pid_t pid) {
    for (int index = 0; index < tally->count; index++)
        if (tally->seen[index] == pid) return;
    if (tally->count < (int)(sizeof tally->seen / sizeof *tally->seen)) tally->seen[tally->count++] = pid;
}

struct directory_entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/// One pass over /proc. Returns how many members were found, the leader not counted.
static int sweep(int proc, pid_t leader, struct tally *tally) {
    _Alignas(struct directory_entry) char buffer[16 * 1024];
    int found = 0;
    if (lseek(proc, 0, SEEK_SET) < 0) return -errno;
    for (;;) {
        long count = syscall(SYS_getdents64, proc, buffer, sizeof buffer);
        if (count < 0) return -errno;
        if (count == 0) return found;
        for (long at = 0; at < count;) {
            struct directory_entry *entry = (struct directory_entry *)(buffer + at);
            at += entry->length;
            pid_t pid = number(entry->name);
            // getsid first: it costs a hundredth of a look into /proc. Zombies have a session, too.
            if (pid <= 1 || pid == leader || getsid(pid) != leader) continue;
            if (!living_member(proc, entry->name, leader)) continue;
            // The number may have passed to a stranger meanwhile: pin it, look again, and only then signal.
            int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
            if (pidfd < 0) continue;
            enum membership membership = living_member(proc, entry->name, leader);
            if (membership) {
                found++;
                if (membership == outside_the_group) add(tally, pid);
                clinux_signal_process(pidfd, SIGKILL);
            }
            close(pidfd);
        }
    }
}

int clinux_sweep_session(pid_t leader) {
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0) return -errno;
    // A member may have forked while it was looked for. Those that were killed need a moment to go, too.
    struct tally tally = {.count = 0};
    for (int pass = 0; pass < 8 && sweep(proc, leader, &tally) > 0; pass++) sched_yield();
    close(proc);
    return tally.count;
}

int clinux_kill_session(pid_t leader) {
    int result = clinux_signal_group(leader, SIGKILL);
    if (result < 0 && result != -ESRCH) return result;
    return clinux_sweep_session(leader);
}
