/*
 * Lets the bundle's addon, linked on a newer machine, load on glibc 2.31. Functions that glibc 2.32 to 2.34 moved between its libraries
 * exist there under their old version as well; the hidden definitions below take every reference of the addon (and of the static C++
 * library in it) and forward it to that old version. scripts/bundle/libraries.mjs fails the bundle when a newer symbol is left.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#define FORWARD(result, name, version, declared, passed)             \
  extern result gk_floor_##name declared;                            \
  __asm__(".symver gk_floor_" #name "," #name "@GLIBC_" version);    \
  __attribute__((visibility("hidden"))) result name declared { return gk_floor_##name passed; }

/* libdl and libpthread became part of libc in 2.34; Node itself is linked to both. */
FORWARD(void*, dlopen, "2.2.5", (const char* path, int flags), (path, flags))
FORWARD(void*, dlsym, "2.2.5", (void* restrict handle, const char* restrict name), (handle, name))
FORWARD(int, dlclose, "2.2.5", (void* handle), (handle))
FORWARD(char*, dlerror, "2.2.5", (void), ())
FORWARD(int, pthread_create, "2.2.5", (pthread_t* restrict thread, const pthread_attr_t* restrict attributes, void* (*start)(void*), void* restrict argument),
        (thread, attributes, start, argument))
FORWARD(int, pthread_join, "2.2.5", (pthread_t thread, void** result), (thread, result))
FORWARD(int, pthread_detach, "2.2.5", (pthread_t thread), (thread))
FORWARD(int, pthread_once, "2.2.5", (pthread_once_t * control, void (*routine)(void)), (control, routine))
FORWARD(int, pthread_key_create, "2.2.5", (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
FORWARD(int, pthread_key_delete, "2.2.5", (pthread_key_t key), (key))
FORWARD(void*, pthread_getspecific, "2.2.5", (pthread_key_t key), (key))
FORWARD(int, pthread_setspecific, "2.2.5", (pthread_key_t key, const void* value), (key, value))
FORWARD(int, pthread_mutex_trylock, "2.2.5", (pthread_mutex_t * mutex), (mutex))
FORWARD(int, pthread_rwlock_rdlock, "2.2.5", (pthread_rwlock_t * lock), (lock))
FORWARD(int, pthread_rwlock_wrlock, "2.2.5", (pthread_rwlock_t * lock), (lock))
FORWARD(int, pthread_rwlock_unlock, "2.2.5", (pthread_rwlock_t * lock), (lock))
FORWARD(int, pthread_sigmask, "2.2.5", (int how, const sigset_t* restrict set, sigset_t* restrict old), (how, set, old))
FORWARD(int, pthread_setname_np, "2.12", (pthread_t thread, const char* name), (thread, name))
FORWARD(int, pthread_setaffinity_np, "2.3.4", (pthread_t thread, size_t bytes, const cpu_set_t* set), (thread, bytes, set))
FORWARD(int, pthread_getaffinity_np, "2.3.4", (pthread_t thread, size_t bytes, cpu_set_t* set), (thread, bytes, set))
FORWARD(int, pthread_cond_clockwait, "2.30",
        (pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex, clockid_t clock, const struct timespec* restrict until), (condition, mutex, clock, until))

/* stat and its like became functions in 2.33; before, headers called these with the layout's version, 1 on x86-64. */
extern int gk_floor_xstat(int, const char*, struct stat*);
extern int gk_floor_lxstat(int, const char*, struct stat*);
extern int gk_floor_fxstat(int, int, struct stat*);
__asm__(".symver gk_floor_xstat,__xstat@GLIBC_2.2.5");
__asm__(".symver gk_floor_lxstat,__lxstat@GLIBC_2.2.5");
__asm__(".symver gk_floor_fxstat,__fxstat@GLIBC_2.2.5");
__attribute__((visibility("hidden"))) int stat(const char* restrict path, struct stat* restrict found) { return gk_floor_xstat(1, path, found); }
__attribute__((visibility("hidden"))) int lstat(const char* restrict path, struct stat* restrict found) { return gk_floor_lxstat(1, path, found); }
__attribute__((visibility("hidden"))) int fstat(int file, struct stat* found) { return gk_floor_fxstat(1, file, found); }

/* 2.32. A hint that there is one thread, so that locks may be left out: never so inside Node. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
