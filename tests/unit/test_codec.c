// SPDX-License-Identifier: GPL-2.0-only
// LINK: kmod/codec.c
/* Headers: there and back, what is refused, and much noise. */
#include "codec.h"
#include "tap.h"

static struct pando_wire_hdr wire_of(u16 type, u16 flags, u32 len, s32 status,
				     u64 id)
{
	struct pando_hdr hdr = { .type = type, .flags = flags, .len = len,
				 .status = status, .epoch = 3, .id = id,
				 .acked = 2 };
	struct pando_wire_hdr wire;

	pando_codec_encode(&wire, &hdr);
	return wire;
}

static int decode(u16 type, u16 flags, u32 len, s32 status, u64 id)
{
	struct pando_wire_hdr wire = wire_of(type, flags, len, status, id);
	struct pando_hdr hdr;

	return pando_codec_decode(&hdr, &wire, sizeof(wire) + len);
}

TEST(there_and_back)
{
	struct pando_hdr in = { .type = PANDO_MSG_LOCATE,
				.flags = PANDO_WIREF_REPLY, .len = 4,
				.status = -113, .epoch = 1ull << 40,
				.id = 0x1122334455667788ull, .acked = ~0ull };
	struct pando_wire_hdr wire;
	struct pando_hdr out;

	pando_codec_encode(&wire, &in);
	CHECK_EQ(pando_codec_decode(&out, &wire, sizeof(wire) + 4), 0);
	CHECK_EQ(out.type, in.type);
	CHECK_EQ(out.flags, in.flags);
	CHECK_EQ(out.len, in.len);
	CHECK_EQ(out.status, in.status);
	CHECK_EQ(out.epoch, in.epoch);
	CHECK_EQ(out.id, in.id);
	CHECK(out.acked == in.acked);
}

/* Every row: its bounds are let in, one beyond is not. */
TEST(lengths_are_those_of_the_table)
{
	int type;

	for (type = 0; type <= PANDO_MSG_LAST + 1; type++) {
		const struct pando_msg_info *m = pando_codec_info(type);
		u64 id = pando_codec_is_handshake(type) ? 0 : 256;

		if (!m) {
			CHECK_EQ(decode(type, 0, 0, 0, 256), -EOPNOTSUPP);
			CHECK_EQ(decode(type, PANDO_WIREF_REPLY, 0, 0, 256),
				 -EPROTO);
			continue;
		}
		CHECK_EQ(decode(type, 0, m->req_min, 0, id), 0);
		CHECK_EQ(decode(type, 0, m->req_max, 0, id), 0);
		CHECK_EQ(decode(type, 0, m->req_max + 1, 0, id), -EPROTO);
		if (m->req_min)
			CHECK_EQ(decode(type, 0, m->req_min - 1, 0, id),
				 -EPROTO);
		/* ids belong to requests, and to nothing else */
		CHECK_EQ(decode(type, 0, m->req_min, 0, id ? 0 : 256),
			 -EPROTO);
		CHECK_EQ(decode(type, 0, m->req_min, -1, id), -EPROTO);
		if (m->flags & PANDO_MSGF_ONEWAY) {
			CHECK_EQ(decode(type, PANDO_WIREF_REPLY, 0, 0, 256),
				 -EPROTO);
			continue;
		}
		CHECK_EQ(decode(type, PANDO_WIREF_REPLY, m->rep_min, 0, 256),
			 0);
		CHECK_EQ(decode(type, PANDO_WIREF_REPLY, m->rep_max, 0, 256),
			 0);
		CHECK_EQ(decode(type, PANDO_WIREF_REPLY, m->rep_max + 1, 0,
				256), -EPROTO);
		CHECK_EQ(decode(type, PANDO_WIREF_REPLY, 0, -3, 256), 0);
		CHECK_EQ(decode(type, PANDO_WIREF_REPLY, 4, -78, 256), 0);
	}
}

TEST(odd_headers_are_refused)
{
	struct pando_wire_hdr wire = wire_of(PANDO_MSG_PING, 0, 8, 0, 256);
	struct pando_wire_hdr bad;
	struct pando_hdr hdr;
	size_t full = sizeof(wire) + 8;

	CHECK_EQ(pando_codec_decode(&hdr, &wire, full), 0);
	CHECK_EQ(pando_codec_decode(&hdr, &wire, full - 1), -EPROTO);
	CHECK_EQ(pando_codec_decode(&hdr, &wire, full + 1), -EPROTO);
	CHECK_EQ(pando_codec_decode(&hdr, &wire, 0), -EPROTO);
	bad = wire;
	bad.magic ^= 1;
	CHECK_EQ(pando_codec_decode(&hdr, &bad, full), -EPROTO);
	bad = wire;
	bad.flags = cpu_to_le16(0x8000);
	CHECK_EQ(pando_codec_decode(&hdr, &bad, full), -EPROTO);
	/* a status is zero or an errno */
	CHECK_EQ(decode(PANDO_MSG_PING, PANDO_WIREF_REPLY, 0, 1, 256),
		 -EPROTO);
	CHECK_EQ(decode(PANDO_MSG_PING, PANDO_WIREF_REPLY, 0, -4096, 256),
		 -EPROTO);
	CHECK_EQ(decode(PANDO_MSG_PING, PANDO_WIREF_REPLY, 0, -4095, 256), 0);
}

