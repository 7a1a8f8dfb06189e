// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const int all_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

int clinux_file_reopen(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    // Opening a FIFO or a device could wait, or do something.
    if (!S_ISREG(status.st_mode)) return -EINVAL;
    char path[64];
    snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return file >= 0 ? file : -errno;
}

int clinux_file_check(int fd, uint64_t offset, uint64_t count) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return -EINVAL;
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) return -EINVAL;
    if ((flags & O_ACCMODE) != O_RDONLY) {
        int seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & all_seals) != all_seals) return -EPERM;
    }
    uint64_t size = status.st_size < 0 ? 0 : (uint64_t)status.st_size;
    return offset <= size && count <= size - offset ? 0 : -ERANGE;
}

int clinux_file_sealed(const void *bytes, size_t count) {
    int fd = memfd_create("ipcframe-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    size_t written = 0;
    while (written < count) {
        ssize_t result = write(fd, (const char *)bytes + written, count - written);
        if (result < 0 && errno == EINTR) continue;
        if (result < 0) goto failed;
        written += (size_t)result;
    }
    if (fcntl(fd, F_ADD_SEALS, all_seals) == 0) return fd;
failed:;
    int error = errno;
    close(fd);
    return -error;
}
