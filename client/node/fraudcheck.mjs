/**
 * Asks a fraudcheck service before a card is charged.
 *
 *     const client = new Client({url: 'http://127.0.0.1:8080', username: 'checkout', password}); // one for the process
 *     const result = await client.check({ip, last4: '4242', exp_month: 12, exp_year: 2030});
 *     if (result.decision === 'block') ...                                                       // do not charge
 *
 * A check takes 100 ms at most. It is sent again once, with the same attempt_id, where the
 * connection was refused or broke in the first 60 ms; never after a time-out or an answer.
 * Outcomes are delivered in the background. Nothing of the shopper is in errors, faults,
 * counters or the log.
 */
import {randomUUID} from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import {inspect} from 'node:util';

const MAX_ANSWER = 65536; // bytes
const MAX_IDLE = 60_000; // ms; the service closes a connection after 75 s
const MAX_QUEUED = 1000; // outcomes; the oldest make room
const MAX_AGE = 3_600_000; // ms, of an outcome that cannot be delivered
const OUTCOME_TIMEOUT = 2000; // ms, of one delivery
const FIRST_PAUSE = 250; // ms, after a delivery failed; it doubles with each further one
const MAX_PAUSE = 30_000; // ms

// What the shopper types or brings along, and how many characters the service takes of it.
const TYPED = {email: 256, device: 256, cart: 256, account: 256, attempt_id: 128};

