// SPDX-License-Identifier: Apache-2.0
// ISA-L's deflate, inflate and CRC-32, loaded at run time: the library is used where it is installed, and nothing
// fails where it is not. Compiled in where its header is present; elsewhere clinux_isal_load says -ENOSYS.
#ifndef CLINUX_ISAL_H
#define CLINUX_ISAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Loads the library, once, from any thread; 0, -ENOSYS (built without its header), -ENOENT (not installed) or
// -EPROTO (it is there but does not do what this code expects). The functions below may be called only after 0.
int clinux_isal_load(void);

// "2.30", or "2" where the file's name does not tell. Valid after clinux_isal_load returned 0.
const char *clinux_isal_version(void);

typedef struct clinux_isal_deflater clinux_isal_deflater;
typedef struct clinux_isal_inflater clinux_isal_inflater;

// NULL when there is no memory.
clinux_isal_deflater *clinux_isal_deflater_make(void);
void clinux_isal_deflater_free(clinux_isal_deflater *deflater);

// Writes one complete RFC 1950 stream of `count` bytes at `input`; its size, or -ENOSPC when `capacity` does not hold it.
int64_t clinux_isal_deflate(clinux_isal_deflater *deflater, const uint8_t *input, uint32_t count, uint8_t *output,
                            uint32_t capacity);

// NULL when there is no memory.
clinux_isal_inflater *clinux_isal_inflater_make(void);
void clinux_isal_inflater_free(clinux_isal_inflater *inflater);

// Inflates one complete RFC 1950 stream into exactly `capacity` bytes: 0, -ENOSPC (it holds more), -ENODATA (it ends
// early or holds less), -E2BIG (bytes follow its end) or -EBADMSG (it is damaged).
int clinux_isal_inflate(clinux_isal_inflater *inflater, const uint8_t *input, uint32_t count, uint8_t *output,
                        uint32_t capacity);

// The CRC-32 of RFC 1952, chained as zlib's crc32 is.
uint32_t clinux_isal_crc32(uint32_t crc, const uint8_t *input, uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
