// SPDX-License-Identifier: Apache-2.0
// What zlib and ISA-L do to one file, chunk by chunk, on one core: called as IPCFrame calls them, but at any level.
//
//     bench-codecs codec-table data=FILE [codec=zlib|isal] [level=N] [chunk=BYTES] [bytes=MOST] [seconds=LEAST]
//
// One line of JSON: raw MB/s of deflate and of inflate, and raw bytes over sent ones. A chunk that saves less than 5 %
// goes stored: it counts as it is, and is not inflated. Every chunk that was deflated is compared once.
//
// Built by the C compiler: cc -O2 -D_GNU_SOURCE -o bench-codecs *.c -lz
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#if __has_include(<isa-l/igzip_lib.h>)
#include <isa-l/igzip_lib.h>
#define HAS_ISAL 1
#endif

static _Noreturn void give_up(const char *why, int is_skipped) {
    printf("{\"ok\":false,\"skip\":%s,\"error\":\"%s\"}\n", is_skipped ? "true" : "false", why);
    exit(is_skipped ? 0 : 1);
}

static int level;

static z_stream zlib_deflate, zlib_inflate;

static void zlib_open(void) {
    if (deflateInit(&zlib_deflate, level) != Z_OK || inflateInit(&zlib_inflate) != Z_OK) give_up("zlib's level", 1);
}

// The size, or 0 when it does not fit.
static size_t zlib_pack(const uint8_t *raw, size_t count, uint8_t *packed, size_t capacity) {
    deflateReset(&zlib_deflate);
    zlib_deflate.next_in = (uint8_t *)raw, zlib_deflate.avail_in = (unsigned)count;
    zlib_deflate.next_out = packed, zlib_deflate.avail_out = (unsigned)capacity;
    return deflate(&zlib_deflate, Z_FINISH) == Z_STREAM_END ? capacity - zlib_deflate.avail_out : 0;
}

static int zlib_unpack(const uint8_t *packed, size_t size, uint8_t *raw, size_t count) {
    inflateReset(&zlib_inflate);
    zlib_inflate.next_in = (uint8_t *)packed, zlib_inflate.avail_in = (unsigned)size;
    zlib_inflate.next_out = raw, zlib_inflate.avail_out = (unsigned)count;
    return inflate(&zlib_inflate, Z_FINISH) == Z_STREAM_END && zlib_inflate.avail_out == 0;
}

#ifdef HAS_ISAL
static void (*isal_deflate_start)(struct isal_zstream *);
static int (*isal_deflate_all)(struct isal_zstream *);
static void (*isal_inflate_start)(struct inflate_state *);
static int (*isal_inflate_all)(struct inflate_state *);
static uint8_t *level_buffer;
static uint32_t level_bytes;

static void isal_open(void) {
    void *library = dlopen("libisal.so.2", RTLD_NOW);
    if (!library) give_up("libisal.so.2 is not installed", 1);
    *(void **)&isal_deflate_start = dlsym(library, "isal_deflate_stateless_init");
    *(void **)&isal_deflate_all = dlsym(library, "isal_deflate_stateless");
    *(void **)&isal_inflate_start = dlsym(library, "isal_inflate_init");
    *(void **)&isal_inflate_all = dlsym(library, "isal_inflate");
    const uint32_t sizes[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};
    if (level < 0 || level > 3) give_up("ISA-L's level", 1);
    level_bytes = sizes[level];
    level_buffer = level_bytes ? malloc(level_bytes) : NULL;
}

static size_t isal_pack(const uint8_t *raw, size_t count, uint8_t *packed, size_t capacity) {
    static struct isal_zstream stream;
    isal_deflate_start(&stream);
    stream.level = (uint32_t)level, stream.level_buf = level_buffer, stream.level_buf_size = level_bytes;
    stream.gzip_flag = IGZIP_ZLIB, stream.end_of_stream = 1, stream.flush = NO_FLUSH;
    stream.next_in = (uint8_t *)raw, stream.avail_in = (uint32_t)count;
    stream.next_out = packed, stream.avail_out = (uint32_t)capacity;
    return isal_deflate_all(&stream) == COMP_OK && stream.avail_in == 0 ? capacity - stream.avail_out : 0;
}

