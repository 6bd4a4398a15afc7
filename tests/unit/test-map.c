/* SPDX-License-Identifier: Apache-2.0 */
/* base/map.h and base/list.h: against a plain array as the model, the cap, failed allocations. */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool calloc_fails;

void *__wrap_calloc(size_t n, size_t size)
{
	return calloc_fails ? NULL : __real_calloc(n, size);
}

#define KEYS 512

static void behaves_as_an_array(void **state)
{
	static char values[KEYS];
	void *model[KEYS] = { NULL };
	struct map m = MAP_INIT(KEYS);
	uint32_t seed = 7;
	size_t count = 0;

	for (int round = 0; round < 200000; round++) {
		unsigned key;

		seed = seed * 1664525 + 1013904223;
		key = (seed >> 8) % KEYS;
		if (seed >> 31) {
			int r = map_put(&m, key, &values[key]);

			assert_int_equal(r, model[key] ? -EEXIST : 0);
			count += r == 0;
			model[key] = &values[key];
		} else {
			assert_ptr_equal(map_remove(&m, key), model[key]);
			count -= model[key] != NULL;
			model[key] = NULL;
		}
		assert_int_equal(m.count, count);
		key = (key + 1) % KEYS;
		assert_ptr_equal(map_get(&m, key), model[key]);
	}
	for (unsigned key = 0; key < KEYS; key++)
		assert_ptr_equal(map_get(&m, key), model[key]);
	map_done(&m);
	assert_null(map_get(&m, 1));
	assert_null(map_remove(&m, 1));
}

static void byte_keys(void **state)
{
	char text[200][20];
	struct map m = MAP_INIT(200);
	bool seen[200] = { false };
	size_t cursor = 0, n = 0;
	char *value;

	assert_int_equal(map_put_bytes(&m, NULL, 0, text[0]), 0);
	assert_ptr_equal(map_get_bytes(&m, "", 0), text[0]);
	assert_ptr_equal(map_remove_bytes(&m, "x", 0), text[0]);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "key number %d", i);
		assert_int_equal(map_put_bytes(&m, text[i], strlen(text[i]), text[i]), 0);
	}
	assert_ptr_equal(map_get_bytes(&m, "key number 150", 14), text[150]);
	assert_null(map_get_bytes(&m, "key number 150", 13 + 2));
	assert_null(map_get_bytes(&m, "key numbeR 150", 14));
	while ((value = map_next(&m, &cursor))) {
		size_t i = (size_t)(value - text[0]) / sizeof(text[0]);

		assert_false(seen[i]);
		seen[i] = true;
		n++;
	}
	assert_int_equal(n, 200);
	map_done(&m);
}

static void cap_and_memory(void **state)
{
	struct map m = MAP_INIT(20);
	int value;

	calloc_fails = true;
	assert_int_equal(map_put(&m, 1, &value), -ENOMEM);
	calloc_fails = false;
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(map_put(&m, i, &value), 0);
	calloc_fails = true;
	assert_int_equal(map_put(&m, 12, &value), -ENOMEM);
	calloc_fails = false;
	for (unsigned i = 0; i < 12; i++)
		assert_ptr_equal(map_get(&m, i), &value);
	for (unsigned i = 12; i < 20; i++)
		assert_int_equal(map_put(&m, i, &value), 0);
	assert_int_equal(map_put(&m, 20, &value), -ENOSPC);
	assert_int_equal(map_put(&m, 19, &value), -EEXIST);
	assert_ptr_equal(map_remove(&m, 3), &value);
	assert_int_equal(map_put(&m, 20, &value), 0);
	map_done(&m);
}

struct member {
	int number;
	struct list link;
};

static void lists(void **state)
{
	struct list head;
	struct member a = { 1 }, b = { 2 }, c = { 3 };
	int order = 0;

	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(LIST_FIRST(&head, struct member, link));
	list_append(&head, &b.link);
	list_append(&head, &c.link);
	list_prepend(&head, &a.link);
	assert_ptr_equal(LIST_FIRST(&head, struct member, link), &a);
	assert_ptr_equal(LIST_LAST(&head, struct member, link), &c);
	LIST_FOREACH (it, &head) {
		struct member *m = LIST_ENTRY(it, struct member, link);

		order = order * 10 + m->number;
		if (m == &b)
			list_remove(it);
	}
	assert_int_equal(order, 123);
	list_remove(&b.link);
	assert_ptr_equal(a.link.next, &c.link);
	list_remove(&a.link);
	list_remove(&c.link);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_as_an_array),
		cmocka_unit_test(byte_keys),
		cmocka_unit_test(cap_and_memory),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
