// SPDX-License-Identifier: Apache-2.0

// What the program needs of the kernel, declared here so that building it takes
// the kernel's own headers and nothing else. The numbers of the helpers are
// those of enum bpf_func_id in linux/bpf.h.

#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#define SEC(name) __attribute__((section(name), used))
#define inline inline __attribute__((always_inline))

// Maps are described by the types of the members of a struct, which the loader
// reads from BTF.
#define NUMBER(name, n) int(*name)[n]
#define TYPE(name, t) t *name

// opaque keeps the compiler from knowing a value, so that it leaves the check
// of its bounds where the verifier looks for it.
#define opaque(x) asm volatile("" : "+r"(x))

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static void (*lock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_lock;
static void (*unlock)(struct bpf_spin_lock *) = (void *)BPF_FUNC_spin_unlock;

// Ticks since about the start of the machine: the one helper for time that is no
// call, since the verifier puts a load in its place (kernel/bpf/verifier.c,
// do_misc_fixups).
static __u64 (*ticks)(void) = (void *)BPF_FUNC_jiffies64;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define swap16(x) __builtin_bswap16(x)
#define little32(x) (x)
#define little64(x) (x)
#define big32(x) __builtin_bswap32(x)
#else
#define swap16(x) (x)
#define little32(x) __builtin_bswap32(x)
#define little64(x) __builtin_bswap64(x)
#define big32(x) (x)
#endif
