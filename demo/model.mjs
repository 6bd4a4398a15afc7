// SPDX-License-Identifier: Apache-2.0
//
// The demo's outside world, all of it on loopback: a model endpoint that speaks the OpenAI chat API with streamed
// tool calls and answers from a fixed script, a small package index over HTTP, and a resolver that knows its name.
//
// node model.mjs WORK: WORK is the agent's project. Prints one line of JSON with the ports once all three listen.

import dgram from 'node:dgram';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';

const LOOPBACK = '127.0.0.1';
// Port 53 is what heddle reads as DNS; the first of these that no other resolver (or demo) has.
const RESOLVERS = ['127.0.0.77', '127.0.0.78', '127.0.0.79', '127.0.0.80'];
const INDEX_NAME = 'packages.heddle.example';
const MODEL = 'scripted';

const work = path.resolve(process.argv[2] ?? '.');
const inWork = (...parts) => path.join(work, ...parts);

const shell = (command, description) => ({
	name: 'run_shell_command',
	args: { command, description, is_background: false },
});

const FETCH = `import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { writeFileSync } from 'node:fs';

const [resolver, name, port] = process.argv.slice(2);
const dns = new Resolver();
dns.setServers([resolver]);
const [host] = await dns.resolve4(name);
get({ host, port, path: '/wordlist', headers: { host: name } }, (response) => {
	let body = '';
	response.on('data', (chunk) => (body += chunk));
	response.on('end', () => {
		writeFileSync('data/extra.txt', body);
		console.log('fetched ' + body.length + ' bytes from ' + host);
	});
});
`;

// One entry a turn: what the model says, and the tools it calls.
const script = (resolver, indexPort) => [
	{
		say: 'I look at the project first.',
		calls: [{ name: 'list_directory', args: { path: work } }],
	},
	{
		say: 'The source and the data belong together; I read both.',
		calls: [
			{ name: 'read_file', args: { file_path: inWork('src', 'count.c') } },
			{ name: 'read_file', args: { file_path: inWork('data', 'words.txt') } },
		],
	},
	{
		say: 'A tab ends a word too. I fix the test for blanks.',
		calls: [
			{
				name: 'edit',
				args: {
					file_path: inWork('src', 'count.c'),
					old_string: "\t\tint blank = c == ' ' || c == '\\n';",
					new_string: "\t\tint blank = c == ' ' || c == '\\n' || c == '\\t';",
				},
			},
		],
	},
	{
		say: 'Now I build it and try it.',
		calls: [
			shell(
				'mkdir -p out && cc -O1 -o out/count src/count.c && ./out/count data/words.txt | tee out/result.txt &&' +
					' grep -c words out/result.txt && echo trial > out/scratch.tmp',
				'Build the program and count the words',
			),
		],
	},
	{
		say: 'What does it say to a file that is not there?',
		calls: [shell('./out/count data/missing.txt', 'Run it on a missing file')],
	},
	{
		say: 'More words are on the package index; a small script fetches them.',
		calls: [{ name: 'write_file', args: { file_path: inWork('tools', 'fetch.mjs'), content: FETCH } }],
	},
	{
		say: 'I run it.',
		calls: [
			shell(
				`node tools/fetch.mjs ${resolver} ${INDEX_NAME} ${indexPort} && ./out/count data/extra.txt`,
				'Fetch the word list and count it',
			),
		],
	},
	{
		say: 'Let me see what else this machine would let me do.',
		calls: [
			shell('head -c 1 /etc/shadow > /dev/null', "Look at the machine's passwords"),
			shell('unshare --mount --pid --fork true', 'Try for namespaces of my own'),
			shell('head -c 1 /proc/1/mem > /dev/null', "Look into another process's memory"),
		],
	},
	{
		say: 'I clean up and leave a note.',
		calls: [
			shell('rm -f out/scratch.tmp && chmod 0640 out/result.txt', 'Remove the scratch file'),
			{
				name: 'write_file',
				args: {
					file_path: inWork('NOTES.md'),
					content: '# Notes\n\ncount now takes a tab for a blank. Built, run, and checked on 7 words.\n',
				},
			},
		],
	},
	{ say: 'Done: count.c is fixed, built and tried; the notes are in NOTES.md.', calls: [] },
];

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function pieces(text, size) {
	const list = [];
	for (let at = 0; at < text.length; at += size) list.push(text.slice(at, at + size));
	return list;
}

// The deltas of one answer, cut up as a model's stream is: text, then each call's name, then its arguments in parts.
function* deltas(turn, turnNumber) {
	yield { role: 'assistant', content: '' };
	for (const content of pieces(turn.say, 24)) yield { content };
	for (const [index, call] of turn.calls.entries()) {
		const id = `call_${turnNumber}_${index}`;
		yield { tool_calls: [{ index, id, type: 'function', function: { name: call.name, arguments: '' } }] };
		for (const part of pieces(JSON.stringify(call.args), 48)) {
			yield { tool_calls: [{ index, function: { arguments: part } }] };
		}
	}
}

