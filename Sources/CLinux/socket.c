// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

int clinux_socketpair(int fds[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : -errno;
}

static void take_descriptors(struct msghdr *message, struct clinux_received *received) {
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
        int count = (int)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < count && received->count < CLINUX_MAX_RECEIVED_FDS; i++) {
            memcpy(&received->fds[received->count++], CMSG_DATA(control) + i * sizeof(int), sizeof(int));
        }
    }
}

int64_t clinux_receive(int fd, void *first, size_t first_count, void *second, size_t second_count,
                       int waits, struct clinux_received *received) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * CLINUX_MAX_RECEIVED_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec parts[2];
    int part_count = 0;
    if (first_count > 0) parts[part_count++] = (struct iovec){.iov_base = first, .iov_len = first_count};
    if (second_count > 0) parts[part_count++] = (struct iovec){.iov_base = second, .iov_len = second_count};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = part_count,
                             .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    received->count = 0;
    received->truncated = 0;
    ssize_t count;
    do {
        count = recvmsg(fd, &message, (waits ? 0 : MSG_DONTWAIT) | MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return errno == ECONNRESET ? 0 : -errno;
    take_descriptors(&message, received);
    received->truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    return count;
}

static int64_t send_parts(int fd, const struct clinux_part *parts, int part_count, struct msghdr *message) {
    struct iovec vector[64];
    if (part_count > 64) part_count = 64;
    for (int i = 0; i < part_count; i++) {
        vector[i] = (struct iovec){.iov_base = (void *)parts[i].bytes, .iov_len = parts[i].count};
    }
    message->msg_iov = vector;
    message->msg_iovlen = part_count;
    ssize_t count;
    do {
        count = sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int64_t clinux_send(int fd, const struct clinux_part *parts, int part_count) {
    struct msghdr message = {0};
    return send_parts(fd, parts, part_count, &message);
}

int64_t clinux_send_descriptor(int fd, const struct clinux_part *parts, int part_count, int passed) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof(int));
    return send_parts(fd, parts, part_count, &message);
}

void clinux_widen(int fd) {
    int bytes = 512 << 10;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void clinux_limit_reading(int fd, uint64_t nanoseconds) {
    struct timeval limit = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_usec = (long)(nanoseconds % 1000000000) / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void clinux_keep_memory(void) {
    // By mallopt(3) the thresholds would stand still; freeing a large block raises them (to its size, and twice that),
    // and larger messages raise them further. The block is never touched, so it costs no memory.
    void *volatile block = malloc(4 << 20);
    free(block);
}

void clinux_use_huge_pages(void *start, size_t count) {
    const uintptr_t page = 4096;
    uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)start + count) & ~(page - 1);
    if (first < end) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

int clinux_readable(int fd) {
    char byte;
    ssize_t count = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return count >= 0 || (errno != EAGAIN && errno != EINTR);
}

int clinux_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) == 0 ? 0 : -errno; }

int clinux_adopt_socket(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    if (!S_ISSOCK(status.st_mode)) return -ENOTSOCK;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}
