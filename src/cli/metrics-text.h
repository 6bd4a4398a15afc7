/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads in the text form that Prometheus reads (version 0.0.4). Where OpenTelemetry's conventions for containers
 * have a name it is that, as its exporters write it; the rest begins with heddle_. docs/metrics.md has the list. Pure.
 */
#pragma once

#include "base/buf.h"
#include "cli/workloads.h"

#define METRICS_BYTES_MAX (64U << 20)

void metrics_text(const struct workload_view *const *views, size_t n, const struct vitals_host *host, struct buf *out);
