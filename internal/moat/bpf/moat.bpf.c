// SPDX-License-Identifier: Apache-2.0

// The moat: an XDP program that drops datagrams to the SPA port of this host
// whose tag T fits no current moat key, and sums up by source who touches closed
// ports. Whatever it does not understand, or is not sure about, it passes on:
// the daemon checks everything again.

#include "kernel.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "siphash.h"

#define EPOCHS 8	 // moat keys of each server key
#define ACCEPTED 4	 // of these at most are accepted at a time
#define SERVERS 2	 // the current server key and the one before
#define SPANS 5		 // ranges of lengths of each suite
#define NEAR 8		 // addresses of the host that need no lookup
#define CELLS 65536	 // of the budgets of sources
#define SETS 2048	 // of sources whose contacts are summed up, a power of two
#define WAYS 4		 // sources in each set
#define REGISTERS 64	 // of a count of distinct ports
#define PORTS (65536 / 64)

// An epoch has 31,250,000 ticks of 16,384 ns. The processors that BPF runs on
// divide slowly, so epoch_of multiplies: exact below 2^31 ticks, or 68 epochs.
#define TICK 14
#define PER_EPOCH ((1ull << 56) / 31250000 + 1)

struct address {
	__u64 high, low; // IPv4 is mapped into IPv6 (RFC 4291)
};

struct span {
	__u16 first, last; // lengths of UDP headers with their payload
};

// pace is that of a bucket, in ns.
struct pace {
	__u64 interval; // between two packets; 0: there is no limit
	__u64 burst;	// how far they may be ahead of that
};

struct server {
	struct span spans[SPANS]; // those not used have last 0
	__u32 unused;
	struct sipkey keys[EPOCHS];
};

// settings are written by the daemon, as a whole. Times are in ns.
struct settings {
	__u64 start;	 // when the epoch of the first keys began, by clock
	__u64 tick;	 // length of a tick
	__u64 skew;	 // how far clocks may be off
	struct pace budget; // of one source, for datagrams with a right tag
	struct pace spare[2]; // of one source, over IPv4 and IPv6, for all other ones
	struct pace spares; // of those together
	struct sipkey secret; // of the cells
	__u32 epochs;	 // keys of each server
	__u32 servers;
	__u16 port;	 // network order; 0: drop nothing
	__u8 prefixes;	 // whether there are any
	__u8 contacts;	 // whether to sum up contacts
	__u8 crowded;	 // whether the host has more addresses than are near
	__u16 stun;	 // a length that messages have which come in STUN; 0: none do
	__u32 round;	 // goes up each time that the contacts are read
	struct address near[NEAR]; // those not used are zero, which is never on the wire
	struct server server[SERVERS];
};

// What is counted. The order is that of the names in contacts_linux.go.
enum counter {
	WRONG,	  // dropped: the tag is wrong
	BUDGET,	  // dropped: the tag is right, but there were too many from its source
	SAMPLED,  // passed on although the tag is wrong, or the budget used up
	TAGGED,	  // passed on: the tag is right
	UNCHECKED, // passed on because the keys of its time are not there
	CONTACT,  // summed up
	COUNTERS,
};

struct prefix {
	__u32 bits;
	__u8 address[16];
};

struct summary {
	struct address source;
	__u64 packets;
	__u64 first, last; // by clock
	__u64 seen;	   // a bit for each port
	__u8 registers[REGISTERS];
};

struct set {
	struct bpf_spin_lock lock;
	__u32 round; // to which all that follows belongs
	struct summary ways[WAYS];
};

struct bits {
	__u64 word[2 * PORTS]; // TCP, then UDP
};

// Two sets of settings, of which the active one is read and the other written.
struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 2);
	TYPE(key, __u32);
	TYPE(value, struct settings);
} buffers SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, __u32);
	TYPE(value, __u32);
} active SEC(".maps");

// Until when each cell has used up its budget. Sources are spread over the
// cells by a keyed hash; two that share a cell share its rate.
struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, CELLS);
	TYPE(key, __u32);
	TYPE(value, __u64);
} cells SEC(".maps");

