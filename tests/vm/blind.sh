#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the command can do to the sensor, tried from inside, as far as it would harm a machine that others use: the wall
# clock, the processors, the memory. In the microVM only (tests/vm/run --blind); TAP on standard output.
# shellcheck disable=SC2016 # the commands' own variables
set -u

[ "${HEDDLE_VM:-}" = 1 ] || {
	echo "blind.sh: only in the test machine: it sets the clock and uses up memory" >&2
	exit 1
}

top=/tmp/blind
out=$top/out.json
export HEDDLE_HOME=$top/home
mkdir -p "$top"
count=0
bad=0

fresh() { rm -rf "$HEDDLE_HOME" "$out" "$top/after"; }

# run [OPTION...] -- COMMAND: $code, $out and $top/said.
run() {
	fresh
	heddle run --quiet --json "$out" "$@" >"$top/said" 2>&1
	code=$?
}

# check NAME CONDITION...: one test; the condition is a command.
check() {
	name=$1
	shift
	count=$((count + 1))
	echo "# $(cut -d' ' -f1 /proc/uptime) s"
	if "$@" >"$top/why" 2>&1; then
		echo "ok $count - blind/$name"
		sed 's/^/# /' "$top/why"
	else
		echo "not ok $count - blind/$name"
		bad=$((bad + 1))
		sed 's/^/# /' "$top/why"
		echo "# exit $code; $(tail -n 3 "$top/said" | tr '\n' ' ')"
		grep -E '"type":"(gap|clock|session|ledger)"' "$out" | cut -c1-600 | sed 's/^/# /'
	fi
}

lines() { grep -c "\"type\":\"$1\".*$2" "$out"; }

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

# The session ended by itself, with all its losses told: what gaps count is what the ledger has.
whole() {
	[ "$code" -eq 0 ] || { echo "exit $code"; return 1; }
	[ "$(tail -n 1 "$out" | field type)" = ledger ] || { echo 'no ledger'; return 1; }
	[ "$(lines file_open "\"path\":\"$top/after\"")" -gt 0 ] || { echo 'the last open is not recorded'; return 1; }
	lost=$(tail -n 1 "$out" | sed 's/.*"lost":\([0-9]*\).*/\1/')
	told=$(grep '"type":"gap"' "$out" | field count | awk '{ n += $1 } END { print n + 0 }')
	[ "$lost" = "$told" ] || { echo "lost $lost, told $told"; return 1; }
	[ "$(heddle sessions --format json | field state)" = ended ] || { echo 'not ended'; return 1; }
	heddle verify >/dev/null || { echo 'not proved'; return 1; }
	echo "$(wc -l <"$out") lines, $lost lost; gaps: $(grep '"type":"gap"' "$out" | field why | sort | uniq -c | tr -s ' \n' ' ;')"
}

seconds() { date -u -D '%Y-%m-%dT%H:%M:%S' -d "${1%%.*}" +%s; }

# clock_lines N SECONDS: so many, the first of which moved the clock so far.
clock_lines() {
	[ "$(lines clock '')" -eq "$1" ] || { echo "$(lines clock '') clock lines, not $1"; return 1; }
	line=$(grep '"type":"clock"' "$out" | head -n 1)
	before=$(seconds "$(echo "$line" | field wall_before)")
	after=$(seconds "$(echo "$line" | field wall_after)")
	moved=$((after - before - $2))
	if [ "$moved" -lt -1 ] || [ "$moved" -gt 1 ]; then
		echo "moved by $((after - before)), not by $2"
		return 1
	fi
}

# No time of the session follows the clock.
times_stay() {
	start=$(seconds "$(head -n 1 "$out" | field time)")
	limit=$(date -u -d "@$((start + 600))" +%Y-%m-%dT%H:%M:%S)
	early=$(head -n 1 "$out" | field time)
	sed -n 's/.*"time":"\([^"]*\)".*/\1/p' "$out" | awk -v limit="$limit" -v early="$early" \
		'$1 > limit || $1 < substr(early, 1, 19) { print; bad = 1 } END { exit bad }'
}

set_clock='set_clock() { date -s "@$(($(date +%s) + $1))" >/dev/null; }'

run -- sh -c "$set_clock; sleep 1.5; set_clock 7200; sleep 2.5; set_clock -7200; sleep 1.5; : >$top/after"
check clock/forward-and-back-is-told clock_lines 2 7200
check clock/times-stay times_stay
check clock/session-is-whole whole
run -- sh -c "$set_clock; sleep 1.2; set_clock -10800; : >$top/after"
check clock/back-at-the-end-is-told clock_lines 1 -10800
check clock/times-stay-at-the-end times_stay
date -s "@$(($(date +%s) + 10800))" >/dev/null
run -- sh -c "$set_clock; sleep 1.2; set_clock 7200; set_clock -7200; sleep 1.5; : >$top/after"
check clock/set-and-set-back-is-told clock_lines 1 0
run -- sh -c "sleep 2.5; : >$top/after"
check clock/nobody-set-it sh -c "! grep -q '\"type\":\"clock\"' $out"

