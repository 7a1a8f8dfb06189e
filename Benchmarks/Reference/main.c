// SPDX-License-Identifier: Apache-2.0
// What the kernel gives to a parent and its child that use nothing but blocking system calls: the figures that
// ipc-bench's are measured against. One workload a run, one line of JSON.
//
//     bench-reference WORKLOAD [KEY=VALUE ...]
//
// Workloads: W1 (n, warm, detail=yes), W2 (rounds, warm, repeat, data), W3 (total, msg), W5 (spawns, ballast in MiB),
// calls (n, msg); W2 and W3 also with transport=shm. Unknown keys are ignored.
//
// Built with any C compiler, not by SwiftPM, which would link it with the runtimes of Swift and C++, whose start would
// be measured with it: cc -O2 -D_GNU_SOURCE -o bench-reference *.c
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "workloads.h"

struct part {
    const char *name;
    void (*over_socket)(void);
    void (*over_region)(void);
};

static const struct part parts[] = {
    {"W1", socket_round_trips, NULL},
    {"W2", socket_large_round_trips, region_large_round_trips},
    {"W3", socket_one_way, region_one_way},
    {"W5", socket_spawns, NULL},
    {"calls", socket_calls, NULL},
    {"--echo", socket_child_echo, NULL},
    {"--check", socket_child_check, NULL},
    {"--answer", socket_child_answer, NULL},
    {"--region-echo", region_child_echo, NULL},
    {"--region-check", region_child_check, NULL},
};

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: bench-reference WORKLOAD [KEY=VALUE ...]; see main.c\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    settings_read(count - 2, arguments + 2);
    int over_region = strcmp(setting("transport", "socket"), "shm") == 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(arguments[1], parts[i].name) != 0) continue;
        void (*part)(void) = over_region ? parts[i].over_region : parts[i].over_socket;
        if (part == NULL) skip("this transport does not have this workload");
        part();
        return 0;
    }
    skip("there is no such workload here");
}