// The same, for what is passed on although it is to be dropped: of one source,
// and of all together.
struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, CELLS);
	TYPE(key, __u32);
	TYPE(value, __u64);
} spare_cells SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, __u32);
	TYPE(value, __u64);
} spared SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	NUMBER(max_entries, COUNTERS);
	TYPE(key, __u32);
	TYPE(value, __u64);
} counters SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, struct address);
	TYPE(value, __u8);
} own SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	NUMBER(max_entries, 16384);
	NUMBER(map_flags, BPF_F_NO_PREALLOC);
	TYPE(key, struct prefix);
	TYPE(value, __u8);
} guarded SEC(".maps");

struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, __u32);
	TYPE(value, struct bits);
} closed SEC(".maps");

// Who touches closed ports: a table for this round and one for the round before,
// which the daemon reads. It costs the same whether the sources are few or
// invented one by one: a third of what an LRU map takes for a new one.
struct {
	NUMBER(type, BPF_MAP_TYPE_ARRAY);
	NUMBER(max_entries, 2 * SETS);
	TYPE(key, __u32);
	TYPE(value, struct set);
} contacts SEC(".maps");

static inline void count(__u32 which)
{
	__u64 *n = map_lookup(&counters, &which);
	if (n)
		(*n)++;
}

static inline struct settings *current(void)
{
	__u32 zero = 0, *which = map_lookup(&active, &zero);
	if (!which)
		return 0;
	return map_lookup(&buffers, which);
}

// clock is as exact as the kernel's ticks: some milliseconds.
static inline __u64 clock(const struct settings *s)
{
	return ticks() * s->tick;
}

// has_room reports whether a bucket has room for one more.
static inline int has_room(const __u64 *paid, const struct pace *pace, __u64 now)
{
	return *paid <= now || *paid - now <= pace->burst;
}

// spend takes the room of one. Processors that do so at the same time may take
// the same; that is not worth a lock.
static inline void spend(__u64 *paid, const struct pace *pace, __u64 now)
{
	*paid = (*paid < now ? now : *paid) + pace->interval;
}

// within_budget counts a datagram with a right tag. An IPv6 source counts as
// its /64.
static inline int within_budget(const struct settings *s, const struct address *source, __u64 now)
{
	__u64 host = source->high ? source->high : source->low;
	__u32 cell = siphash(&s->secret, host) % CELLS;
	__u64 *paid = map_lookup(&cells, &cell);
	if (!paid)
		return 1;
	if (!has_room(paid, &s->budget, now))
		return 0;
	spend(paid, &s->budget, now);
	return 1;
}

// is_spared reports whether a datagram that is to be dropped passes nevertheless.
// A closed port answers by the two limits of the kernel, for the host and for each
// address that it answers (__icmp_send in net/ipv4/icmp.c): whatever it would answer
// must pass, or the port were known by its silence. So both are imitated, more
// generously, and in the same order: who has had answers enough uses up nothing
// of the others'.
//
// The hash need not be a strong one: whoever shares a cell does so for eight
// rounds, or seconds, after which the sources are spread in another way.
static inline int is_spared(const struct settings *s, const struct address *source, __u64 now)
{
	__u32 zero = 0;
	__u64 *all = map_lookup(&spared, &zero);
	if (!all || !s->spares.interval)
		return 1;
	if (!has_room(all, &s->spares, now))
		return 0;
	const struct pace *pace = source->high ? &s->spare[1] : &s->spare[0];
	__u64 hash = (source->high ^ s->secret.k0) * 0x9E3779B97F4A7C15ull;
	hash = ((hash ^ hash >> 32) + (source->low ^ s->secret.k1) + (s->round >> 3)) * 0xBF58476D1CE4E5B9ull;
	__u32 cell = (hash ^ hash >> 32) * 0x94D049BB133111EBull >> 48;
	__u64 *each = map_lookup(&spare_cells, &cell);
	if (!each)
		return 1;
	if (!has_room(each, pace, now))
		return 0;
	spend(each, pace, now);
	spend(all, &s->spares, now);
	return 1;
}

// is_less compares small numbers without a branch. Each branch would double what the
// verifier looks at: before Linux 6.3 it remembers every number in a program with functions
// (is_state_visited in kernel/bpf/verifier.c), so paths that met stay apart. The compiler
// makes branches of shifts and products, too, where it knows the numbers: hence opaque.
static inline __u64 is_less(__u64 a, __u64 b)
{
	__u64 less = a - b;
	opaque(less);
	less >>= 63;
	opaque(less);
	return less;
}