# Each ends by itself: with real-time throttling off nothing else would run to end it.
spin='spin() { for cpu in $(seq 0 $(($(nproc) - 1))); do
	taskset -c $cpu chrt -f $1 awk "BEGIN { s = systime(); while (systime() - s <= $2); }" & done; wait; }'

# Opens of files that are not there, each another name, so that none is folded. `true`: a shell ends for `:`.
flood='flood() { i=0; while [ $i -lt $1 ]; do true <"/nowhere/$i"; i=$((i + 1)); done 2>/dev/null; }'

run -- sh -c "$spin; $flood; flood 3000 & spin 50 3; wait; : >$top/after"
check priority/real-time-spinners whole
run -- sh -c "$spin; old=\$(cat /proc/sys/kernel/sched_rt_runtime_us); echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	spin 99 4; echo \$old >/proc/sys/kernel/sched_rt_runtime_us; sleep 1; : >$top/after"
check priority/no-throttling-is-survived whole
check priority/standing-still-is-told grep -q '"type":"gap".*stood still' "$out"
run --fail-closed -- sh -c "$spin; old=\$(cat /proc/sys/kernel/sched_rt_runtime_us); echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	spin 99 4; echo \$old >/proc/sys/kernel/sched_rt_runtime_us; sleep 1; : >$top/after"
check priority/no-throttling-fail-closed whole

find_sensor='for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = heddle-sensor ] && S=${p#/proc/}; done'
run --flood lose --bulk-bytes 64K -- sh -c "$find_sensor; $flood; for t in /proc/\$S/task/*; do chrt -i -p 0 \${t##*/}; done
	renice -n 19 -p \$S; taskset -p 1 \$S; taskset -p 1 \$\$; flood 6000; sleep 1.5; : >$top/after"
check priority/idle-nice-and-pinned-sensor whole
check priority/loss-is-told sh -c "tail -n 1 $out | grep -q '\"lost\":[1-9]' && grep -q '\"type\":\"gap\".*the lane was full' $out"

# A machine that grants what it has not got, so that it is the killer that ends the hog.
echo 1 >/proc/sys/vm/overcommit_memory
hog='hog() { awk "BEGIN { s = \"x\"; while (1) s = s s }"; }'
oom_told() { [ "$(lines process_exit '"comm":"awk".*"signal":"SIGKILL".*"oom_killed":true')" -gt 0 ] ||
	[ "$(lines process_exit '"comm":"awk".*"oom_killed":true')" -gt 0 ]; }

run -- sh -c "$hog; hog; : >$top/after"
check memory/all-of-the-machine whole
check memory/all-of-the-machine-is-told oom_told
run -- sh -c "$hog; cg=/sys/fs/cgroup\$(cut -d: -f3 /proc/self/cgroup); echo 24M >\$cg/memory.max; hog; : >$top/after"
check memory/own-limit whole
check memory/own-limit-is-told oom_told

box=/sys/fs/cgroup/box
mkdir -p $box
echo 150M >$box/memory.max
in_box() {
	(
		read -r self _ </proc/self/stat
		echo "$self" >$box/cgroup.procs
		exec heddle run --quiet --json "$out" "$@"
	) >"$top/said" 2>&1
	code=$?
} 2>/dev/null
fresh
in_box -- sh -c "$hog; (read -r self _ </proc/self/stat; echo \$self >$box/cgroup.procs; hog); : >$top/after"
check memory/in-the-sensors-cgroup whole
check memory/in-the-sensors-cgroup-is-told oom_told
check memory/leaving-the-cgroup-is-told [ "$(lines sandbox_escape '"rule":"left_cgroup"')" -gt 0 ]

# Less than the sensor needs: somebody of Heddle's dies, and that is evident.
fresh
in_box -- sh -c "$flood; sleep 1.5; echo 1M >$box/memory.max; flood 2000; sleep 3"
echo 150M >$box/memory.max
evident() {
	i=0
	while state=$(heddle sessions --format json | field state) && [ "$state" = running ] && [ $i -lt 20 ]; do
		sleep 1
		i=$((i + 1))
	done
	heddle events --format json >"$top/events"
	echo "# $state, exit $code: $(grep '"type":"gap"' "$top/events" | field why | tr '\n' ';')" >"$top/outcome"
	case $state in
	ended) tail -n 1 "$top/events" | grep -q '"type":"ledger"' ;;
	interrupted) grep -q '"type":"gap".*killed' "$top/events" ;;
	*) false ;;
	esac
}
check memory/the-sensors-own-limit evident
cat "$top/outcome"

echo "1..$count"
[ "$bad" -eq 0 ]
