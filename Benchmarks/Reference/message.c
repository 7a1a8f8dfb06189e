// SPDX-License-Identifier: Apache-2.0
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support.h"

int channel_pair(int *other) {
    int ends[2], size = SOCKET_CHUNK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up("socketpair");
    for (int i = 0; i < 2; i++)
        if (setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0) give_up("SO_SNDBUF");
    *other = fcntl(ends[1], F_DUPFD_CLOEXEC, 32);
    if (*other < 0) give_up("F_DUPFD_CLOEXEC");
    close(ends[1]);
    return ends[0];
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

void message_send(struct channel *channel, const void *bytes, size_t count) {
    uint64_t length = count;
    const size_t all = sizeof length + count;
    for (size_t done = 0; done < all;) {
        struct iovec parts[2];
        int used = 0;
        size_t skipped = 0;
        if (done < sizeof length)
            parts[used++] = (struct iovec){(char *)&length + done, sizeof length - done};
        else
            skipped = done - sizeof length;
        if (count > skipped)
            parts[used++] = (struct iovec){(char *)bytes + skipped, smaller(count - skipped, SOCKET_CHUNK)};
        ssize_t written = writev(channel->socket, parts, used);
        if (written < 0 && errno != EINTR) give_up("writev");
        if (written > 0) done += (size_t)written;
    }
}

// At least one byte, or 0 at the end of the stream.
static size_t receive_some(int socket, void *place, size_t room) {
    ssize_t count;
    do {
        count = read(socket, place, room);
    } while (count < 0 && errno == EINTR);
    if (count < 0) give_up("read");
    return (size_t)count;
}

bool message_receive(struct channel *channel, struct message *message) {
    uint64_t length;
    while (channel->early_end - channel->early_begin < sizeof length) {
        size_t have = channel->early_end - channel->early_begin;
        memmove(channel->early, channel->early + channel->early_begin, have);
        size_t count = receive_some(channel->socket, channel->early + have, sizeof channel->early - have);
        channel->early_begin = 0;
        channel->early_end = have + count;
        if (count == 0) return false;
    }
    memcpy(&length, channel->early + channel->early_begin, sizeof length);
    channel->early_begin += sizeof length;
    if (length > message->capacity) {
        free(message->bytes);
        message->bytes = allocate(length);
        message->capacity = length;
    }
    message->count = smaller(length, channel->early_end - channel->early_begin);
    memcpy(message->bytes, channel->early + channel->early_begin, message->count);
    channel->early_begin += message->count;
    while (message->count < length) {
        size_t room = smaller(length - message->count, SOCKET_CHUNK);
        size_t count = receive_some(channel->socket, message->bytes + message->count, room);
        if (count == 0) give_up("the stream ends within a message");
        message->count += count;
    }
    return true;
}

void message_expect(struct channel *channel, struct message *message, size_t count) {
    errno = EPROTO;
    if (!message_receive(channel, message) || message->count != count) give_up("no answer");
}
