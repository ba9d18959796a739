/* A disk that fails once, to be put before the C library (LD_PRELOAD): while the file named by BAD_DISK is there, the next fsync or fdatasync
 * of a store's file fails and takes that file away. As with a real disk, the one after it says that all is well: whoever believes that has
 * lost data. That it was asked at all is kept in a file of the same name with ".again". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int has_failed = 0;

static int fails(int fd) {
    const char *flag = getenv("BAD_DISK");
    char link[64], path[4096], again[4096];
    if (flag == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return 0;
    path[len] = 0;
    if (strstr(path, ".sqlite") == NULL)
        return 0;
    if (has_failed) {
        snprintf(again, sizeof again, "%s.again", flag);
        close(open(again, O_CREAT | O_WRONLY, 0600));
        return 0;
    }
    has_failed = unlink(flag) == 0;
    return has_failed;
}

static int next(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) {
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return next("fsync", fd);
}

int fdatasync(int fd) {
    if (fails(fd)) {
        errno = EIO;
        return -1;
    }
    return next("fdatasync", fd);
}
