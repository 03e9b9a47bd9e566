"""Asks a fraudcheck service before a card is charged.

    client = fraudcheck.Client("http://127.0.0.1:8080", "checkout", password)   # one for the process
    result = client.check({"ip": ip, "last4": "4242", "exp_month": 12, "exp_year": 2030})
    if result.decision == "block": ...                                          # do not charge

A check takes 100 ms at most. It is sent again once, with the same attempt_id, where the connection was refused
or broke in the first 60 ms; never after a time-out or an answer. Outcomes are delivered in the background.
Nothing of the shopper is in exceptions, faults, counters or the log.
"""
import base64
import collections
import concurrent.futures
import dataclasses
import datetime
import http.client
import io
import json
import logging
import os
import re
import reprlib
import socket
import ssl
import threading
import time
import urllib.parse
import uuid
import weakref

_MAX_ANSWER = 65536  # bytes
_MAX_IDLE = 60  # seconds; the service closes a connection after 75
_MAX_QUEUED = 1000  # outcomes; the oldest make room
_MAX_AGE = 3600  # seconds, of an outcome that cannot be delivered
_OUTCOME_TIMEOUT = 2  # seconds, of one delivery
_FIRST_PAUSE, _MAX_PAUSE = 0.25, 30  # seconds, after a delivery failed; it doubles with each further one
# What the shopper types or brings along, and how many characters the service takes of it.
_TYPED = {"email": 256, "device": 256, "cart": 256, "account": 256, "attempt_id": 128}


@dataclasses.dataclass(frozen=True)
class Result:
    decision: str  # allow, review or block
    source: str  # service, or failed_open: the client's policy, without an answer
    cause: str  # of failed_open: timeout, connection, unavailable, fault or answer
    attempt_id: str  # send it with the outcome
    reasons: list = dataclasses.field(default_factory=list)  # the rules that decided
    rules: list = dataclasses.field(default_factory=list)  # what each rule found
    degraded: bool = False  # the service decided without its shared store


class Failure(Exception):
    """A check without an answer, with the policy error."""

    def __init__(self, cause, attempt_id):
        super().__init__("fraudcheck: no answer: " + cause)
        self.cause, self.attempt_id = cause, attempt_id


