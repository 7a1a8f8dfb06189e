// SPDX-License-Identifier: Apache-2.0
// The bytes themselves go over the socket; each end has a whole message before it sends one.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"
#include "support.h"
#include "workloads.h"


enum { SMALL = 64 };

struct peer {
    struct channel channel;
    pid_t process;
};

static void peer_start(struct peer *peer, char *role) {
    int other;
    memset(peer, 0, sizeof *peer);
    peer->channel.socket = channel_pair(&other);
    peer->process = child_start(other, -1, role, 0);
    struct message hello = {0};
    message_expect(&peer->channel, &hello, strlen("ready"));
    free(hello.bytes);
}

// Returns its peak.
static double peer_stop(struct peer *peer) {
    double peak = peak_mib(peer->process);
    close(peer->channel.socket);
    child_wait(peer->process);
    return peak;
}

static void must_equal(const struct message *answer, const unsigned char *sent) {
    errno = EBADMSG;
    if (memcmp(answer->bytes, sent, answer->count) != 0) give_up("the echo differs");
}

void socket_round_trips(void) {
    long count = setting_number("n", 20000), warm = setting_number("warm", 1000);
    unsigned char *sent = message_letters(SMALL);
    double *times = allocate((size_t)count * sizeof *times), start = 0;
    struct message answer = {0};
    struct peer peer;
    peer_start(&peer, "--echo");
    for (long i = -warm; i < count; i++) {
        message_mark(sent, (uint32_t)i);
        double began = seconds_now();
        if (i == 0) start = began;
        message_send(&peer.channel, sent, SMALL);
        message_expect(&peer.channel, &answer, SMALL);
        double ended = seconds_now();
        must_equal(&answer, sent);
        if (i >= 0) times[i] = (ended - began) * 1e6;
    }
    double all = seconds_now() - start;
    report_round_trips(times, count, all, peer_stop(&peer));
}

void socket_large_round_trips(void) {
    long rounds = setting_number("rounds", 20), warm = setting_number("warm", 1);
    size_t bytes;
    unsigned char *sent = message_load(&bytes);
    double *times = allocate((size_t)rounds * sizeof *times);
    struct message answer = {0};
    struct peer peer;
    peer_start(&peer, "--echo");
    for (long i = -warm; i < rounds; i++) {
        double began = seconds_now();
        message_send(&peer.channel, sent, bytes);
        message_expect(&peer.channel, &answer, bytes);
        double ended = seconds_now();
        must_equal(&answer, sent);
        if (i >= 0) times[i] = (ended - began) * 1e3;
    }
    report_large_round_trips(times, rounds, bytes, peer_stop(&peer));
}

void socket_one_way(void) {
    size_t bytes = (size_t)setting_number("msg", 1 << 20);
    long count = setting_number("total", 1L << 30) / (long)bytes;
    unsigned char *sent = message_letters(bytes);
    struct message answer = {0};
    struct check check = {0};
    struct peer peer;
    peer_start(&peer, "--check");
    double began = seconds_now();
    for (long i = 0; i < count; i++) {
        message_mark(sent, (uint32_t)i);
        check_add(&check, sent, bytes);
        message_send(&peer.channel, sent, bytes);
    }
    // An empty message asks for the check.
    message_send(&peer.channel, NULL, 0);
    message_expect(&peer.channel, &answer, sizeof check);
    double took = seconds_now() - began;
    must_equal(&answer, (unsigned char *)&check);
    report_one_way(took, (double)count * (double)bytes, peer_stop(&peer));
}

// Each message is answered with 8 bytes before the next one goes.
void socket_calls(void) {
    size_t bytes = (size_t)setting_number("msg", 1 << 20);
    long count = setting_number("n", 100);
    unsigned char *sent = message_letters(bytes);
    struct message answer = {0};
    struct peer peer;
    peer_start(&peer, "--answer");
    double began = 0, used = 0;
    // The first one is not measured.
    for (long i = -1; i < count; i++) {
        if (i == 0) {
            used = processor_seconds(0) + processor_seconds(peer.process);
            began = seconds_now();
        }
        message_mark(sent, (uint32_t)i);
        message_send(&peer.channel, sent, bytes);
        message_expect(&peer.channel, &answer, 8);
        must_equal(&answer, sent);
    }
    double took = seconds_now() - began;
    used = processor_seconds(0) + processor_seconds(peer.process) - used;
    double all = (double)count * (double)bytes;
    char metrics[200];
    snprintf(metrics, sizeof metrics, "\"bytes\":%zu,\"mb_per_s\":%.3f,\"calls_per_s\":%.1f,\"cpu_s_per_gib\":%.4f",
             bytes, all / took / 1e6, (double)count / took, used / all * (1 << 30));
    report("calls", metrics, peer_stop(&peer));
}

void socket_spawns(void) {
    long count = setting_number("spawns", 50);
    size_t ballast = (size_t)setting_number("ballast", 0) << 20;
    if (ballast > 0) {
        void *memory = mmap(NULL, ballast, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) give_up("ballast");
        memset(memory, 1, ballast);
    }
    unsigned char *sent = message_letters(SMALL);
    double *times = allocate((size_t)count * sizeof *times), child_mib = 0;
    struct message answer = {0};
    for (long i = 0; i < count; i++) {
        struct peer peer;
        message_mark(sent, (uint32_t)i);
        double began = seconds_now();
        peer_start(&peer, "--echo");
        message_send(&peer.channel, sent, SMALL);
        message_expect(&peer.channel, &answer, SMALL);
        times[i] = (seconds_now() - began) * 1e3;
        must_equal(&answer, sent);
        child_mib = peer_stop(&peer);
    }
    char metrics[200];
    snprintf(metrics, sizeof metrics, "\"median_ms\":%.3f,\"p90_ms\":%.3f", quantile(times, count, 0.5),
             quantile(times, count, 0.9));
    report("W5", metrics, child_mib);
}

static struct channel child_begin(void) {
    struct channel channel = {.socket = 3};
    message_send(&channel, "ready", strlen("ready"));
    return channel;
}

void socket_child_echo(void) {
    struct channel channel = child_begin();
    struct message message = {0};
    while (message_receive(&channel, &message)) message_send(&channel, message.bytes, message.count);
}

void socket_child_check(void) {
    struct channel channel = child_begin();
    struct message message = {0};
    struct check check = {0};
    while (message_receive(&channel, &message)) {
        if (message.count > 0)
            check_add(&check, message.bytes, message.count);
        else
            message_send(&channel, &check, sizeof check);
    }
}

void socket_child_answer(void) {
    struct channel channel = child_begin();
    struct message message = {0};
    while (message_receive(&channel, &message)) message_send(&channel, message.bytes, 8);
}