// has_length is 1 if messages can have this length.
static inline __u32 has_length(const struct server *server, __u64 length)
{
	__u64 has = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < SPANS; i++) {
		has |= 1 ^ (is_less(length, server->spans[i].first) | is_less(server->spans[i].last, length));
	}
	return has;
}

// Verdicts about a tag.
enum { FOREIGN, RIGHT, UNKNOWN, FALSE };

// check compares the tag of a datagram with all that are accepted at its time.
// It is global so that the verifier looks at it once and by itself.
__attribute__((noinline)) int check(__u32 length, __u64 nonce, __u32 tag, __u64 now)
{
	const struct settings *s = current();
	if (!s)
		return UNKNOWN;
	__u64 age = now - s->start; // wraps round before the start
	if ((__s64)(age - s->skew) < 0)
		return UNKNOWN;
	__u64 oldest = (age - s->skew) >> TICK, newest = (age + s->skew) >> TICK;
	if (newest >> 31)
		return UNKNOWN;
	__u32 first = oldest * PER_EPOCH >> 56, last = newest * PER_EPOCH >> 56;
	if (last >= s->epochs)
		return UNKNOWN;
	int verdict = FOREIGN;
	for (__u32 i = 0; i < SERVERS; i++) {
		const struct server *server = &s->server[i];
		if (i >= s->servers)
			break;
		if (!has_length(server, length))
			continue;
		verdict = FALSE;
		for (__u32 n = 0; n < ACCEPTED; n++) {
			__u32 epoch = first + n;
			opaque(epoch);
			if (epoch > last || epoch >= EPOCHS)
				break;
			if ((__u32)siphash(&server->keys[epoch], nonce) == tag)
				return RIGHT;
		}
	}
	return verdict;
}

// is_own reports whether a packet is for this host. A lookup costs as much as the
// hash of a tag.
static inline int is_own(const struct settings *s, const struct address *destination)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < NEAR; i++)
		if (s->near[i].low == destination->low && s->near[i].high == destination->high)
			return 1;
	return s->crowded && map_lookup(&own, destination) != 0;
}

static inline int is_guarded(const struct settings *s, const struct address *destination)
{
	struct prefix key = {.bits = 128};

	if (!s->prefixes)
		return 0;
	__builtin_memcpy(key.address, destination, sizeof(key.address));
	return map_lookup(&guarded, &key) != 0;
}

// register_port takes a port into the approximate count (Flajolet et al.,
// HyperLogLog, 2007): each register keeps the longest run of zeros in the hashes
// that fall to it.
static inline void register_port(struct summary *c, __u32 port)
{
	__u64 h = port * 0x9E3779B97F4A7C15ull;
	c->seen |= 1ull << (h >> 58); // gate.PortBit
	h ^= h >> 29;
	h *= 0xBF58476D1CE4E5B9ull;
	h ^= h >> 32;
	__u32 which = h % REGISTERS;
	__u8 rank = 1;
	h >>= 6;
#pragma clang loop unroll(full)
	for (int step = 16; step > 0; step /= 2)
		if (!(h & ((1u << step) - 1))) {
			rank += step;
			h >>= step;
		}
	if (c->registers[which] < rank)
		c->registers[which] = rank;
}

// place finds the source in a set, or makes room for it: the one with the
// fewest packets goes, so that invented sources displace each other.
static inline struct summary *place(struct set *set, const struct address *source)
{
	struct summary *fewest = &set->ways[0];
#pragma clang loop unroll(full)
	for (int i = 0; i < WAYS; i++) {
		struct summary *c = &set->ways[i];
		if (c->packets && c->source.high == source->high && c->source.low == source->low)
			return c;
		if (c->packets < fewest->packets)
			fewest = c;
	}
	__builtin_memset(fewest, 0, sizeof(*fewest));
	fewest->source = *source;
	return fewest;
}