class Client:
    """May be used from many threads, and across fork.

    url is http://host:port, https://host:port (verified, by context where it is given), or unix:/path of the
    service's socket. token is a bearer token in place of a user, or a function that returns one. on_failure says
    what a check without an answer returns: allow or review; or error, which raises Failure. on_fault is called, in
    a thread of its own, with a dict of path, status, code, field and request_id when the integration is wrong, such
    as a wrong password: until that is mended nothing is checked. timeout of a check is in seconds.
    """

    def __init__(self, url, username="", password="", *, token=None, on_failure="allow", on_fault=None, context=None, timeout=0.1):
        parts = urllib.parse.urlsplit(url)
        self._unix = parts.path if parts.scheme == "unix" else None
        if parts.username or parts.query or not self._unix and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("fraudcheck: url: expected http://host:port, https://host:port or unix:/path, without credentials")
        if on_failure not in ("allow", "review", "error"):
            raise ValueError("fraudcheck: on_failure: expected allow, review or error")
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host, self._netloc = parts.hostname or "localhost", parts.netloc or "localhost"
        self._port = parts.port or (443 if self._context else 80)
        self._base = "" if self._unix else parts.path.rstrip("/")
        basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        self._credentials = (lambda: "Bearer " + (token() if callable(token) else token)) if token else lambda: basic
        self._on_failure, self._on_fault, self._timeout = on_failure, on_fault or _log_fault, timeout
        self._counters = dict.fromkeys("checks answered failed_open retries faults outcomes_delivered outcomes_dropped".split(), 0)
        self._closed = False
        self._reset()
        if hasattr(os, "register_at_fork"):
            me = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: me() and me()._reset())

    def _reset(self):
        """A child of fork has no threads, and leaves the parent's connections and outcomes alone."""
        self._lock = threading.Condition()
        self._idle = []  # connections, and since when
        self._queue, self._worker = collections.deque(), None
        self._connector = concurrent.futures.ThreadPoolExecutor(64)

    def check(self, attempt):
        """Asks about an attempt: a dict of ip, last4, exp_month, exp_year, ... as the service's documentation has it."""
        attempt = _acceptable(attempt)
        self._count("checks")
        cause, answer = self._exchange("/v1/check", attempt, self._timeout, 200)
        read = _read(answer) if not cause else None
        if read:
            self._count("answered")
            return Result(read.pop("decision"), "service", "", attempt["attempt_id"], **read)
        self._count("failed_open")
        if self._on_failure == "error":
            raise Failure(cause or "answer", attempt["attempt_id"])
        return Result(self._on_failure, "failed_open", cause or "answer", attempt["attempt_id"])

    def outcome(self, outcome):
        """Takes what the issuer answered, and returns at once: a dict of the attempt's fields with the attempt_id of
        its result, outcome (approved, declined or error) and, with declined, reason. It is delivered in the
        background, and again for up to an hour; it counts once."""
        self._enqueue(_acceptable(outcome), time.time())

    def close(self, timeout=5):
        """Tries once more to deliver each outcome that waits, for that many seconds at most."""
        with self._lock:
            self._closed, worker = True, self._worker
            self._lock.notify_all()
        if worker:
            worker.join(timeout)
        with self._lock:
            self._counters["outcomes_dropped"] += len(self._queue)
            self._queue.clear()
            self._idle.clear()

    @property
    def counters(self):
        """Numbers since the client was made, by name."""
        with self._lock:
            return dict(self._counters, outcomes_waiting=len(self._queue))

    def _count(self, name):
        with self._lock:
            self._counters[name] += 1

    def _enqueue(self, outcome, since):
        with self._lock:
            if self._closed or len(self._queue) == _MAX_QUEUED:
                self._counters["outcomes_dropped"] += 1
            if self._closed:
                return
            if len(self._queue) == _MAX_QUEUED:
                self._queue.popleft()
            self._queue.append((outcome, since))
            self._lock.notify_all()
            if not self._worker:
                self._worker = threading.Thread(target=self._deliver, daemon=True)
                self._worker.start()

    def _deliver(self):
        pause = _FIRST_PAUSE
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                outcome, since = self._queue.popleft()
            cause, _ = self._exchange("/v1/outcomes", outcome, _OUTCOME_TIMEOUT, 202)
            if not cause:
                self._count("outcomes_delivered")
                pause = _FIRST_PAUSE
            elif cause == "fault" or time.time() - since > _MAX_AGE:
                self._count("outcomes_dropped")
            else:
                # Delivered late, it still counts from when the issuer answered.
                at = datetime.datetime.fromtimestamp(since, datetime.timezone.utc).isoformat(timespec="milliseconds")
                self._enqueue({"at": at, **outcome}, since)
                with self._lock:
                    self._lock.wait_for(lambda: self._closed, pause)
                pause = min(2 * pause, _MAX_PAUSE)

    def _exchange(self, path, fields, timeout, expected):
        """Posts the fields, a second time where the connection broke early; returns the cause, or "" and the body."""
        begin = time.monotonic()
        try:
            # As UTF-8: with escapes, long texts would pass the 8 KiB that the service takes.
            body = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
            try:
                status, answer = self._post(path, body, begin + timeout)
            except (ConnectionError, ssl.SSLEOFError):
                if time.monotonic() - begin >= timeout * 0.6:
                    raise
                self._count("retries")
                status, answer = self._post(path, body, begin + timeout)
        except ssl.SSLCertVerificationError:
            return self._fault(path, 0, {"code": "certificate"})
        except (socket.timeout, concurrent.futures.TimeoutError):
            return "timeout", b""
        except OSError:
            return "connection", b""
        except Exception:  # http.client's for what is not HTTP
            return "answer", b""
        if status == expected and len(answer) <= _MAX_ANSWER:
            return "", answer
        if status in (408, 429) or status >= 500:
            return "unavailable", b""
        return self._fault(path, status, _object(answer)) if status >= 300 else ("answer", b"")

    def _post(self, path, body, deadline):
        head = f"POST {self._base}{path} HTTP/1.1\r\nHost: {self._netloc}\r\nContent-Type: application/json\r\n" \
            f"Content-Length: {len(body)}\r\nAuthorization: {''.join(self._credentials().splitlines())}\r\n\r\n"
        connection = self._kept() or self._connect(deadline)
        try:
            connection.settimeout(_left(deadline))
            connection.sendall(head.encode() + body)
            reader = _Reader(connection, deadline)
            response = http.client.HTTPResponse(reader, method="POST")
            response.begin()
            reader.may_end = response.length is None and not response.chunked
            answer = response.read(_MAX_ANSWER + 1)
            if response.isclosed() and not response.will_close:  # the whole answer was read
                with self._lock:
                    self._idle.append((connection, time.monotonic()))
                    connection = None
            return response.status, answer
        finally:
            if connection:
                connection.close()

    def _kept(self):
        """Returns a kept connection that the service has not closed, or None."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, since = self._idle.pop()
            try:
                if time.monotonic() - since < _MAX_IDLE:
                    connection.settimeout(0)
                    connection.recv(1)  # its end, or bytes that answer nothing
            except (BlockingIOError, ssl.SSLWantReadError):
                return connection
            except OSError:
                pass
            connection.close()

    def _connect(self, deadline):
        if self._unix:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(_left(deadline))
            s.connect(self._unix)
        else:  # in a thread: the look-up of a name knows no deadline
            connecting = self._connector.submit(socket.create_connection, (self._host, self._port), _OUTCOME_TIMEOUT)
            try:
                s = connecting.result(_left(deadline))
            finally:
                connecting.cancel()
        s.settimeout(_left(deadline))
        return self._context.wrap_socket(s, server_hostname=self._host) if self._context else s

    def _fault(self, path, status, problem):
        self._count("faults")
        fault = {"path": path, "status": status}
        for name, form in ("code", "[a-z_]{1,40}"), ("field", "[a-z_]{1,20}[0-9]?"), ("request_id", "[0-9A-Z]{26}"):
            text = problem.get(name)
            # What does not look like the service's own is not shown: it might repeat what the shopper typed.
            fault[name] = text if isinstance(text, str) and re.fullmatch(form, text) else ""
        threading.Thread(target=self._on_fault, args=(fault,), daemon=True).start()
        return "fault", b""


class _Reader(io.RawIOBase):
    """Reads from a connection until a deadline, however little comes at a time; http.client takes it for the connection."""

    may_end = False  # the answer has no length: it ends with the connection

    def __init__(self, connection, deadline):
        self._connection, self._deadline = connection, deadline

    def makefile(self, _):
        return io.BufferedReader(self)

    def readable(self):
        return True

    def readinto(self, buffer):
        self._connection.settimeout(_left(self._deadline))
        n = self._connection.recv_into(buffer)
        if n == 0 and not self.may_end:
            raise ConnectionResetError
        return n


def _left(deadline):
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout
    return left


def _log_fault(fault):
    logging.getLogger("fraudcheck").error("this integration is wrong, nothing is checked: %s", fault)


def _acceptable(fields):
    """The fields with an attempt_id, and with what the shopper types made such that the service takes it: a shopper
    must not be able to prevent the check. All else is the shop's, and stays as it is."""
    fields = dict(fields)
    for name, limit in _TYPED.items():
        value = fields.pop(name, None)
        text = "" if value is None else reprlib.repr(value) if isinstance(value, (list, dict)) else str(value)
        if name == "email":
            text = text.lstrip()  # what remains does not consist of blanks; those behind it the service drops
        if text:
            fields[name] = text[:limit].encode(errors="replace").decode()  # half a pair of UTF-16 is no text
    fields.setdefault("attempt_id", uuid.uuid4().hex)
    return fields


def _object(text):
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


def _read(answer):
    """Fields that it does not know are passed over; a decision that it does not know is no answer: None."""
    a = _object(answer)
    read = {"decision": a.get("decision"), "reasons": a.get("reasons", []), "rules": a.get("rules", []), "degraded": a.get("degraded", False)}
    right = read["decision"] in ("allow", "review", "block") and isinstance(read["degraded"], bool) \
        and isinstance(read["reasons"], list) and all(isinstance(r, str) for r in read["reasons"]) \
        and isinstance(read["rules"], list) and all(isinstance(r, dict) for r in read["rules"])
    return read if right else None
