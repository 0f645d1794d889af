/* Makes file operations below one folder fail, or kills the process at them. Preloaded, so that native libraries are
 * seen as well. Counted are operations that change files: opens for writing, writes, syncs, renames, folders, cuts,
 * removals. `arm` begins to count; a forked child arms itself.
 *
 *     gcc -shared -fPIC -o shim.so shim.c -ldl && LD_PRELOAD=./shim.so program
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = -1, SHORT = 0 }; /* in place of an error's number */

static char root[PATH_MAX];
static long seen, first, last;
static int fault, half, trace;

/* Count operations below `folder` from now on. Operations number `from` to `to`, from 1, meet `what`: an error's number,
 * KILL, or SHORT, which is a write that writes half. With `halved` an error or a kill comes after half of a write. A line
 * for each operation goes to the descriptor `log`. */
void arm(const char *folder, long from, long to, int what, int halved, int log) {
    snprintf(root, sizeof root, "%s", folder);
    seen = 0, first = from, last = to, fault = what, half = halved, trace = log;
}

/* The absolute path of `path` as seen from the open folder `at`, or of the open file `at`. */
static void locate(int at, const char *path, char *place) {
    char link[64];
    ssize_t length = 0;
    if (path && *path == '/') {
        snprintf(place, PATH_MAX, "%s", path);
        return;
    }
    snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
    if ((length = readlink(link, place, PATH_MAX - 1)) < 0) length = 0;
    place[length] = 0;
    if (path) snprintf(place + length, PATH_MAX - length, "/%s", path);
}

/* Count an operation; whether it meets the fault. */
static int due(const char *name, int at, const char *path) {
    char place[PATH_MAX];
    size_t length = strlen(root);
    if (!length) return 0;
    locate(at, path, place);
    if (strncmp(place, root, length) || (place[length] && place[length] != '/')) return 0;
    dprintf(trace, "%s %s\n", name, place + length);
    return ++seen >= first && seen <= last;
}

static int fail(void) {
    if (fault == KILL) kill(getpid(), SIGKILL);
    errno = fault;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* An operation that happens or does not. */
#define WHOLE(name, parameters, arguments, at, path) \
    int name parameters { return due(#name, at, path) && fault != SHORT ? fail() : REAL(name) arguments; }

WHOLE(ftruncate, (int file, off_t size), (file, size), file, NULL)
WHOLE(ftruncate64, (int file, off64_t size), (file, size), file, NULL)
WHOLE(truncate, (const char *path, off_t size), (path, size), AT_FDCWD, path)
WHOLE(truncate64, (const char *path, off64_t size), (path, size), AT_FDCWD, path)
WHOLE(rename, (const char *from, const char *to), (from, to), AT_FDCWD, to)
WHOLE(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), b, to)
WHOLE(renameat2, (int a, const char *from, int b, const char *to, unsigned how), (a, from, b, to, how), b, to)
WHOLE(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
WHOLE(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), at, path)
WHOLE(unlink, (const char *path), (path), AT_FDCWD, path)
WHOLE(unlinkat, (int at, const char *path, int how), (at, path, how), at, path)
WHOLE(rmdir, (const char *path), (path), AT_FDCWD, path)

/* Files below the folder are not really synced: processes die here, the system does not. */
#define SYNC(name)                                                              \
    int name(int file) {                                                        \
        long before = seen;                                                     \
        if (due(#name, file, NULL) && fault != SHORT) return fail();            \
        return seen > before ? 0 : REAL(name)(file);                            \
    }

SYNC(fsync)
SYNC(fdatasync)

/* Opens are counted where they may change something. */
#define OPEN(name, parameters, arguments, at)                                               \
    int name parameters {                                                                   \
        mode_t mode = 0;                                                                    \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {                          \
            va_list rest;                                                                   \
            va_start(rest, flags);                                                          \
            mode = va_arg(rest, mode_t);                                                    \
            va_end(rest);                                                                   \
        }                                                                                   \
        int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);         \
        return writes && due(#name, at, path) && fault != SHORT ? fail() : REAL(name) arguments; \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
WHOLE(creat, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
WHOLE(creat64, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)

/* A write may happen by half. */
#define WRITE(name, parameters, arguments, part)                             \
    ssize_t name parameters {                                                \
        if (!due(#name, file, NULL)) return REAL(name) arguments;             \
        ssize_t done = half || fault == SHORT ? REAL(name) part : 0;          \
        return fault == SHORT || done < 0 ? done : fail();                   \
    }

#define HALF ((size + 1) / 2)
WRITE(write, (int file, const void *data, size_t size), (file, data, size), (file, data, HALF))
WRITE(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), (file, data, HALF, at))
WRITE(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at), (file, data, HALF, at))
WRITE(writev, (int file, const struct iovec *parts, int count), (file, parts, count), (file, parts, (count + 1) / 2))
