/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of connections by remote end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "track/traffic.h"

static struct traffic_table table;

static int add(const char *address, uint8_t last, uint16_t port, uint32_t accepted, uint64_t sent, uint64_t received,
	       struct bytes name)
{
	struct event e = { .type = HD_TRAFFIC };

	e.u.traffic = (struct hd_traffic){ .sent = sent, .received = received, .accepted = accepted };
	e.remote = (struct event_address){ .family = AF_INET, .has_port = true, .port = port };
	e.remote.text = (struct bytes){ address, strlen(address) };
	e.remote.raw[3] = last;
	e.local = (struct event_address){ .family = AF_INET, .has_port = true, .port = 80 };
	return traffic_add(&table, &e, name);
}

static void written(const char *expected)
{
	_cleanup_buf_ struct buf b = BUF_INIT(1 << 20);
	struct json j;

	json_init(&j, &b);
	traffic_write(&table, &j);
	assert_int_equal(b.failed, 0);
	assert_string_equal(b.data, expected);
}

static void sums_by_end(void **state)
{
	traffic_init(&table);
	written("[]");
	assert_int_equal(add("10.0.0.1", 1, 443, 0, 10, 20, BYTES_NONE), 0);
	assert_int_equal(add("10.0.0.2", 2, 443, 0, 100, 200, BYTES("big.example")), 0);
	assert_int_equal(add("10.0.0.1", 1, 443, 0, 1, 2, BYTES("late.example")), 0);
	/* A client's own port tells nothing: what it came to is what counts. */
	assert_int_equal(add("10.0.0.1", 1, 50000, 1, 5, 0, BYTES_NONE), 0);
	assert_int_equal(add("10.0.0.1", 1, 50001, 1, 5, 0, BYTES_NONE), 0);
	written("[{\"address\":\"10.0.0.2\",\"port\":443,\"hostname\":\"big.example\",\"protocol\":\"tcp\","
		"\"direction\":\"connected\",\"connections\":1,\"sent\":100,\"received\":200},"
		"{\"address\":\"10.0.0.1\",\"port\":443,\"hostname\":\"late.example\",\"protocol\":\"tcp\","
		"\"direction\":\"connected\",\"connections\":2,\"sent\":11,\"received\":22},"
		"{\"address\":\"10.0.0.1\",\"port\":80,\"protocol\":\"tcp\",\"direction\":\"accepted\","
		"\"connections\":2,\"sent\":10,\"received\":0}]");
	traffic_done(&table);
}

static void has_a_cap(void **state)
{
	traffic_init(&table);
	for (unsigned i = 0; i < TRAFFIC_CAP + 10; i++)
		assert_int_equal(add("10.0.0.1", 1, (uint16_t)(1000 + i), 0, 1, 1, BYTES_NONE), 0);
	assert_int_equal(table.left_out, 10);
	assert_int_equal(add("10.0.0.1", 1, 1000, 0, 1, 1, BYTES_NONE), 0);
	assert_int_equal(table.left_out, 10);
	traffic_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_by_end),
		cmocka_unit_test(has_a_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
