// SPDX-License-Identifier: Apache-2.0
// The bytes go through one memfd that both ends have mapped from beginning to end; over the socket go only notes of
// where they are. Since nothing is copied for the receiver, it reads every byte where it is.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"
#include "support.h"
#include "workloads.h"

// SLOTS: messages of the one-way workload that are under way at once.
enum { SLOTS = 8, PAGE = 4096 };

struct note {
    uint64_t offset, length;
};

struct shared {
    struct channel channel;
    struct message incoming;
    unsigned char *region;
    size_t bytes;
    pid_t process;
};

static volatile uint64_t sum;

static void note_send(struct shared *shared, struct note note) {
    message_send(&shared->channel, &note, sizeof note);
}

static struct note note_take(const struct shared *shared) {
    struct note note;
    errno = EPROTO;
    if (shared->incoming.count != sizeof note) give_up("no note");
    memcpy(&note, shared->incoming.bytes, sizeof note);
    if (note.length > shared->bytes || note.offset > shared->bytes - note.length) give_up("a note of nowhere");
    return note;
}

static struct note note_expect(struct shared *shared) {
    message_expect(&shared->channel, &shared->incoming, sizeof(struct note));
    return note_take(shared);
}

static unsigned char *map(int descriptor, size_t bytes) {
    unsigned char *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (region == MAP_FAILED) give_up("mmap");
    return region;
}

static void shared_start(struct shared *shared, char *role, size_t bytes) {
    memset(shared, 0, sizeof *shared);
    int other, made = memfd_create("bench-reference", MFD_CLOEXEC);
    if (made < 0 || ftruncate(made, (off_t)bytes) != 0) give_up("memfd");
    int region = fcntl(made, F_DUPFD_CLOEXEC, 32);
    if (region < 0) give_up("F_DUPFD_CLOEXEC");
    close(made);
    shared->bytes = bytes;
    shared->region = map(region, bytes);
    shared->channel.socket = channel_pair(&other);
    shared->process = child_start(other, region, role, bytes);
    message_expect(&shared->channel, &shared->incoming, strlen("ready"));
}

static double shared_stop(struct shared *shared) {
    double peak = peak_mib(shared->process);
    close(shared->channel.socket);
    child_wait(shared->process);
    return peak;
}

void region_large_round_trips(void) {
    long rounds = setting_number("rounds", 20), warm = setting_number("warm", 1);
    size_t bytes;
    unsigned char *sent = message_load(&bytes);
    double *times = allocate((size_t)rounds * sizeof *times);
    struct shared shared;
    // One half there, one half back; both begin with a page.
    shared_start(&shared, "--region-echo", 2 * ((bytes + PAGE - 1) / PAGE * PAGE));
    for (long i = -warm; i < rounds; i++) {
        double began = seconds_now();
        memcpy(shared.region, sent, bytes);
        note_send(&shared, (struct note){0, bytes});
        struct note back = note_expect(&shared);
        sum += read_every_byte(shared.region + back.offset, back.length);
        double ended = seconds_now();
        errno = EBADMSG;
        if (back.length != bytes || memcmp(shared.region + back.offset, sent, bytes) != 0) give_up("the echo differs");
        if (i >= 0) times[i] = (ended - began) * 1e3;
    }
    report_large_round_trips(times, rounds, bytes, shared_stop(&shared));
}

void region_one_way(void) {
    size_t bytes = (size_t)setting_number("msg", 1 << 20);
    long count = setting_number("total", 1L << 30) / (long)bytes;
    unsigned char *sent = message_letters(bytes);
    struct check check = {0};
    struct shared shared;
    shared_start(&shared, "--region-check", SLOTS * bytes);
    double began = seconds_now();
    for (long i = 0; i < count; i++) {
        // The note of a message comes back when its slot is free.
        if (i >= SLOTS) note_expect(&shared);
        message_mark(sent, (uint32_t)i);
        check_add(&check, sent, bytes);
        size_t offset = (size_t)(i % SLOTS) * bytes;
        memcpy(shared.region + offset, sent, bytes);
        note_send(&shared, (struct note){offset, bytes});
    }
    for (long i = 0; i < (count < SLOTS ? count : SLOTS); i++) note_expect(&shared);
    note_send(&shared, (struct note){0, 0});
    message_expect(&shared.channel, &shared.incoming, sizeof check);
    double took = seconds_now() - began;
    errno = EBADMSG;
    if (memcmp(shared.incoming.bytes, &check, sizeof check) != 0) give_up("the check differs");
    report_one_way(took, (double)count * (double)bytes, shared_stop(&shared));
}

static struct shared child_begin(void) {
    struct shared shared = {.channel.socket = 3, .bytes = (size_t)setting_number("region", 0)};
    shared.region = map(4, shared.bytes);
    message_send(&shared.channel, "ready", strlen("ready"));
    return shared;
}

void region_child_echo(void) {
    struct shared shared = child_begin();
    while (message_receive(&shared.channel, &shared.incoming)) {
        struct note note = note_take(&shared), back = {shared.bytes / 2, note.length};
        memcpy(shared.region + back.offset, shared.region + note.offset, note.length);
        note_send(&shared, back);
    }
}

void region_child_check(void) {
    struct shared shared = child_begin();
    struct check check = {0};
    while (message_receive(&shared.channel, &shared.incoming)) {
        struct note note = note_take(&shared);
        if (note.length == 0) {
            message_send(&shared.channel, &check, sizeof check);
            continue;
        }
        sum += read_every_byte(shared.region + note.offset, note.length);
        check_add(&check, shared.region + note.offset, note.length);
        note_send(&shared, note);
    }
}