static __attribute__((noinline)) void sum_up(const struct settings *s, const struct address *source, __u32 port)
{
	__u64 now = clock(s);
	__u32 round = s->round;
	__u32 which = siphash(&s->secret, source->high ^ source->low * 0x9E3779B97F4A7C15ull) % SETS + (round & 1) * SETS;
	struct set *set = map_lookup(&contacts, &which);
	if (!set)
		return;
	lock(&set->lock);
	if (set->round != round) {
		__builtin_memset(set->ways, 0, sizeof(set->ways));
		set->round = round;
	}
	struct summary *c = place(set, source);
	if (!c->packets++)
		c->first = now;
	c->last = now;
	register_port(c, port);
	unlock(&set->lock);
	count(CONTACT);
}

// What a packet is about, once it is known to be TCP or UDP.
struct flow {
	struct address source, destination;
	__u32 proto;
};

static inline void contact(const struct settings *s, struct flow *f, __u16 port)
{
	__u32 zero = 0, number = swap16(port);
	const struct bits *bits = map_lookup(&closed, &zero);
	if (!bits)
		return;
	__u32 word = number / 64 + (f->proto == IPPROTO_UDP ? PORTS : 0);
	opaque(word); // verifiers before Linux 6.18 forget that a swapped number is small
	if (!(bits->word[word % (2 * PORTS)] >> (number % 64) & 1))
		return;
	if (!is_own(s, &f->destination) && !is_guarded(s, &f->destination))
		return;
	sum_up(s, &f->source, f->proto << 16 | number);
}

// A STUN request that may carry a message, as far as the tag (docs/PROTOCOL.md, 13).
struct request {
	__u16 type, length;
	__u32 cookie, id[3];
	__u16 attribute, size;
	__u64 text[2];
} __attribute__((packed));

#define STUN_SHORTEST 268
#define STUN_LONGEST 332

// is_request has no branches either.
static inline int is_request(const struct settings *s, const struct request *r, __u64 payload)
{
	__u64 other = (__u16)(r->type ^ swap16(0x0001)) | (r->cookie ^ big32(0x2112A442)) | (__u16)(r->attribute ^ swap16(0x0006));
	other |= (payload - 20) ^ swap16(r->length);
	other |= is_less(payload, STUN_SHORTEST) | is_less(STUN_LONGEST, payload);
	return (other | is_less(s->stun, 1)) == 0;
}

// half decodes eight characters of base64 (RFC 4648), the first of which is in the
// lowest bits, to 48 bits. What is no such character becomes some other one: the
// daemon refuses it. It is global for the sake of verifier and stack, as check is.
__attribute__((noinline)) __u64 half(__u64 text)
{
	__u64 bits = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < 8; i++) {
		__u64 c = text >> (8 * i) & 0xff;
		__u64 digit = 1 ^ is_less(c, '0'), capital = 1 ^ is_less(c, 'A'), small = 1 ^ is_less(c, 'a');
		__u64 sign = (1 ^ digit) * (15 - 3 * (c >> 2 & 1)); // + and /
		bits = bits << 6 | ((c + 4 + sign - 69 * capital - 6 * small) & 63);
		opaque(bits); // one character after the other needs no stack
	}
	return bits;
}

// check_request decodes the beginning of a message, and compares its tag.
__attribute__((noinline)) int check_request(__u32 length, __u64 text, __u64 rest, __u64 now)
{
	__u64 first = half(text), second = half(rest);
	return check(length, __builtin_bswap64(first << 16 | second >> 32), __builtin_bswap32(second), now);
}

// judge compares the tag of a datagram to the SPA port. No message is as short as what
// must be there of it.
static inline int judge(const struct settings *s, const struct udphdr *udp, const void *end, __u64 now)
{
	const struct {
		__u64 nonce;
		__u32 tag;
	} __attribute__((packed)) *begin = (const void *)(udp + 1);
	const struct request *r = (const void *)begin;

	if ((const void *)(r + 1) > end)
		return FOREIGN;
	__u32 length = swap16(udp->len);
	if (is_request(s, r, length - sizeof(*udp)))
		return check_request(s->stun, little64(r->text[0]), little64(r->text[1]), now);
	return check(length, little64(begin->nonce), little32(begin->tag), now);
}

