/* SPDX-License-Identifier: MIT */
/* Names for clang's thread-safety attributes and a few others. In C the lock must be declared before the field it
 * guards. */
#ifndef LIB_ANNOTATE_H
#define LIB_ANNOTATE_H

#define CAPABILITY(name)     __attribute__((capability(name)))
#define GUARDED_BY(...)	     __attribute__((guarded_by(__VA_ARGS__)))
#define PT_GUARDED_BY(...)   __attribute__((pt_guarded_by(__VA_ARGS__)))
#define REQUIRES(...)	     __attribute__((requires_capability(__VA_ARGS__)))
#define REQUIRES_SHARED(...) __attribute__((requires_shared_capability(__VA_ARGS__)))
#define EXCLUDES(...)	     __attribute__((locks_excluded(__VA_ARGS__)))
#define ACQUIRE(...)	     __attribute__((acquire_capability(__VA_ARGS__)))
#define ACQUIRE_SHARED(...)  __attribute__((acquire_shared_capability(__VA_ARGS__)))
#define RELEASE(...)	     __attribute__((release_capability(__VA_ARGS__)))
#define RELEASE_SHARED(...)  __attribute__((release_shared_capability(__VA_ARGS__)))
#define TRY_ACQUIRE(...)     __attribute__((try_acquire_capability(__VA_ARGS__)))
#define NO_THREAD_SAFETY     __attribute__((no_thread_safety_analysis))
/* Of the nucleus, in a file that is compiled to be fast: runs seldom, and is to be small (mk/kernel.mk, NUCLEUS_FAST).
 */
#define RARE		     [[clang::minsize]]

#define PRINTF_LIKE(fmt, args)		__attribute__((format(printf, fmt, args)))
#define ALWAYS_INLINE			static inline __attribute__((always_inline))
#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))
#define ARRAY_LEN(a)			(sizeof(a) / sizeof((a)[0]))

#endif