static int isal_unpack(const uint8_t *packed, size_t size, uint8_t *raw, size_t count) {
    static struct inflate_state state;
    isal_inflate_start(&state);
    state.crc_flag = ISAL_ZLIB;
    state.next_in = (uint8_t *)packed, state.avail_in = (uint32_t)size;
    state.next_out = raw, state.avail_out = (uint32_t)count;
    return isal_inflate_all(&state) >= 0 && state.avail_out == 0;
}
#else
static void isal_open(void) { give_up("built without ISA-L's header", 1); }
static size_t isal_pack(const uint8_t *r, size_t n, uint8_t *p, size_t c) { return (void)r, (void)n, (void)p, c * 0; }
static int isal_unpack(const uint8_t *p, size_t s, uint8_t *r, size_t n) { return (void)p, (void)s, (void)r, n == 0; }
#endif

static const char *setting(int count, char **list, const char *key, const char *otherwise) {
    size_t length = strlen(key);
    for (int i = 0; i < count; i++)
        if (strncmp(list[i], key, length) == 0 && list[i][length] == '=') return list[i] + length + 1;
    return otherwise;
}

// Of the processor's time: what other programs do meanwhile counts less.
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint8_t *load(const char *path, size_t most, size_t *count) {
    FILE *file = path ? fopen(path, "rb") : NULL;
    uint8_t *bytes = malloc(most);
    if (!file || !bytes || (*count = fread(bytes, 1, most, file)) == 0) give_up("'data' must name a file", 0);
    fclose(file);
    return bytes;
}

int main(int argument_count, char **arguments) {
    int count = argument_count - 2;
    char **list = arguments + 2;
    if (count < 0 || strcmp(arguments[1], "codec-table") != 0) give_up("there is no such workload here", 1);
    int is_isal = strcmp(setting(count, list, "codec", "zlib"), "isal") == 0;
    level = atoi(setting(count, list, "level", "1"));
    size_t chunk = strtoul(setting(count, list, "chunk", "262144"), NULL, 10);
    double least = atof(setting(count, list, "seconds", "0.3"));
    size_t bytes, most = strtoul(setting(count, list, "bytes", "4194304"), NULL, 10);
    uint8_t *raw = load(setting(count, list, "data", NULL), most, &bytes);
    if (chunk < 20 || chunk > most) give_up("'chunk' is too small or too large", 0);
    if (is_isal) isal_open();
    else zlib_open();
    size_t (*pack)(const uint8_t *, size_t, uint8_t *, size_t) = is_isal ? isal_pack : zlib_pack;
    int (*unpack)(const uint8_t *, size_t, uint8_t *, size_t) = is_isal ? isal_unpack : zlib_unpack;

    size_t chunks = (bytes + chunk - 1) / chunk;
    uint8_t *packed = malloc(chunks * chunk), *back = malloc(chunk);
    size_t *sizes = calloc(chunks, sizeof *sizes);
    if (!packed || !back || !sizes) give_up("no memory", 0);
    // Pages are touched before the clock runs.
    memset(packed, 1, chunks * chunk);
    memset(back, 1, chunk);

    double start = now(), deflating = 0, inflating = 0;
    long rounds = 0;
    do {
        for (size_t i = 0; i < chunks; i++) {
            size_t length = i + 1 < chunks ? chunk : bytes - i * chunk;
            // What a DATA payload may have (CompressionPolicy), without its four bytes of raw length.
            size_t room = length - (length + 19) / 20;
            sizes[i] = room > 4 ? pack(raw + i * chunk, length, packed + i * chunk, room - 4) : 0;
        }
        rounds++;
        deflating = now() - start;
    } while (deflating < least);
    double deflate_rate = (double)bytes * (double)rounds / deflating / 1e6;

    size_t sent = 0, inflated = 0;
    for (size_t i = 0; i < chunks; i++) {
        size_t length = i + 1 < chunks ? chunk : bytes - i * chunk;
        sent += sizes[i] ? sizes[i] + 4 : length;
        if (!sizes[i]) continue;
        inflated += length;
        if (!unpack(packed + i * chunk, sizes[i], back, length) || memcmp(back, raw + i * chunk, length) != 0)
            give_up("a chunk does not come back", 0);
    }
    rounds = 0;
    start = now();
    while (inflated && inflating < least) {
        for (size_t i = 0; i < chunks; i++) {
            size_t length = i + 1 < chunks ? chunk : bytes - i * chunk;
            if (sizes[i]) unpack(packed + i * chunk, sizes[i], back, length);
        }
        rounds++;
        inflating = now() - start;
    }
    double inflate_rate = inflated ? (double)inflated * (double)rounds / inflating / 1e6 : 0;
    printf("{\"ok\":true,\"workload\":\"codec-table\",\"metrics\":{\"deflate_mb_per_s\":%.3f,\"inflate_mb_per_s\":%.3f,"
           "\"ratio\":%.4f}}\n",
           deflate_rate, inflate_rate, (double)bytes / (double)sent);
    return 0;
}
