// SPDX-License-Identifier: Apache-2.0
// Messages over a blocking stream socket: 8 bytes of length in the machine's order, then the bytes.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// The most bytes that one system call moves, and the socket's send buffer.
enum { SOCKET_CHUNK = 1 << 20 };

struct channel {
    int socket;
    // What came with the last header, and has not been taken.
    unsigned char early[4096];
    size_t early_begin, early_end;
};

// A received message; its memory is used again for the next one.
struct message {
    unsigned char *bytes;
    size_t count, capacity;
};

// A connected pair: returns this end, *other is the child's, closed on exec and well above its fixed descriptors.
int channel_pair(int *other);
void message_send(struct channel *channel, const void *bytes, size_t count);
// False at the end of the stream.
bool message_receive(struct channel *channel, struct message *message);
// The next message must be there, and have so many bytes.
void message_expect(struct channel *channel, struct message *message, size_t count);
