// SPDX-License-Identifier: Apache-2.0
// What all parts of the reference need: settings, time, statistics, the child process, and the messages' marks.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Says on both outputs what failed, with errno, and ends the process.
_Noreturn void give_up(const char *what);
_Noreturn void skip(const char *why);

// KEY=VALUE arguments.
void settings_read(int count, char **arguments);
const char *setting(const char *key, const char *otherwise);
long setting_number(const char *key, long otherwise);

double seconds_now(void);
// What a process has used of the processors, in nanoseconds' resolution; 0 is this one.
double processor_seconds(pid_t process);
double peak_mib(pid_t process);
// The value that the share q of all does not exceed; sorts.
double quantile(double *values, long count, double q);

// Descriptors 3 and 4 of the child are `socket` and, if not -1, `region`; both are closed here.
pid_t child_start(int socket, int region, char *role, size_t region_bytes);
void child_wait(pid_t child);

void *allocate(size_t bytes);
// The file of setting `data`, `repeat` times over; without one, letters.
unsigned char *message_load(size_t *bytes);
unsigned char *message_letters(size_t bytes);
// The first 8 bytes become the hex digits of the number's product with 2,654,435,761.
void message_mark(unsigned char *message, uint32_t number);

// What both ends of a one-way workload must agree on.
struct check {
    uint64_t marks, messages, bytes;
};
void check_add(struct check *check, const void *message, size_t bytes);
// So that no copy is spared: adds up all of it.
uint64_t read_every_byte(const void *bytes, size_t count);

void report(const char *workload, const char *metrics, double child_mib);
void report_round_trips(double *microseconds, long count, double seconds, double child_mib);
void report_large_round_trips(double *milliseconds, long count, size_t bytes, double child_mib);
void report_one_way(double seconds, double bytes, double child_mib);
