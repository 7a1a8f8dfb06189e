// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_isal.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_include)
#if __has_include(<isa-l/igzip_lib.h>) && __has_include(<isa-l/crc.h>)
#define CLINUX_HAS_ISAL 1
#endif
#endif

#ifdef CLINUX_HAS_ISAL

#include <dlfcn.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Room behind each state, in case an installed 2.x has a larger one than the header that was built against.
#define SLACK 4096
#define LEVEL 1

static struct {
    void (*deflate_init)(struct isal_zstream *);
    int (*deflate_stateless)(struct isal_zstream *);
    void (*inflate_init)(struct inflate_state *);
    int (*inflate)(struct inflate_state *);
    uint32_t (*crc32)(uint32_t, const unsigned char *, uint64_t);
} isal;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int load_result;
static char version[16] = "2";

struct clinux_isal_deflater {
    uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
    struct isal_zstream stream;
    uint8_t slack[SLACK];
};

struct clinux_isal_inflater {
    struct inflate_state state;
    uint8_t slack[SLACK];
};

// Two bytes: method 8, a window of at most 32 KiB, no preset dictionary, a right check. zlib and ISA-L differ in what
// they look at here; the wire must not.
static int header_is_right(const uint8_t *input) {
    return (input[0] & 0x0F) == 8 && (input[0] >> 4) <= 7 && (input[1] & 0x20) == 0 &&
           ((unsigned)input[0] << 8 | input[1]) % 31 == 0;
}

// A library that can be loaded is not yet one that works: another version's structures may differ.
static int self_test(void) {
    uint8_t raw[2048], packed[4096], back[2048];
    for (size_t i = 0; i < sizeof raw; i++) raw[i] = (uint8_t)((i * i) >> 6);
    clinux_isal_deflater *deflater = clinux_isal_deflater_make();
    clinux_isal_inflater *inflater = clinux_isal_inflater_make();
    int good = 0;
    if (deflater && inflater) {
        int64_t size = clinux_isal_deflate(deflater, raw, sizeof raw, packed, sizeof packed);
        good = size > 0 && header_is_right(packed) &&
               clinux_isal_inflate(inflater, packed, (uint32_t)size, back, sizeof back) == 0 &&
               memcmp(raw, back, sizeof raw) == 0 &&
               clinux_isal_crc32(0, (const uint8_t *)"123456789", 9) == 0xCBF43926;
    }
    clinux_isal_deflater_free(deflater);
    clinux_isal_inflater_free(inflater);
    return good;
}

// The library has no call that tells its version; its file is named libisal.so.2.0.MINOR.
static void read_version(void) {
    Dl_info info;
    char path[4096];
    if (dladdr((void *)isal.crc32, &info) == 0 || !info.dli_fname || !realpath(info.dli_fname, path)) return;
    const char *name = strrchr(path, '/');
    unsigned major, zero, minor;
    if (name && sscanf(name, "/libisal.so.%u.%u.%u", &major, &zero, &minor) == 3) {
        snprintf(version, sizeof version, "%u.%u", major, minor);
    }
}

static void load(void) {
    void *library = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        load_result = -ENOENT;
        return;
    }
    *(void **)&isal.deflate_init = dlsym(library, "isal_deflate_stateless_init");
    *(void **)&isal.deflate_stateless = dlsym(library, "isal_deflate_stateless");
    *(void **)&isal.inflate_init = dlsym(library, "isal_inflate_init");
    *(void **)&isal.inflate = dlsym(library, "isal_inflate");
    *(void **)&isal.crc32 = dlsym(library, "crc32_gzip_refl");
    if (!isal.deflate_init || !isal.deflate_stateless || !isal.inflate_init || !isal.inflate || !isal.crc32 ||
        !self_test()) {
        load_result = -EPROTO;
        dlclose(library);
        return;
    }
    read_version();
}

int clinux_isal_load(void) {
    pthread_once(&once, load);
    return load_result;
}

