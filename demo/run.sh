#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo: a real agent CLI, told what to do by a scripted model on loopback, watched by heddle.
# run.sh [BUILD] [--quiet]: BUILD is the build directory with heddle in it (default: build beside demo/); --quiet
# leaves out the report, for check.sh. Exits 0 only if the agent did its work and heddle saw it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
build=$here/../build
quiet=
for argument in "$@"; do
	case $argument in
	--quiet) quiet=1 ;;
	-*) echo "demo: unknown option $argument" >&2 && exit 1 ;;
	*) build=$argument ;;
	esac
done
mkdir -p "$build/demo"
build=$(cd "$build" && pwd -P)
state=$build/demo
model_pid=

say() { printf '\n== %s\n' "$*"; }
fail() {
	echo "demo: $*" >&2
	exit 1
}
clean_up() {
	[ -z "$model_pid" ] || kill "$model_pid" 2>/dev/null || true
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# install_locked NAME: what demo/NAME's lock file lists, into $state/NAME; does nothing where that is done already.
install_locked() {
	local to=$state/$1
	if cmp -s "$here/$1/package-lock.json" "$to/installed"; then
		return
	fi
	say "npm ci: what demo/$1/package-lock.json pins, into build/demo/$1"
	rm -rf "$to"
	mkdir -p "$to"
	cp "$here/$1/package.json" "$here/$1/package-lock.json" "$here/$1/.npmrc" "$to/"
	(cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error) ||
		fail "npm can't install demo/$1; is the npm registry in reach?"
	cp "$to/package-lock.json" "$to/installed"
}

# Sets $node: the machine's where it is new enough for the agent, else one from npm.
find_node() {
	if [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 20' 2>/dev/null)" = true ]; then
		node=$(node -p process.execPath)
		return
	fi
	install_locked node
	node=$(find "$state/node/node_modules" -path '*/bin/node' -type f -perm -100)
	"$node" --version >/dev/null ||
		fail "the machine's node is older than 20 and npm has none for $(uname -m)"
}

prepare() {
	rm -rf "${state:?}/home" "${state:?}/work" "${state:?}/bin" "${state:?}/events.jsonl"
	mkdir -p "$state/home/.qwen" "$state/bin"
	cp -r "$here/project" "$state/work"
	ln -s "$node" "$state/bin/node"
	cp "$here/settings.json" "$state/home/.qwen/settings.json"
}

start_model() {
	local line
	exec 9< <(exec "$node" "$here/model.mjs" "$state/work" 8>&- 9<&-)
	model_pid=$!
	read -r -t 20 -u 9 line || fail "the model endpoint did not start"
	exec 9<&-
	printf '%s\n' "$line" >"$state/ports.json"
	model_port=$(sed -n 's/.*"model":\([0-9]*\).*/\1/p' <<<"$line")
}

run_agent() {
	local -a environment=(
		"PATH=$state/agent/node_modules/.bin:$state/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		"HOME=$state/home" "TERM=${TERM:-dumb}" "LANG=C.UTF-8" "NO_COLOR=1"
		"OPENAI_BASE_URL=http://127.0.0.1:$model_port/v1" "OPENAI_API_KEY=not-a-secret" "OPENAI_MODEL=scripted"
	)
	[ -z "${HEDDLE_HOME:-}" ] || environment+=("HEDDLE_HOME=$HEDDLE_HOME")
	cd "$state/work"
	env -i "${environment[@]}" timeout --foreground -k 5 90 "$build/heddle" run --json "$state/events.jsonl" -- \
		qwen --auth-type openai -y -p "Mend the word counter, try it, and fetch the extra word list." </dev/null 8>&- ||
		fail "heddle run ended with status $?"
	cd "$here"
}

[ -x "$build/heddle" ] || fail "no heddle in $build; build it first (./dev build)"
[ "$(id -u)" = 0 ] || fail "watching from the kernel needs root: sudo ./dev demo"
command -v npm >/dev/null || fail "npm is missing (Debian package npm)"
command -v cc >/dev/null || fail "cc is missing (Debian package gcc)"

exec 8>"$state/lock"
flock -w 180 8 || fail "another demo holds $state/lock"
find_node
install_locked agent
prepare
say "a scripted model endpoint, a package index and a resolver start on loopback"
start_model
say "heddle run -- qwen -y -p \"Mend the word counter, ...\""
run_agent
session=$(sed -n '1s/.*"session":"\([^"]*\)".*/\1/p' "$state/events.jsonl")
if [ -z "$quiet" ]; then
	# By its id and not as "last": another session may have begun on this machine since.
	say "heddle report $session"
	"$build/heddle" report "$session" || fail "heddle report ended with status $?"
	say "heddle events $session --type dns_query,dns_response,network_connect"
	"$build/heddle" events "$session" --type dns_query,dns_response,network_connect ||
		fail "heddle events ended with status $?"
	say "was everything seen?"
fi
"$node" "$here/check.mjs" "$build" || fail "heddle did not show all that the agent did"
[ -n "$quiet" ] || say "the session stays: see it with  $build/heddle events last"
