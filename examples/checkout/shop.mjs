// A shop with one route, which asks fraudcheck before it charges.
import http from 'node:http'
import { Client } from '../../client/node/fraudcheck.mjs'
import { behind } from '../address/address.mjs'

const checks = new Client({ // one for the process
  url: process.env.CHECK_URL, username: 'checkout', password: process.env.CHECK_PASSWORD,
  onFault: (fault) => console.error('wake an engineer:', fault),
})
const shopper = behind([['127.0.0.1', '::1']]) // one proxy, nginx on this machine

// The decline codes of your payment provider; what is missing is reported as other.
const reasons = { incorrect_number: 'invalid_number', incorrect_cvc: 'invalid_credentials', insufficient_funds: 'insufficient_funds' }

// charge stands for your payment provider. It returns a decline code, or undefined when it charged.
async function charge(form, { threeDSecure }) {
  return { '0002': 'generic_decline', '0127': 'incorrect_cvc' }[form.last4]
}

// What a shopper sends must not make the check fail: that would be a way around it.
const valid = /^\d{4} (0[1-9]|1[0-2])\/\d\d [^\s@]{1,64}@[^\s@]{1,190}$/

async function pay(form, ip) {
  const fields = [form.last4, form.expiry, form.email]
  if (!fields.every((field) => typeof field === 'string') || !valid.test(fields.join(' '))) { // a field sent twice may be a list
    return [422, 'Please look at what you entered.']
  }
  const attempt = { ip, last4: form.last4, expiry: form.expiry, email: form.email }
  const result = await checks.check(attempt)
  if (result.source !== 'service') console.error('not checked:', result.cause)
  if (result.decision === 'block') {
    return [402, 'We cannot take this payment now. Please try again later, or pay another way.']
  }
  const code = await charge(form, { threeDSecure: result.decision === 'review' })

  const outcome = { ...attempt, attempt_id: result.attempt_id, outcome: code ? 'declined' : 'approved' }
  if (code) outcome.reason = reasons[code] ?? 'other'
  checks.outcome(outcome) // returns at once: it is delivered in the background
  return code ? [402, 'Your bank has declined this payment.'] : [200, 'Thank you!']
}

async function answer(request, response) {
  let body = ''
  for await (const part of request) body += part
  const form = request.headers['content-type'] === 'application/json' ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body))
  const ip = shopper(request.socket.remoteAddress, request.headers['x-forwarded-for'])
  const [status, text] = await pay(form, ip)
  response.writeHead(status).end(text + '\n')
}
const [host, port] = (process.env.LISTEN ?? '127.0.0.1:9000').split(':')
http.createServer((request, response) => {
  answer(request, response).catch(() => response.destroy()) // no charge for what is no form
}).listen(Number(port), host)
process.on('SIGTERM', () => checks.close().then(() => process.exit())) // delivers the outcomes that wait
