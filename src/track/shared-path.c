/* SPDX-License-Identifier: Apache-2.0 */
/* Paths counted by reference. See shared-path.h. */
#include "track/shared-path.h"

#include <string.h>

struct shared_path *shared_path_new(const struct event_path *path)
{
	struct shared_path *p = malloc(sizeof(*p) + path->path.length + 1);

	if (!p)
		return NULL;
	p->refs = 1;
	p->path = *path;
	if (path->path.length)
		memcpy(p->data, path->path.data, path->path.length);
	p->data[path->path.length] = '\0';
	p->path.path.data = p->data;
	return p;
}

struct shared_path *shared_path_ref(struct shared_path *p)
{
	if (p)
		p->refs++;
	return p;
}

void shared_path_unref(struct shared_path *p)
{
	if (p && --p->refs == 0)
		free(p);
}
