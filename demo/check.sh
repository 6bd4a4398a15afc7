#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo as a test: check.sh [BUILD] runs it and prints TAP, one line for each thing that must be seen.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$here/run.sh" "${1:-$here/../build}" --quiet
