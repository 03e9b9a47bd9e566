// Does what the lines of standard input say with our Node client; shop.py says how.
import {readFileSync} from 'node:fs';
import readline from 'node:readline';
import {Client, Failure} from '../../client/node/fraudcheck.mjs';

let client;
const faults = [];
const commands = {
	new: ({options: {url, password, policy, ms, ca}}) => {
		client = new Client({url, username: 'checkout', password, onFailure: policy, onFault: (fault) => faults.push(fault), timeout: ms, ca: ca && readFileSync(ca)});
	},
	check: async ({fields}) => {
		try {
			const {decision, source, cause, attempt_id} = await client.check(fields);
			return {decision, source, cause, attempt_id};
		} catch (e) {
			if (!(e instanceof Failure)) throw e;
			return {failure: String(e), cause: e.cause};
		}
	},
	outcome: ({fields}) => client.outcome(fields),
	counters: () => ({counters: client.counters}),
	faults: () => ({faults}),
	close: () => client.close(),
	sleep: ({ms}) => new Promise((resolve) => { setTimeout(resolve, ms); }),
};

for await (const line of readline.createInterface({input: process.stdin})) {
	const command = JSON.parse(line);
	// As UTF-16: the text of JavaScript may have half a character.
	for (const [name, digits] of Object.entries(command.bytes ?? {})) command.fields[name] = Buffer.from(digits, 'hex').toString('utf16le');
	const begin = performance.now();
	const answer = await commands[command.do](command);
	console.log(JSON.stringify({...answer, ms: performance.now() - begin}));
}
