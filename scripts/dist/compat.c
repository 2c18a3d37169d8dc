// What the compiler's run-time libraries on Debian 12 want of a C library later than 2.28, by means
// that 2.28 has. Linked into all that `./run dist` makes; shown to nobody.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define HIDDEN __attribute__((visibility("hidden")))

// What code that was compiled for programs takes for standard input, output and error (stdio.syms).
HIDDEN FILE* uffizi_stdin;
HIDDEN FILE* uffizi_stdout;
HIDDEN FILE* uffizi_stderr;
__attribute__((constructor)) static void SetStandardFiles(void) {
  uffizi_stdin = stdin;
  uffizi_stdout = stdout;
  uffizi_stderr = stderr;
}

// 2.32. "No" only means that reference counts are atomic also where there is one thread.
HIDDEN char __libc_single_threaded = 0;

// The time of the one clock that every C library can wait by, when another shows `until`.
static struct timespec OfWallClock(clockid_t clock, const struct timespec* until) {
  struct timespec now, wall;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &wall);
  wall.tv_sec += until->tv_sec - now.tv_sec;
  wall.tv_nsec += until->tv_nsec - now.tv_nsec;
  if (wall.tv_nsec < 0) wall.tv_nsec += 1000000000, --wall.tv_sec;
  if (wall.tv_nsec >= 1000000000) wall.tv_nsec -= 1000000000, ++wall.tv_sec;
  return wall;
}

// 2.30. May return early if somebody sets the wall clock meanwhile, which std::condition_variable
// looks for: it compares with its own clock afterwards.
HIDDEN int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const struct timespec* until) {
  const struct timespec wall = OfWallClock(clock, until);
  return pthread_cond_timedwait(condition, mutex, &wall);
}

// 2.30.
HIDDEN int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                   const struct timespec* until) {
  while (1) {
    const struct timespec wall = OfWallClock(clock, until);
    const int status = pthread_mutex_timedlock(mutex, &wall);
    struct timespec now;
    clock_gettime(clock, &now);
    const int over = now.tv_sec > until->tv_sec ||
                     (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
    if (status != ETIMEDOUT || over) return status;
  }
}

// 2.36; std::random_device asks them.
HIDDEN void arc4random_buf(void* out, size_t size) {
  for (char* at = out; size > 0;) {
    const ssize_t got = getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) abort();  // Linux before 3.17
    at += got;
    size -= (size_t)got;
  }
}

HIDDEN uint32_t arc4random(void) {
  uint32_t value;
  arc4random_buf(&value, sizeof(value));
  return value;
}

// 2.35: the object that holds a piece of code, and its table for the unwinder.
struct Search {
  uintptr_t code;
  struct dl_find_object* found;
};

static int Look(struct dl_phdr_info* object, size_t size, void* data) {
  (void)size;
  struct Search* search = data;
  int holds = 0;
  uintptr_t frames = 0, begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)* part = &object->dlpi_phdr[i];
    const uintptr_t at = object->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_GNU_EH_FRAME) frames = at;
    if (part->p_type != PT_LOAD) continue;
    if (at < begin) begin = at;
    if (at + part->p_memsz > end) end = at + part->p_memsz;
    if (search->code >= at && search->code < at + part->p_memsz) holds = 1;
  }
  if (!holds) return 0;
  search->found->dlfo_flags = 0;
  search->found->dlfo_map_start = (void*)begin;
  search->found->dlfo_map_end = (void*)end;
  search->found->dlfo_link_map = NULL;
  search->found->dlfo_eh_frame = (void*)frames;
  return frames == 0 ? -1 : 1;
}

HIDDEN int _dl_find_object(void* code, struct dl_find_object* found) {
  struct Search search = {(uintptr_t)code, found};
  return dl_iterate_phdr(Look, &search) == 1 ? 0 : -1;
}
