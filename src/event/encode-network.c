/* SPDX-License-Identifier: Apache-2.0 */
/* network_* and dns_*. */
#include <stdio.h>
#include <sys/socket.h>

#include "event/encode-internal.h"

static bool is_ip(uint32_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static void encode_socket_kind(struct encoder *enc, uint32_t family, uint32_t type, uint32_t protocol)
{
	enc_name(enc, "family", name_family(family), "AF_", family);
	if (type)
		enc_name(enc, "socket_type", name_socket_type(type), "SOCK_", type);
	/* Protocol 0 lets the kernel choose, and for these two it always chooses the same. */
	if (is_ip(family) && protocol == 0)
		protocol = type == SOCK_STREAM ? 6 : type == SOCK_DGRAM ? 17 : 0;
	if (protocol)
		enc_name(enc, "protocol", is_ip(family) ? name_protocol(protocol) : NULL, "", protocol);
}

/* An address with its port. An unnamed unix socket has the empty text, and then there is nothing to say. */
static void encode_end(struct encoder *enc, const char *key, const char *port_key, const struct event_address *a)
{
	if (a->text.length == 0)
		return;
	enc_bytes(enc, key, a->text);
	if (a->has_port)
		enc_uint(enc, port_key, a->port);
}

static void encode_unix_path(struct encoder *enc, const struct event_address *a)
{
	if (bytes_set(enc->e->path.path))
		enc_object(enc, &enc->e->path);
	else if (a->text.length > 0)
		enc_bytes(enc, "path", a->text);
}

void encode_network_socket(struct encoder *enc)
{
	const struct hd_socket *s = &enc->e->u.socket;

	encode_socket_kind(enc, s->family, s->socket_type, s->protocol);
	if (!result_is_error(s->result))
		enc_uint(enc, "fd", (uint64_t)s->result);
	enc_result(enc, s->result);
}

void encode_network_connect(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_net *n = &e->u.net;

	encode_socket_kind(enc, n->family, n->socket_type, n->protocol);
	if (n->family == AF_UNIX) {
		encode_unix_path(enc, &e->remote);
	} else {
		encode_end(enc, "destination", "destination_port", &e->remote);
		encode_end(enc, "source", "source_port", &e->local);
	}
	enc_bytes(enc, "hostname", e->hostname);
	enc_result(enc, n->result);
}

void encode_network_listen(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_net *n = &e->u.net;
	/* A refused bind has no local end, only what the caller asked for. */
	const struct event_address *a = e->local.family ? &e->local : &e->remote;

	encode_socket_kind(enc, n->family, n->socket_type, n->protocol);
	if (n->family == AF_UNIX)
		encode_unix_path(enc, a);
	else
		encode_end(enc, "address", "port", a);
	if (!(n->flags & HD_NET_BIND))
		enc_uint(enc, "backlog", n->backlog);
	enc_result(enc, n->result);
}

void encode_network_accept(struct encoder *enc)
{
	const struct event *e = enc->e;
	const struct hd_net *n = &e->u.net;

	encode_socket_kind(enc, n->family, n->socket_type, n->protocol);
	encode_end(enc, "peer", "peer_port", &e->remote);
	if (n->family == AF_UNIX)
		encode_unix_path(enc, &e->local);
	else
		encode_end(enc, "address", "port", &e->local);
	if (!result_is_error(n->result))
		enc_uint(enc, "fd", (uint64_t)n->result);
	enc_result(enc, n->result);
}

static void encode_answers(struct encoder *enc)
{
	const struct event *e = enc->e;

	json_key(&enc->j, "answers");
	json_array(&enc->j);
	for (uint32_t i = 0; i < e->dns.answers_n; i++) {
		const struct dns_answer *a = &e->dns.answers[i];

		json_object(&enc->j);
		if (bytes_set(a->name)) {
			json_key(&enc->j, "name");
			if (json_bytes(&enc->j, a->name.data, a->name.length))
				enc_escaped(enc, "answers");
		}
		enc_name(enc, "type", name_dns_type(a->type), "TYPE", a->type);
		if (bytes_set(a->data)) {
			json_key(&enc->j, "data");
			if (json_bytes(&enc->j, a->data.data, a->data.length))
				enc_escaped(enc, "answers");
		}
		enc_uint(enc, "ttl", a->ttl);
		json_object_end(&enc->j);
	}
	json_array_end(&enc->j);
}

void encode_dns(struct encoder *enc)
{
	const struct event *e = enc->e;
	bool response = e->type == HD_DNS_RESPONSE;

	if (e->dns.has_question) {
		enc_bytes(enc, "name", e->dns.name);
		enc_name(enc, "query_type", name_dns_type(e->dns.query_type), "TYPE", e->dns.query_type);
	}
	if (response && !e->dns.malformed)
		enc_name(enc, "response_code", name_dns_rcode(e->dns.response_code), "RCODE", e->dns.response_code);
	if (response && (!e->dns.malformed || e->dns.answers_n > 0))
		encode_answers(enc);
	encode_end(enc, "server", "server_port", e->dns.server_role ? &e->local : &e->remote);
	enc_string(enc, "transport", name_protocol(e->u.dns.protocol));
	enc_uint(enc, "transaction", e->dns.transaction);
	enc_string(enc, "role", e->dns.server_role ? "server" : NULL);
	enc_true(enc, "malformed", e->dns.malformed);
	enc_string(enc, "reason", e->dns.malformed);
}
