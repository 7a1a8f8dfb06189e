// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_arena.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const int arena_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

int clinux_memfd_create(size_t count, int seals) {
    int fd = memfd_create("ipcframe-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    // Every page is there from now on: no write to the mapping can fail for want of memory.
    if (fallocate(fd, 0, 0, (off_t)count) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int clinux_arena_create(size_t count) { return clinux_memfd_create(count, arena_seals); }

int clinux_arena_check(int fd, size_t count) {
    struct stat status;
    int found = fcntl(fd, F_GET_SEALS);
    if (found < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return -EINVAL;
    if (found != arena_seals) return -EPERM;
    return status.st_size == (off_t)count ? 0 : -ERANGE;
}

int clinux_arena_map(int fd, size_t count, size_t own_start, size_t own_count, void **base) {
    // Populated: one pass over the page tables now, instead of a fault for each page later.
    char *area = mmap(NULL, count, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (area == MAP_FAILED) return -errno;
    if (mmap(area + own_start, own_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | MAP_FIXED, fd,
             (off_t)own_start) == MAP_FAILED) {
        int error = errno;
        munmap(area, count);
        return -error;
    }
    *base = area;
    return 0;
}

void clinux_arena_release(void *start, size_t count) { (void)madvise(start, count, MADV_REMOVE); }

void clinux_arena_unmap(void *base, size_t count) { munmap(base, count); }