const char *clinux_isal_version(void) { return version; }

clinux_isal_deflater *clinux_isal_deflater_make(void) { return calloc(1, sizeof(clinux_isal_deflater)); }

void clinux_isal_deflater_free(clinux_isal_deflater *deflater) { free(deflater); }

int64_t clinux_isal_deflate(clinux_isal_deflater *deflater, const uint8_t *input, uint32_t count, uint8_t *output,
                            uint32_t capacity) {
    struct isal_zstream *stream = &deflater->stream;
    isal.deflate_init(stream);
    stream->level = LEVEL;
    stream->level_buf = deflater->level_buffer;
    stream->level_buf_size = sizeof deflater->level_buffer;
    stream->gzip_flag = IGZIP_ZLIB;
    stream->end_of_stream = 1;
    stream->flush = NO_FLUSH;
    stream->next_in = (uint8_t *)input;
    stream->avail_in = count;
    stream->next_out = output;
    stream->avail_out = capacity;
    if (isal.deflate_stateless(stream) != COMP_OK || stream->avail_in != 0) return -ENOSPC;
    return (int64_t)(capacity - stream->avail_out);
}

clinux_isal_inflater *clinux_isal_inflater_make(void) { return calloc(1, sizeof(clinux_isal_inflater)); }

void clinux_isal_inflater_free(clinux_isal_inflater *inflater) { free(inflater); }

int clinux_isal_inflate(clinux_isal_inflater *inflater, const uint8_t *input, uint32_t count, uint8_t *output,
                        uint32_t capacity) {
    if (count < 2) return -ENODATA;
    if (!header_is_right(input)) return -EBADMSG;
    struct inflate_state *state = &inflater->state;
    isal.inflate_init(state);
    state->crc_flag = ISAL_ZLIB;
    state->next_in = (uint8_t *)input;
    state->avail_in = count;
    state->next_out = output;
    state->avail_out = capacity;
    int result = isal.inflate(state);
    if (result < 0) return -EBADMSG;
    if (state->block_state != ISAL_BLOCK_FINISH) {
        // It stopped for want of input or of room: with input left, or output waiting, it is room.
        int wants_room = state->avail_out == 0 && (state->avail_in > 0 || state->tmp_out_processed < state->tmp_out_valid);
        return wants_room ? -ENOSPC : -ENODATA;
    }
    if (state->avail_out != 0) return -ENODATA;
    if (state->avail_in != 0 || state->read_in_length >= 8) return -E2BIG;
    return 0;
}

uint32_t clinux_isal_crc32(uint32_t crc, const uint8_t *input, uint64_t count) { return isal.crc32(crc, input, count); }

#else

int clinux_isal_load(void) { return -ENOSYS; }

const char *clinux_isal_version(void) { return ""; }

clinux_isal_deflater *clinux_isal_deflater_make(void) { return NULL; }

void clinux_isal_deflater_free(clinux_isal_deflater *deflater) { (void)deflater; }

int64_t clinux_isal_deflate(clinux_isal_deflater *deflater, const uint8_t *input, uint32_t count, uint8_t *output,
                            uint32_t capacity) {
    (void)deflater, (void)input, (void)count, (void)output, (void)capacity;
    return -ENOSYS;
}

clinux_isal_inflater *clinux_isal_inflater_make(void) { return NULL; }

void clinux_isal_inflater_free(clinux_isal_inflater *inflater) { (void)inflater; }

int clinux_isal_inflate(clinux_isal_inflater *inflater, const uint8_t *input, uint32_t count, uint8_t *output,
                        uint32_t capacity) {
    (void)inflater, (void)input, (void)count, (void)output, (void)capacity;
    return -ENOSYS;
}

uint32_t clinux_isal_crc32(uint32_t crc, const uint8_t *input, uint64_t count) {
    (void)crc, (void)input, (void)count;
    return 0;
}

#endif
