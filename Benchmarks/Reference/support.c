// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int setting_count;
static char **setting_list;

void give_up(const char *what) {
    const char *why = strerror(errno);
    fprintf(stderr, "bench-reference: %s: %s\n", what, why);
    printf("{\"ok\":false,\"error\":\"%s: %s\"}\n", what, why);
    exit(1);
}

void skip(const char *why) {
    printf("{\"ok\":false,\"skip\":true,\"error\":\"%s\"}\n", why);
    exit(0);
}

void settings_read(int count, char **arguments) {
    setting_count = count;
    setting_list = arguments;
}

const char *setting(const char *key, const char *otherwise) {
    size_t length = strlen(key);
    for (int i = 0; i < setting_count; i++)
        if (strncmp(setting_list[i], key, length) == 0 && setting_list[i][length] == '=')
            return setting_list[i] + length + 1;
    return otherwise;
}

long setting_number(const char *key, long otherwise) {
    const char *text = setting(key, NULL);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static double clock_seconds(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) give_up("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double seconds_now(void) { return clock_seconds(CLOCK_MONOTONIC); }

double processor_seconds(pid_t process) {
    clockid_t clock;
    if ((errno = clock_getcpuclockid(process, &clock)) != 0) give_up("clock_getcpuclockid");
    return clock_seconds(clock);
}

double peak_mib(pid_t process) {
    char path[40], line[200];
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *status = fopen(path, "re");
    if (!status) return 0;
    long kib = 0;
    while (fgets(line, sizeof line, status) && sscanf(line, "VmHWM: %ld", &kib) != 1) {}
    fclose(status);
    return (double)kib / 1024;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double quantile(double *values, long count, double q) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(long)(q * (double)(count - 1) + 0.5)];
}

pid_t child_start(int socket, int region, char *role, size_t region_bytes) {
    char size[40];
    snprintf(size, sizeof size, "region=%zu", region_bytes);
    char *arguments[] = {"bench-reference", role, size, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // The descriptors are high ones: neither is overwritten before it is duplicated.
    posix_spawn_file_actions_adddup2(&actions, socket, 3);
    if (region >= 0) posix_spawn_file_actions_adddup2(&actions, region, 4);
    pid_t child;
    if ((errno = posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ)) != 0) give_up("spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(socket);
    if (region >= 0) close(region);
    return child;
}

void child_wait(pid_t child) {
    int status;
    if (waitpid(child, &status, 0) != child) give_up("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        give_up("the child failed");
    }
}

void *allocate(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory) give_up("malloc");
    return memory;
}

unsigned char *message_load(size_t *bytes) {
    const char *path = setting("data", NULL);
    size_t copies = (size_t)setting_number("repeat", 1);
    if (!path) return message_letters(*bytes = 12472373 * copies);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) give_up(path);
    size_t once = (size_t)status.st_size;
    unsigned char *message = allocate(once * copies);
    for (size_t done = 0; done < once;) {
        ssize_t count = read(file, message + done, once - done);
        if (count <= 0) give_up(path);
        done += (size_t)count;
    }
    close(file);
    for (size_t copy = 1; copy < copies; copy++) memcpy(message + copy * once, message, once);
    *bytes = once * copies;
    return message;
}

unsigned char *message_letters(size_t bytes) {
    unsigned char *message = allocate(bytes);
    for (size_t i = 0; i < bytes; i++) message[i] = (unsigned char)('a' + i % 26);
    return message;
}

void message_mark(unsigned char *message, uint32_t number) {
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", number * UINT32_C(2654435761));
    memcpy(message, digits, 8);
}

void check_add(struct check *check, const void *message, size_t bytes) {
    uint64_t mark;
    memcpy(&mark, message, sizeof mark);
    check->marks ^= mark;
    check->messages++;
    check->bytes += bytes;
}

uint64_t read_every_byte(const void *bytes, size_t count) {
    const unsigned char *rest = bytes;
    uint64_t sum = 0, word;
    for (; count >= sizeof word; count -= sizeof word, rest += sizeof word) {
        memcpy(&word, rest, sizeof word);
        sum += word;
    }
    while (count-- > 0) sum += *rest++;
    return sum;
}

void report(const char *workload, const char *metrics, double child_mib) {
    printf("{\"ok\":true,\"workload\":\"%s\",\"metrics\":{%s},\"rss_parent_mib\":%.2f,\"rss_child_mib\":%.2f}\n",
           workload, metrics, peak_mib(getpid()), child_mib);
}

void report_round_trips(double *microseconds, long count, double seconds, double child_mib) {
    char metrics[200];
    int length = snprintf(metrics, sizeof metrics, "\"p50_us\":%.3f,\"p99_us\":%.3f,\"rtt_per_s\":%.0f",
                          quantile(microseconds, count, 0.5), quantile(microseconds, count, 0.99),
                          (double)count / seconds);
    if (strcmp(setting("detail", "no"), "yes") == 0)
        snprintf(metrics + length, sizeof metrics - (size_t)length, ",\"p90_us\":%.3f,\"p999_us\":%.3f",
                 quantile(microseconds, count, 0.9), quantile(microseconds, count, 0.999));
    report("W1", metrics, child_mib);
}

void report_large_round_trips(double *milliseconds, long count, size_t bytes, double child_mib) {
    char metrics[200];
    double median = quantile(milliseconds, count, 0.5);
    snprintf(metrics, sizeof metrics, "\"median_ms\":%.3f,\"min_ms\":%.3f,\"mb_per_s\":%.1f,\"bytes\":%zu", median,
             milliseconds[0], 2 * (double)bytes / median / 1e3, bytes);
    report("W2", metrics, child_mib);
}

void report_one_way(double seconds, double bytes, double child_mib) {
    char metrics[200];
    snprintf(metrics, sizeof metrics, "\"gb_per_s\":%.3f,\"seconds\":%.4f", bytes / seconds / 1e9, seconds);
    report("W3", metrics, child_mib);
}