TEST(a_stream_reads_no_further_than_its_limit)
{
	struct pando_wire_hdr wire = wire_of(PANDO_MSG_CALL, 0,
					     PANDO_WIRE_PAYLOAD, 0, 256);

	CHECK_EQ(pando_codec_length(&wire, PANDO_CODEC_MAX), PANDO_CODEC_MAX);
	CHECK_EQ(pando_codec_length(&wire, PANDO_CODEC_STRANGER), -EPROTO);
	wire.len = cpu_to_le32(PANDO_CODEC_MAX + 1);
	CHECK_EQ(pando_codec_length(&wire, ~0u), -EPROTO);
	wire.len = cpu_to_le32(~0u);
	CHECK_EQ(pando_codec_length(&wire, ~0u), -EPROTO);
	wire.len = cpu_to_le32(sizeof(wire) - 1);
	CHECK_EQ(pando_codec_length(&wire, PANDO_CODEC_MAX), -EPROTO);
	wire.len = cpu_to_le32(sizeof(wire));
	CHECK_EQ(pando_codec_length(&wire, PANDO_CODEC_MAX), sizeof(wire));
	wire = wire_of(PANDO_MSG_HELLO, 0, sizeof(struct pando_wire_hello), 0,
		       0);
	CHECK_EQ(pando_codec_length(&wire, PANDO_CODEC_STRANGER),
		 PANDO_CODEC_STRANGER);
}

static struct pando_wire_hello good_hello(void)
{
	return (struct pando_wire_hello) {
		.version_min = cpu_to_le16(PANDO_WIRE_VERSION),
		.version_max = cpu_to_le16(PANDO_WIRE_VERSION + 3),
		.node = cpu_to_le16(1),
		.to = cpu_to_le16(2),
		.incarnation = cpu_to_le64(99),
		.cluster = "pando",
	};
}

TEST(hello)
{
	struct pando_wire_hello h = good_hello();

	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), 0);
	CHECK_EQ(pando_codec_hello(&h, 3, "pando"), -EADDRNOTAVAIL);
	CHECK_EQ(pando_codec_hello(&h, 2, "pand"), -EBADE);
	CHECK_EQ(pando_codec_hello(&h, 2, "pando2"), -EBADE);
	h.cluster[63] = 'x';	/* behind the name */
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EBADE);
	/* no NUL at all: must not be read beyond */
	h = good_hello();
	memset(h.cluster, 'a', sizeof(h.cluster));
	CHECK_EQ(pando_codec_hello(&h, 2, "a"), -EBADE);
	h = good_hello();
	h.version_min = cpu_to_le16(PANDO_WIRE_VERSION + 1);
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EPROTONOSUPPORT);
	h = good_hello();
	h.version_max = 0;
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EPROTONOSUPPORT);
	h = good_hello();
	h.node = cpu_to_le16(0);
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EINVAL);
	h.node = cpu_to_le16(2);	/* ourselves, reflected */
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EINVAL);
	h.node = cpu_to_le16(3);	/* the higher id does not connect */
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EINVAL);
	h = good_hello();
	h.incarnation = 0;
	CHECK_EQ(pando_codec_hello(&h, 2, "pando"), -EINVAL);
}

TEST(challenge)
{
	struct pando_wire_challenge good = {
		.version = cpu_to_le16(PANDO_WIRE_VERSION),
		.node = cpu_to_le16(2),
		.incarnation = cpu_to_le64(99),
	}, ch = good;

	CHECK_EQ(pando_codec_challenge(&ch, 2, 99), 0);
	CHECK_EQ(pando_codec_challenge(&ch, 3, 99), -EADDRNOTAVAIL);
	CHECK_EQ(pando_codec_challenge(&ch, 2, 98), -ESTALE);
	ch.version = cpu_to_le16(PANDO_WIRE_VERSION + 1);
	CHECK_EQ(pando_codec_challenge(&ch, 2, 99), -EPROTONOSUPPORT);
	ch = good;
	ch.features = cpu_to_le32(1);	/* chosen, but never offered */
	CHECK_EQ(pando_codec_challenge(&ch, 2, 99), -EPROTONOSUPPORT);
}

/* Whatever is let through keeps the promises of codec.h. */
TEST(noise)
{
	uint64_t seed = 1;
	unsigned long passed = 0;
	int i;

	for (i = 0; i < 2000000; i++) {
		struct pando_wire_hdr wire;
		const struct pando_msg_info *m;
		struct pando_hdr hdr;
		u64 r = tap_random(&seed);
		int err;

		wire = wire_of(r % 66, (r >> 8) % 2, (r >> 16) % 40000,
			       r >> 40 & 1 ? -(s32)(r >> 41 & 0x1fff) : 0,
			       r >> 60);
		/* one byte of it, sometimes, is anything */
		if (r >> 59 & 1)
			((u8 *)&wire)[(r >> 32) % sizeof(wire)] ^= r >> 24;
		err = pando_codec_decode(&hdr, &wire, le32_to_cpu(wire.len));
		CHECK(err == 0 || err == -EPROTO || err == -EOPNOTSUPP);
		if (err)
			continue;
		passed++;
		m = pando_codec_info(hdr.type);
		CHECK(m && hdr.len <= PANDO_WIRE_PAYLOAD);
		CHECK(hdr.status <= 0 && hdr.status >= -4095);
		if (m && !(hdr.flags & PANDO_WIREF_REPLY))
			CHECK(hdr.len >= m->req_min && hdr.len <= m->req_max);
		if (m && (hdr.flags & PANDO_WIREF_REPLY) && !hdr.status)
			CHECK(hdr.len >= m->rep_min && hdr.len <= m->rep_max);
	}
	CHECK(passed > 1000);
	printf("# %lu of %d let through\n", passed, i);
}

TAP_MAIN(T(there_and_back), T(lengths_are_those_of_the_table),
	 T(odd_headers_are_refused), T(a_stream_reads_no_further_than_its_limit),
	 T(hello), T(challenge), T(noise))