// message decides about a datagram to the SPA port.
static inline int message(const struct settings *s, struct flow *f, const struct udphdr *udp, const void *end)
{
	__u64 now = clock(s);
	int verdict = judge(s, udp, end, now);
	if (verdict == FOREIGN || !is_own(s, &f->destination))
		return XDP_PASS;
	if (verdict == UNKNOWN) {
		count(UNCHECKED);
		return XDP_PASS;
	}
	if (verdict == RIGHT && within_budget(s, &f->source, now)) {
		count(TAGGED);
		return XDP_PASS;
	}
	if (is_spared(s, &f->source, now)) {
		count(SAMPLED);
		return XDP_PASS;
	}
	count(verdict == RIGHT ? BUDGET : WRONG);
	return XDP_DROP;
}

static inline int transport(struct flow *f, const void *at, const void *end, __u32 claimed)
{
	const struct settings *s;

	if (f->proto == IPPROTO_UDP) {
		const struct udphdr *udp = at;
		if ((const void *)(udp + 1) > end || !(s = current()))
			return XDP_PASS;
		__u32 length = swap16(udp->len);
		if (length < sizeof(*udp) || length > claimed)
			return XDP_PASS;
		if (s->port && udp->dest == s->port)
			return message(s, f, udp, end);
		if (s->contacts)
			contact(s, f, udp->dest);
	} else {
		const struct tcphdr *tcp = at;
		if ((const void *)(tcp + 1) > end)
			return XDP_PASS;
		if (!tcp->syn || tcp->ack || tcp->rst || tcp->fin || tcp->doff < 5 || !(s = current()))
			return XDP_PASS;
		if (s->contacts)
			contact(s, f, tcp->dest);
	}
	return XDP_PASS;
}

static inline struct address mapped(__u32 ip)
{
	struct address a = {};
	__u32 *words = (__u32 *)&a;
	__u8 *bytes = (__u8 *)&a;
	bytes[10] = bytes[11] = 0xff;
	words[3] = ip;
	return a;
}

static inline int ipv4(const void *at, const void *end)
{
	const struct iphdr *ip = at;
	struct flow f = {};

	if ((const void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return XDP_PASS;
	if (ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	if (ip->frag_off & swap16(0x3fff)) // a fragment, also the first
		return XDP_PASS;
	__u32 header = ip->ihl * 4, total = swap16(ip->tot_len);
	if (total < header)
		return XDP_PASS;
	f.proto = ip->protocol;
	f.source = mapped(ip->saddr);
	f.destination = mapped(ip->daddr);
	return transport(&f, at + header, end, total - header);
}

// Extension headers are left to the daemon.
static inline int ipv6(const void *at, const void *end)
{
	const struct ipv6hdr *ip = at;
	struct flow f = {};

	if ((const void *)(ip + 1) > end || ip->version != 6)
		return XDP_PASS;
	if (ip->nexthdr != IPPROTO_UDP && ip->nexthdr != IPPROTO_TCP)
		return XDP_PASS;
	f.proto = ip->nexthdr;
	__builtin_memcpy(&f.source, &ip->saddr, sizeof(f.source));
	__builtin_memcpy(&f.destination, &ip->daddr, sizeof(f.destination));
	if (!f.source.high || !f.destination.high)
		return XDP_PASS; // IPv4-mapped addresses are never on the wire (RFC 4038)
	return transport(&f, ip + 1, end, swap16(ip->payload_len));
}

struct vlan {
	__u16 tag, proto;
};

SEC("xdp.frags")
int moat(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const void *at = eth + 1;

	if (at > end)
		return XDP_PASS;
	__u16 proto = eth->h_proto;
#pragma clang loop unroll(full)
	for (int i = 0; i < 2; i++) {
		const struct vlan *vlan = at;
		if (proto != swap16(ETH_P_8021Q) && proto != swap16(ETH_P_8021AD))
			break;
		if ((const void *)(vlan + 1) > end)
			return XDP_PASS;
		proto = vlan->proto;
		at = vlan + 1;
	}
	if (proto == swap16(ETH_P_IP))
		return ipv4(at, end);
	if (proto == swap16(ETH_P_IPV6))
		return ipv6(at, end);
	return XDP_PASS;
}

// tell_ticks writes what the clock is made of to the beginning of a packet. It is
// run by the daemon, and attached to nothing.
SEC("xdp")
int tell_ticks(struct xdp_md *ctx)
{
	__u64 *at = (void *)(long)ctx->data;
	if ((void *)(at + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*at = ticks();
	return XDP_PASS;
}
