/* SPDX-License-Identifier: MIT */
/* What lwIP asks of compiler and kernel (lwip/arch.h). Implemented in port.c. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stddef.h>
#include <stdint.h>

#define LWIP_NO_CTYPE_H	   1
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H   1
#define SSIZE_MAX	   INT64_MAX /* with it lwIP takes ssize_t for known */
typedef int64_t ssize_t;
#define LWIP_TIMEVAL_PRIVATE 0
#define X8_F		     "02x"
#define U16_F		     "u"
#define S16_F		     "d"
#define X16_F		     "x"
#define U32_F		     "u"
#define S32_F		     "d"
#define X32_F		     "x"
#define SZT_F		     "lu"
#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif

#define PACK_STRUCT_STRUCT __attribute__((packed))

/* A bug of lwIP's, or of ours towards it: faults at once. */
[[noreturn]] void inet_lwip_bug(const char *what);
#define LWIP_PLATFORM_ASSERT(text) inet_lwip_bug(text)
#define LWIP_PLATFORM_DIAG(text)   ((void)0)

uint32_t inet_lwip_random(void);
#define LWIP_RAND() inet_lwip_random()

/* The heap within a budget: nullptr beyond it. */
void *inet_lwip_alloc(size_t bytes);
void *inet_lwip_calloc(size_t count, size_t bytes);
void inet_lwip_free(void *p);

/* A spinlock for a few instructions: no interrupt mask. */
typedef uint32_t sys_prot_t;

#endif
