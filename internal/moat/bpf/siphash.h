// SPDX-License-Identifier: Apache-2.0

// SipHash-2-4 (Aumasson and Bernstein, 2012) of eight bytes.

#pragma once

struct sipkey {
	__u64 k0, k1;
};

#define rotate(x, n) ((x) << (n) | (x) >> (64 - (n)))

#define sipround()                                                             \
	do {                                                                   \
		v0 += v1;                                                      \
		v1 = rotate(v1, 13) ^ v0;                                      \
		v0 = rotate(v0, 32);                                           \
		v2 += v3;                                                      \
		v3 = rotate(v3, 16) ^ v2;                                      \
		v0 += v3;                                                      \
		v3 = rotate(v3, 21) ^ v0;                                      \
		v2 += v1;                                                      \
		v1 = rotate(v1, 17) ^ v2;                                      \
		v2 = rotate(v2, 32);                                           \
	} while (0)

// siphash hashes the eight bytes whose little-endian value is m.
static inline __u64 siphash(const struct sipkey *key, __u64 m)
{
	const __u64 length = 8ull << 56; // the last block: no more bytes, eight in all
	__u64 v0 = key->k0 ^ 0x736f6d6570736575ull;
	__u64 v1 = key->k1 ^ 0x646f72616e646f6dull;
	__u64 v2 = key->k0 ^ 0x6c7967656e657261ull;
	__u64 v3 = key->k1 ^ 0x7465646279746573ull;

	v3 ^= m;
	sipround();
	sipround();
	v0 ^= m;
	v3 ^= length;
	sipround();
	sipround();
	v0 ^= length;
	v2 ^= 0xff;
	sipround();
	sipround();
	sipround();
	sipround();
	return v0 ^ v1 ^ v2 ^ v3;
}
