// SPDX-License-Identifier: Apache-2.0
//
// Checks one run of the demo: that the agent did its work, and that the session shows it.
// node check.mjs BUILD: reads what run.sh left in BUILD/demo and asks BUILD/heddle. Prints TAP, exits 1 on a failure.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const build = path.resolve(process.argv[2]);
const state = path.join(build, 'demo');
const work = path.join(state, 'work');
const heddle = path.join(build, 'heddle');
const ports = JSON.parse(readFileSync(path.join(state, 'ports.json'), 'utf8'));

const parse = (text) => text.trimEnd().split('\n').map((line) => JSON.parse(line));
const lines = parse(readFileSync(path.join(state, 'events.jsonl'), 'utf8'));
const session = lines[0].session;
const inWork = (name) => path.join(work, name);
const read = (name) => (existsSync(inWork(name)) ? readFileSync(inWork(name), 'utf8') : '');
const ask = (...args) => execFileSync(heddle, args, { encoding: 'utf8', maxBuffer: 1 << 28 });

const of = (type) => lines.filter((line) => line.type === type);
const some = (type, test) => of(type).some(test);
const ran = (name, test = () => true) =>
	of('process_exec').filter((e) => e.result === 0 && path.basename(e.exe ?? '') === name && test(e.args ?? []));
const exitOf = (exec) => of('process_exit').find((e) => e.process === exec?.process);
const opened = (file, test = () => true) => some('file_open', (e) => e.path === file && test(e));
const wrote = (name) => some('file_write', (e) => e.path === inWork(name) && e.bytes > 0);
const escape = (category, test) => some('sandbox_escape', (e) => e.category === category && test(e));
const connected = (port, test = () => true) =>
	some('network_connect', (e) => e.destination === '127.0.0.1' && e.destination_port === port && test(e));

const report = (() => {
	const text = ask('report', session, '--format', 'json');
	JSON.parse(text);
	return text;
})();
const stored = parse(ask('events', session, '--format', 'json'));
const missing = ran('count', (args) => args[1] === 'data/missing.txt')[0];

const checks = {
	'the agent mended the source': () => read('src/count.c').includes("c == '\\t'"),
	'the agent built and ran it': () => read('out/result.txt') === '7 words\n',
	'the agent fetched the word list': () => read('data/extra.txt').startsWith('warp weft'),
	'the agent left its notes': () => read('NOTES.md').startsWith('# Notes\n'),
	'the agent removed its scratch file': () => !existsSync(inWork('out/scratch.tmp')),
	'the agent ran as a script, by env and node': () =>
		some('process_exec', (e) => path.basename(e.interpreter ?? '') === 'env' && /\/(cli\.js|qwen)$/.test(e.path)) &&
		ran('node', (args) => /\/(cli\.js|qwen)$/.test(args[1])).length > 0,
	'its shell ran, with its command line': () =>
		some('process_exec', (e) => e.args?.includes('-c') && e.args.at(-1).includes('head -c 1 /etc/shadow')),
	'the children of the shell ran': () =>
		['grep', 'tee', 'count', 'rm', 'unshare'].every((name) => ran(name).length > 0),
	'the compiler and its parts ran': () =>
		ran('cc1').length > 0 && some('process_exec', (e) => e.args?.[0] === 'as' && e.result === 0),
	'the failing command ended with 2': () => exitOf(missing)?.exit_code === 2,
	'the missing file shows as ENOENT': () =>
		opened(inWork('data/missing.txt'), (e) => e.result === -2 && e.error === 'ENOENT' && e.verified === false),
	'the source was read': () => some('file_read', (e) => e.path === inWork('src/count.c') && e.bytes > 0),
	'the source and the notes were written': () => wrote('src/count.c') && wrote('NOTES.md'),
	'the scratch file was unlinked': () =>
		some('file_metadata', (e) => e.operation === 'unlink' && e.path === inWork('out/scratch.tmp') && e.result === 0),
	'the result was made 0640': () =>
		some('file_metadata', (e) => e.operation === 'chmod' && e.path === inWork('out/result.txt') && e.mode === '0640'),
	'the model was connected to': () => connected(ports.model),
	'the index was connected to, by name': () => connected(ports.index, (e) => e.hostname === ports.name),
	'the name was asked for': () => some('dns_query', (e) => e.name === ports.name && e.query_type === 'A'),
	'the name was answered': () =>
		some('dns_response', (e) => e.name === ports.name && e.answers?.some((a) => a.data === '127.0.0.1')),
	'/etc/shadow was opened': () => opened('/etc/shadow'),
	'unshare shows as an escape': () => escape('namespace', (e) => e.syscall === 'unshare'),
	"another process's memory shows as an escape": () => escape('ptrace', (e) => e.target === '/proc/1/mem'),
	'every process that ran has its exit': () => {
		const gone = new Set(of('process_exit').map((e) => e.process));
		return of('process_exec').every((e) => gone.has(e.process));
	},
	'nothing outside shows': () =>
		!some('process_exec', (e) => e.args?.some((argument) => /(model|check)\.mjs$/.test(argument))),
	'sequence has no holes': () => lines.every((line, index) => line.sequence === index + 1),
	'the session starts, ends and has its ledger': () =>
		lines[0].phase === 'start' && lines.at(-2).phase === 'end' && lines.at(-1).type === 'ledger',
	'the store has the same events': () =>
		stored.length === lines.length && stored.every((line, index) => line.type === lines[index].type),
	'the report tells of the escapes': () => report.includes('unshare') && report.includes('/proc/1/mem'),
	'the report tells of the host': () => report.includes(ports.name),
	'the report tells of the processes': () => report.includes('data/missing.txt') || report.includes('cc1'),
	'last is this session or a newer one': () => ask('events', 'last', '--format', 'json').includes('"session"'),
};

let failed = 0;
let number = 0;
console.log(`1..${Object.keys(checks).length}`);
for (const [name, check] of Object.entries(checks)) {
	number++;
	const good = Boolean(check());
	failed += good ? 0 : 1;
	console.log(`${good ? 'ok' : 'not ok'} ${number} - ${name}`);
}
process.exit(failed > 0 ? 1 : 0);
