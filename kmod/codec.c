// SPDX-License-Identifier: GPL-2.0-only
/* Message headers; see codec.h. Pure. */
#include "codec.h"

/* Highest node id; the uapi header is not part of the pure world. */
#define CODEC_NODE_MAX	1023
#define CODEC_MAX_ERRNO	4095

#define X(msg, nr, qmin, qmax, pmin, pmax, flag) \
	[nr] = { .name = #msg, .req_min = qmin, .req_max = qmax, \
		 .rep_min = pmin, .rep_max = pmax, .flags = flag },

static const struct pando_msg_info codec_table[PANDO_MSG_LAST + 1] = {
	PANDO_MESSAGES(X)
};

#undef X

#define X(msg, nr, qmin, qmax, pmin, pmax, flag) \
	_Static_assert((qmin) <= (qmax) && (pmin) <= (pmax) && \
		       (qmax) <= PANDO_WIRE_PAYLOAD && \
		       (pmax) <= PANDO_WIRE_PAYLOAD && \
		       (nr) <= PANDO_MSG_LAST, "bad row " #msg);
PANDO_MESSAGES(X)
#undef X

const struct pando_msg_info *pando_codec_info(u16 type)
{
	if (type > PANDO_MSG_LAST || !codec_table[type].name)
		return NULL;
	return &codec_table[type];
}

void pando_codec_encode(struct pando_wire_hdr *wire,
			const struct pando_hdr *hdr)
{
	wire->magic = cpu_to_le32(PANDO_WIRE_MAGIC);
	wire->type = cpu_to_le16(hdr->type);
	wire->flags = cpu_to_le16(hdr->flags);
	wire->len = cpu_to_le32((u32)sizeof(*wire) + hdr->len);
	wire->status = cpu_to_le32((u32)hdr->status);
	wire->epoch = cpu_to_le64(hdr->epoch);
	wire->id = cpu_to_le64(hdr->id);
	wire->acked = cpu_to_le64(hdr->acked);
}

int pando_codec_length(const struct pando_wire_hdr *wire, size_t limit)
{
	u32 len = le32_to_cpu(wire->len);

	if (wire->magic != cpu_to_le32(PANDO_WIRE_MAGIC))
		return -EPROTO;
	if (len < sizeof(*wire) || len > limit || len > PANDO_CODEC_MAX)
		return -EPROTO;
	return (int)len;
}

static int codec_check_request(const struct pando_hdr *hdr)
{
	const struct pando_msg_info *info = pando_codec_info(hdr->type);

	if (hdr->status)
		return -EPROTO;
	/* The handshake has no ids; all else is answered by id. */
	if (pando_codec_is_handshake(hdr->type) != !hdr->id)
		return -EPROTO;
	if (!info)
		return -EOPNOTSUPP;
	if (hdr->len < info->req_min || hdr->len > info->req_max)
		return -EPROTO;
	return 0;
}

static int codec_check_reply(const struct pando_hdr *hdr)
{
	const struct pando_msg_info *info = pando_codec_info(hdr->type);

	if (!info || (info->flags & PANDO_MSGF_ONEWAY) || !hdr->id)
		return -EPROTO;
	if (hdr->status > 0 || hdr->status < -CODEC_MAX_ERRNO)
		return -EPROTO;
	if (!hdr->status) {
		if (hdr->len < info->rep_min || hdr->len > info->rep_max)
			return -EPROTO;
		return 0;
	}
	/* A failure may carry nothing, its reply, or where the PID is. */
	if (hdr->len > info->rep_max &&
	    hdr->len != sizeof(struct pando_wire_locate_reply))
		return -EPROTO;
	return 0;
}

int pando_codec_decode(struct pando_hdr *hdr, const struct pando_wire_hdr *wire,
		       size_t len)
{
	if (len < sizeof(*wire) ||
	    pando_codec_length(wire, PANDO_CODEC_MAX) < 0 ||
	    le32_to_cpu(wire->len) != len)
		return -EPROTO;

	hdr->type = le16_to_cpu(wire->type);
	hdr->flags = le16_to_cpu(wire->flags);
	hdr->len = (u32)(len - sizeof(*wire));
	hdr->status = (s32)le32_to_cpu(wire->status);
	hdr->epoch = le64_to_cpu(wire->epoch);
	hdr->id = le64_to_cpu(wire->id);
	hdr->acked = le64_to_cpu(wire->acked);

	if (hdr->flags & ~PANDO_WIREF_REPLY)
		return -EPROTO;
	if (hdr->flags & PANDO_WIREF_REPLY)
		return codec_check_reply(hdr);
	return codec_check_request(hdr);
}

int pando_codec_hello(const struct pando_wire_hello *hello, u16 self,
		      const char *cluster)
{
	u16 node = le16_to_cpu(hello->node);
	size_t len = strlen(cluster);
	size_t i;

	if (le16_to_cpu(hello->version_min) > PANDO_WIRE_VERSION ||
	    le16_to_cpu(hello->version_max) < PANDO_WIRE_VERSION)
		return -EPROTONOSUPPORT;
	if (le16_to_cpu(hello->to) != self)
		return -EADDRNOTAVAIL;
	if (len >= sizeof(hello->cluster) ||
	    memcmp(hello->cluster, cluster, len))
		return -EBADE;
	for (i = len; i < sizeof(hello->cluster); i++)
		if (hello->cluster[i])
			return -EBADE;
	/* The node with the lower id connects. */
	if (!node || node > CODEC_NODE_MAX || node >= self ||
	    !hello->incarnation)
		return -EINVAL;
	return 0;
}

int pando_codec_challenge(const struct pando_wire_challenge *ch, u16 node,
			  u64 incarnation)
{
	if (le16_to_cpu(ch->version) != PANDO_WIRE_VERSION || ch->features)
		return -EPROTONOSUPPORT;
	if (le16_to_cpu(ch->node) != node)
		return -EADDRNOTAVAIL;
	if (le64_to_cpu(ch->incarnation) != incarnation)
		return -ESTALE;
	return 0;
}
