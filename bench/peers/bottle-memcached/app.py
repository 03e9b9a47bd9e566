"""Counts the different cards of an address: a list of their hashes in memcached,
which expires an hour after the last attempt. Over five are blocked."""

import hashlib
import hmac
import ipaddress
import os
import re

import bottle
from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheError

BLOCK_OVER = 5
WINDOW = 3600  # seconds

app = bottle.default_app()
password = os.environ["PEER_PASSWORD"].encode()
cards_of = PooledClient(os.environ["MEMCACHED"], connect_timeout=3, timeout=3, no_delay=True)


def is_caller(user, given):
    return user == "bench" and hmac.compare_digest(given.encode(), password)


def fingerprint(fields):
    last4, month, year = str(fields["last4"]), int(fields["exp_month"]), int(fields["exp_year"])
    if not (re.fullmatch("[0-9]{4}", last4) and 1 <= month <= 12):
        raise ValueError
    return hashlib.sha256(f"{last4}{month:02}{year % 100:02}".encode()).hexdigest()


@app.post("/v1/check")
@bottle.auth_basic(is_caller)
def check():
    try:
        address = ipaddress.ip_address(bottle.request.json["ip"])
        card = fingerprint(bottle.request.json)
    except (KeyError, TypeError, ValueError):
        raise bottle.HTTPError(400)
    key = f"cards:{address}"
    try:
        cards = (cards_of.get(key) or b"").decode().split()
        # Over the limit one more changes nothing.
        if card not in cards and len(cards) <= BLOCK_OVER:
            cards.append(card)
        cards_of.set(key, " ".join(cards), expire=WINDOW)
    except (MemcacheError, OSError):
        raise bottle.HTTPError(503)
    return {"decision": "block" if len(cards) > BLOCK_OVER else "allow"}
