// Makes calls as a checkout does, and prints how many were answered 200.
//
//	client.mjs http|fetch URL USER PASSWORD CALLS
import http from 'node:http';

const [library, url, user, password, calls] = process.argv.slice(2);
const card = {last4: '4242', exp_month: 12, exp_year: 2030};
const body = JSON.stringify({...card, ...(url.endsWith('/check') ? {ip: '203.0.113.7'} : {per: 'card'})});
const reads = url.includes('/addresses/');
const method = reads ? 'GET' : 'POST';
const headers = {Authorization: 'Basic ' + btoa(user + ':' + password), ...(reads ? {} : {'Content-Type': 'application/json'})};
const agent = new http.Agent({keepAlive: true, maxSockets: 1});

const ask = {
	fetch: async () => {
		const answer = await fetch(url, {method, headers, ...(reads ? {} : {body})});
		await answer.text();
		return answer.status;
	},
	http: () => new Promise((resolve, reject) => {
		const request = http.request(url, {method, headers, agent}, (answer) => {
			answer.resume().on('end', () => resolve(answer.statusCode));
		});
		request.on('error', reject).end(reads ? undefined : body);
	}),
}[library];

let good = 0;
for (let i = 0; i < Number(calls); i++) good += (await ask()) === 200;
console.log(good);
agent.destroy();