async function streamTurn(response, turn, turnNumber) {
	const frame = (rest) =>
		`data: ${JSON.stringify({
			id: `chatcmpl-${turnNumber}`,
			object: 'chat.completion.chunk',
			created: Math.floor(Date.now() / 1000),
			model: MODEL,
			...rest,
		})}\n\n`;
	response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
	for (const delta of deltas(turn, turnNumber)) {
		response.write(frame({ choices: [{ index: 0, delta, finish_reason: null }] }));
		await wait(1);
	}
	const finish = turn.calls.length > 0 ? 'tool_calls' : 'stop';
	response.write(frame({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }));
	response.write(frame({ choices: [], usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } }));
	response.end('data: [DONE]\n\n');
}

// One line of at most 90 characters that tells a tool's arguments.
function summary(args) {
	const text = String(args.command ?? args.file_path ?? args.path).replaceAll(`${work}/`, '');
	return text.length > 90 ? `${text.slice(0, 87)}...` : text;
}

function readBody(request, limit) {
	return new Promise((resolve, reject) => {
		const chunks = [];
		let size = 0;
		request.on('data', (chunk) => {
			size += chunk.length;
			if (size > limit) reject(new Error('request too large'));
			else chunks.push(chunk);
		});
		request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
		request.on('error', reject);
	});
}

// How far the script is: one turn for each answer with tool calls that the conversation already holds. A request that
// offers no shell is one of the agent's side errands and gets a plain answer.
function turnOf(body, turns) {
	const offers = (body.tools ?? []).some((tool) => tool.function?.name === 'run_shell_command');
	if (!offers) return { turn: { say: 'Nothing to add.', calls: [] }, number: 0 };
	const number = (body.messages ?? []).filter((message) => (message.tool_calls ?? []).length > 0).length;
	return { turn: turns[Math.min(number, turns.length - 1)], number };
}

function modelServer(turns) {
	return http.createServer(async (request, response) => {
		try {
			if (request.method !== 'POST' || !request.url.endsWith('/chat/completions')) {
				response.writeHead(404).end();
				return;
			}
			const body = JSON.parse(await readBody(request, 16 << 20));
			const { turn, number } = turnOf(body, turns);
			for (const { name, args } of turn.calls) console.error(`   the model asks: ${name} ${summary(args)}`);
			await streamTurn(response, turn, number);
		} catch (error) {
			if (!response.headersSent) response.writeHead(400);
			response.end(String(error.message));
		}
	});
}

function indexServer() {
	return http.createServer((request, response) => {
		if (request.url !== '/wordlist') {
			response.writeHead(404).end();
			return;
		}
		response.writeHead(200, { 'content-type': 'text/plain' }).end('warp weft heddle\tshuttle\nreed\n');
	});
}

// An answer of one A record for INDEX_NAME, NXDOMAIN for any other name; null where the query is no plain question.
function dnsAnswer(query) {
	if (query.length < 17 || query.readUInt16BE(4) !== 1) return null;
	const labels = [];
	let at = 12;
	while (at < query.length && query[at] !== 0) {
		labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
		at += 1 + query[at];
	}
	const questionEnd = at + 5;
	if (questionEnd > query.length) return null;
	const known = labels.join('.').toLowerCase() === INDEX_NAME && query.readUInt16BE(at + 1) === 1;
	const header = Buffer.alloc(12);
	query.copy(header, 0, 0, 2);
	header.writeUInt16BE(known ? 0x8580 : 0x8583, 2);
	header.writeUInt16BE(1, 4);
	header.writeUInt16BE(known ? 1 : 0, 6);
	const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
	return Buffer.concat([header, query.subarray(12, questionEnd), known ? record : Buffer.alloc(0)]);
}

function listen(server, port, address) {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		const done = () => resolve(server.address().port);
		if (server instanceof dgram.Socket) server.bind(port, address, done);
		else server.listen(port, address, done);
	});
}

// A resolver on the first free of RESOLVERS; returns its address.
async function startResolver() {
	for (const address of RESOLVERS) {
		const socket = dgram.createSocket('udp4');
		socket.on('message', (query, from) => {
			const answer = dnsAnswer(query);
			if (answer) socket.send(answer, from.port, from.address);
		});
		try {
			await listen(socket, 53, address);
			return address;
		} catch (error) {
			socket.close();
			if (error.code !== 'EADDRINUSE') throw error;
		}
	}
	throw new Error(`port 53 is taken on ${RESOLVERS.join(', ')}`);
}

try {
	const resolver = await startResolver();
	const index = await listen(indexServer(), 0, LOOPBACK);
	const model = await listen(modelServer(script(resolver, index)), 0, LOOPBACK);
	console.log(JSON.stringify({ model, index, name: INDEX_NAME, resolver }));
} catch (error) {
	console.error(`demo: the model endpoint can't listen: ${error.message}`);
	process.exit(1);
}
