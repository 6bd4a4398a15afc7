/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's arithmetic. See ledger.h. */
#include "track/ledger.h"

#include "event/names.h"

enum hd_lane ledger_lane(enum hd_type type)
{
	switch (type) {
	/* What a workload makes by the hundred thousand a second. */
	case HD_FILE_WRITE:
	case HD_FILE_READ:
	case HD_FILE_METADATA:
	case HD_FILE_OPEN:
	case HD_FILE_NAME:
		return HD_LANE_BULK;
	default:
		return HD_LANE_CRITICAL;
	}
}

void ledger_add(struct ledger *sum, const struct ledger *l)
{
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		for (unsigned type = 0; type <= HD_TYPE_EVENT_MAX; type++) {
			struct ledger_row *to = &sum->rows[lane][type];
			const struct ledger_row *from = &l->rows[lane][type];

			to->made += from->made;
			to->delivered += from->delivered;
			to->folded += from->folded;
			to->lost += from->lost;
		}
	}
}

uint64_t ledger_lost(const struct ledger *l)
{
	uint64_t lost = 0;

	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++)
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++)
			lost += l->rows[lane][type].lost;
	return lost;
}

unsigned ledger_unbalanced(const struct ledger *l)
{
	for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
		for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
			const struct ledger_row *r = &l->rows[lane][type];

			if (r->made != r->delivered + r->folded + r->lost)
				return type;
		}
	}
	return 0;
}

static bool row_empty(const struct ledger_row *r)
{
	return (r->made | r->delivered | r->folded | r->lost) == 0;
}

void ledger_write(const struct ledger *l, struct json *j)
{
	json_object(j);
	for (unsigned lane = 0; lane < HD_LANE_MAX; lane++) {
		json_key(j, name_lane(lane));
		json_object(j);
		for (unsigned type = 1; type <= HD_TYPE_EVENT_MAX; type++) {
			const struct ledger_row *r = &l->rows[lane][type];

			if (row_empty(r))
				continue;
			json_key(j, name_event_type(type));
			json_object(j);
			json_key(j, "made");
			json_uint(j, r->made);
			json_key(j, "delivered");
			json_uint(j, r->delivered);
			json_key(j, "folded");
			json_uint(j, r->folded);
			json_key(j, "lost");
			json_uint(j, r->lost);
			json_object_end(j);
		}
		json_object_end(j);
	}
	json_object_end(j);
}
