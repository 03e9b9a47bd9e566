"""A shop with one route, which asks fraudcheck before it charges."""
import http.server
import json
import pathlib
import signal
import sys
import urllib.parse

here = pathlib.Path(__file__).resolve().parent
sys.path += [str(here.parent / 'address'), str(here.parent.parent / 'client' / 'python')]
import logging
import os
import re

import fraudcheck
from address import behind

checks = fraudcheck.Client(  # one for the process
    os.environ['CHECK_URL'], 'checkout', os.environ['CHECK_PASSWORD'],
    on_fault=lambda fault: logging.error('wake an engineer: %s', fault))
shopper = behind([['127.0.0.1', '::1']])  # one proxy, nginx on this machine

# The decline codes of your payment provider; what is missing is reported as other.
REASONS = {'incorrect_number': 'invalid_number', 'incorrect_cvc': 'invalid_credentials', 'insufficient_funds': 'insufficient_funds'}


def charge(form, three_d_secure):
    """Stands for your payment provider. Returns a decline code, or None when it charged."""
    return {'0002': 'generic_decline', '0127': 'incorrect_cvc'}.get(form.get('last4'))


# What a shopper sends must not make the check fail: that would be a way around it.
VALID = re.compile(r'[0-9]{4} (0[1-9]|1[0-2])/[0-9]{2} [^\s@]{1,64}@[^\s@]{1,190}')


def pay(form, ip):
    fields = last4, expiry, email = [form.get(field) for field in ('last4', 'expiry', 'email')]
    if not (all(isinstance(field, str) for field in fields) and VALID.fullmatch(' '.join(fields))):  # JSON has numbers and lists
        return 422, 'Please look at what you entered.'
    attempt = {'ip': ip, 'last4': last4, 'expiry': expiry, 'email': email}
    result = checks.check(attempt)
    if result.source != 'service':
        logging.warning('not checked: %s', result.cause)
    if result.decision == 'block':
        return 402, 'We cannot take this payment now. Please try again later, or pay another way.'
    code = charge(form, three_d_secure=result.decision == 'review')

    outcome = {**attempt, 'attempt_id': result.attempt_id, 'outcome': 'declined' if code else 'approved'}
    if code:
        outcome['reason'] = REASONS.get(code, 'other')
    checks.outcome(outcome)  # returns at once: it is delivered in the background
    return (402, 'Your bank has declined this payment.') if code else (200, 'Thank you!')


class Shop(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0))).decode()
        form = json.loads(body) if self.headers.get('Content-Type') == 'application/json' else dict(urllib.parse.parse_qsl(body))
        ip = shopper(self.client_address[0], ','.join(self.headers.get_all('X-Forwarded-For', [])))
        status, text = pay(form, ip)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode() + b'\n')


if __name__ == '__main__':
    host, port = os.environ.get('LISTEN', '127.0.0.1:9000').split(':')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        http.server.ThreadingHTTPServer((host, int(port)), Shop).serve_forever()
    finally:
        checks.close()  # delivers the outcomes that wait