// The connection was refused, or ended before the whole answer.
const BROKEN = ['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'HPE_INVALID_EOF_STATE'];

/**
 * @typedef {object} Attempt one presentation of a card; the service's documentation says which fields are required
 * @property {string} [ip] the shopper's
 * @property {'renewal'|'phone'|'unknown'} [no_ip] in place of ip
 * @property {'later'|'now'} [card] later: not known before the charge; now, with an outcome: known since the check
 * @property {string} [last4] the card's last four digits, never more
 * @property {number|string} [exp_month]
 * @property {number|string} [exp_year]
 * @property {string} [expiry] 12/30, 2030-12, ..., in place of month and year
 * @property {string} [card_id] the payment provider's fingerprint of the card
 * @property {string} [attempt_id] one per press of Pay; made up where it is absent
 * @property {string} [email]
 * @property {string} [device]
 * @property {string} [cart]
 * @property {string} [account]
 *
 * @typedef {object} Answer
 * @property {'approved'|'declined'|'error'} outcome the issuer's
 * @property {'invalid_number'|'invalid_credentials'|'insufficient_funds'|'other'} [reason] with declined
 * @property {string} [at] when the issuer answered (RFC 3339); now where it is absent
 *
 * @typedef {object} Result
 * @property {'allow'|'review'|'block'} decision
 * @property {'service'|'failed_open'} source failed_open: the client's policy, without an answer
 * @property {''|'timeout'|'connection'|'unavailable'|'fault'|'answer'} cause of failed_open
 * @property {string} attempt_id send it with the outcome
 * @property {string[]} reasons the rules that decided
 * @property {object[]} rules what each rule found
 * @property {boolean} degraded the service decided without its shared store
 *
 * @typedef {object} Fault a request that the service refused because the integration is wrong
 * @property {string} path
 * @property {number} status of HTTP; 0 for a certificate that cannot be verified
 * @property {string} code the service's, such as credentials_invalid
 * @property {string} field of the request, where one is at fault
 * @property {string} request_id the service's, which its log shows
 */

/** A check without an answer, with the policy error. */
export class Failure extends Error {
	/** @param {string} cause @param {string} attemptId */
	constructor(cause, attemptId) {
		super('fraudcheck: no answer: ' + cause);
		this.cause = cause;
		this.attempt_id = attemptId;
	}
}

export class Client {
	#options; #target; #agent; #library;
	#queue = []; // [{outcome, since}]
	#delivering = null; // a promise while outcomes are delivered
	#wake = () => {}; // ends a pause
	#closed = false;
	#counters = {checks: 0, answered: 0, failed_open: 0, retries: 0, faults: 0, outcomes_delivered: 0, outcomes_dropped: 0};

	/**
	 * @param {object} options
	 * @param {string} options.url http://host:port, https://host:port (verified), or unix:/path of the service's socket
	 * @param {string} [options.username]
	 * @param {string} [options.password]
	 * @param {string|(() => string)} [options.token] a bearer token in place of a user, or what returns one
	 * @param {'allow'|'review'|'error'} [options.onFailure] what a check without an answer returns; error throws Failure
	 * @param {(fault: Fault) => void} [options.onFault] called when the integration is wrong, such as a wrong password:
	 *     until that is mended nothing is checked. The default is console.error
	 * @param {number} [options.timeout] of a check, in ms
	 * @param {string|Buffer} [options.ca] roots to verify https with, in place of the usual
	 */
	constructor({url, username, password, token, onFailure = 'allow', onFault = logFault, timeout = 100, ca}) {
		const [, socketPath] = /^unix:(.+)$/.exec(url) ?? [];
		if (!socketPath && !/^https?:\/\/[^\s/@?#]+[^\s@?#]*$/.test(url)) {
			throw new TypeError('fraudcheck: url: expected http://host:port, https://host:port or unix:/path, without credentials');
		}
		if (!['allow', 'review', 'error'].includes(onFailure)) throw new TypeError('fraudcheck: onFailure: expected allow, review or error');
		const parts = new URL(socketPath ? 'http://localhost' : url);
		this.#library = parts.protocol === 'https:' ? https : http;
		this.#agent = new this.#library.Agent({keepAlive: true, timeout: MAX_IDLE, scheduling: 'lifo', ca});
		this.#target = {socketPath, hostname: parts.hostname.replace(/^\[|\]$/g, ''), port: parts.port, base: parts.pathname.replace(/\/$/, '')};
		const basic = 'Basic ' + Buffer.from(`${username}:${password}`).toString('base64');
		const credentials = token ? () => 'Bearer ' + (typeof token === 'function' ? token() : token) : () => basic;
		this.#options = {onFailure, onFault, timeout, credentials};
	}

	/**
	 * Asks about an attempt.
	 * @param {Attempt} attempt
	 * @returns {Promise<Result>}
	 */
	async check(attempt) {
		const fields = acceptable(attempt);
		this.#counters.checks++;
		const [cause, answer] = await this.#exchange('/v1/check', fields, this.#options.timeout, 200);
		const read = cause === '' ? readAnswer(answer) : null;
		if (read) {
			this.#counters.answered++;
			return {...read, source: 'service', cause: '', attempt_id: fields.attempt_id};
		}
		this.#counters.failed_open++;
		const {onFailure} = this.#options;
		if (onFailure === 'error') throw new Failure(cause || 'answer', fields.attempt_id);
		return {decision: onFailure, source: 'failed_open', cause: cause || 'answer', attempt_id: fields.attempt_id, reasons: [], rules: [], degraded: false};
	}

	/**
	 * Takes what the issuer answered, and returns at once. It is delivered in the background,
	 * and again for up to an hour; it counts once.
	 * @param {Attempt & Answer} outcome with the attempt_id of the check's result
	 */
	outcome(outcome) {
		this.#enqueue({outcome: acceptable(outcome), since: Date.now()});
	}

	/**
	 * Tries once more to deliver each outcome that waits, for some time at most, and closes the connections.
	 * @param {number} [ms]
	 */
	async close(ms = 5000) {
		this.#closed = true;
		this.#wake();
		const late = new Promise((resolve) => setTimeout(resolve, ms).unref());
		await Promise.race([this.#delivering, late]);
		this.#counters.outcomes_dropped += this.#queue.length;
		this.#queue = [];
		this.#agent.destroy();
	}

	/** Numbers since the client was made, by name. */
	get counters() {
		return {...this.#counters, outcomes_waiting: this.#queue.length};
	}

	#enqueue(entry) {
		if (this.#closed || this.#queue.length === MAX_QUEUED) this.#counters.outcomes_dropped++;
		if (this.#closed) return;
		if (this.#queue.length === MAX_QUEUED) this.#queue.shift();
		this.#queue.push(entry);
		this.#delivering ??= this.#deliver();
	}

	async #deliver() {
		for (let pause = FIRST_PAUSE; this.#queue.length > 0;) {
			const {outcome, since} = this.#queue.shift();
			const [cause] = await this.#exchange('/v1/outcomes', outcome, OUTCOME_TIMEOUT, 202);
			if (cause === '') {
				this.#counters.outcomes_delivered++;
				pause = FIRST_PAUSE;
			} else if (cause === 'fault' || Date.now() - since > MAX_AGE) {
				this.#counters.outcomes_dropped++;
			} else {
				// Delivered late, it still counts from when the issuer answered.
				this.#enqueue({outcome: {at: new Date(since).toISOString(), ...outcome}, since});
				if (!this.#closed) await new Promise((resolve) => { this.#wake = resolve; setTimeout(resolve, pause).unref(); });
				pause = Math.min(2 * pause, MAX_PAUSE);
			}
		}
		this.#delivering = null;
	}

	/** Posts the fields, a second time where the connection broke early; returns the cause, or '' and the body. */
	async #exchange(path, fields, timeout, expected) {
		const body = JSON.stringify(fields);
		const begin = performance.now();
		let [error, status, answer] = await this.#post(path, body, timeout);
		const since = performance.now() - begin;
		if (BROKEN.includes(error) && since < timeout * 0.6) {
			this.#counters.retries++;
			[error, status, answer] = await this.#post(path, body, timeout - since);
		}
		if (/CERT|UNABLE_TO/.test(error)) return this.#fault(path, 0, {code: 'certificate'});
		if (error) return [/^HPE_(?!INVALID_EOF)|^answer/.test(error) ? 'answer' : error === 'timeout' ? 'timeout' : 'connection'];
		if (status === expected) return ['', answer];
		if (status === 408 || status === 429 || status >= 500) return ['unavailable'];
		return status >= 300 ? this.#fault(path, status, parse(answer)) : ['answer'];
	}

	/** Makes one request; returns the code of an error, or '' with status and body. */
	#post(path, body, ms) {
		return new Promise((resolve) => {
			const {base, ...target} = this.#target;
			const headers = {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), Authorization: this.#options.credentials()};
			const request = this.#library.request({...target, path: base + path, method: 'POST', headers, agent: this.#agent});
			const end = (...result) => {
				clearTimeout(timer);
				resolve(result);
				if (result[0]) request.destroy();
			};
			// After a long turn of the event loop an answer may be there, unread: one more turn reads it.
			const timer = setTimeout(() => setImmediate(end, 'timeout'), ms);
			request.on('error', (error) => end(error.code ?? 'answer'));
			// A flood of small pieces would delay the timer.
			let interim = 0;
			request.on('information', () => ++interim > 9 && end('answer'));
			request.on('response', (response) => {
				const parts = [];
				let length = 0;
				response.on('data', (part) => {
					parts.push(part);
					if ((length += part.length) > MAX_ANSWER || parts.length > 1000) end('answer');
				});
				response.on('error', (error) => end(error.code ?? 'answer'));
				response.on('end', () => end('', response.statusCode, Buffer.concat(parts).toString()));
			});
			request.end(body);
		}).catch(() => ['answer']); // credentials that cannot be sent
	}

	#fault(path, status, problem) {
		this.#counters.faults++;
		// What does not look like the service's own is not shown: it might repeat what the shopper typed.
		const shown = (name, form) => (typeof problem?.[name] === 'string' && form.test(problem[name]) ? problem[name] : '');
		const fault = {
			path, status, code: shown('code', /^[a-z_]{1,40}$/), field: shown('field', /^[a-z_]{1,20}[0-9]?$/), request_id: shown('request_id', /^[0-9A-Z]{26}$/),
		};
		Promise.resolve(fault).then(this.#options.onFault).catch(() => {}); // the hook's fault is not the shopper's
		return ['fault'];
	}
}

function logFault(fault) {
	console.error('fraudcheck: this integration is wrong, nothing is checked: ' + JSON.stringify(fault));
}

/**
 * The fields with an attempt_id, and with what the shopper types made such that the service takes it: a shopper must
 * not be able to prevent the check. All else is the shop's, and stays as it is.
 */
function acceptable(fields) {
	const sent = {...fields};
	for (const [name, limit] of Object.entries(TYPED)) {
		let text = sent[name] ?? '';
		if (typeof text !== 'string') text = typeof text === 'object' ? inspect(text) : String(text); // email[]=...
		// Text that remains does not consist of blanks; those behind it the service drops.
		if (name === 'email') text = text.replace(/^\p{White_Space}+/u, '');
		// A character has one unit of UTF-16 or two. Half of one is replaced.
		text = Buffer.from([...text.slice(0, 2 * limit)].slice(0, limit).join('')).toString();
		sent[name] = text || (name === 'attempt_id' ? randomUUID() : undefined);
	}
	return sent;
}

function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** Fields that it does not know are passed over; a decision that it does not know is no answer: null. */
function readAnswer(text) {
	const {decision, reasons = [], rules = [], degraded = false} = parse(text) ?? {};
	const isList = (list, type) => Array.isArray(list) && list.every((e) => e !== null && typeof e === type);
	if (!['allow', 'review', 'block'].includes(decision) || !isList(reasons, 'string') || !isList(rules, 'object') || typeof degraded !== 'boolean') return null;
	return {decision, reasons, rules, degraded};
}
