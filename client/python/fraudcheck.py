"""Asks a fraudcheck service before a card is charged.

    client = fraudcheck.Client("http://127.0.0.1:8080", "checkout", password)   # one for the process
    result = client.check({"ip": ip, "last4": "4242", "exp_month": 12, "exp_year": 2030})
    if result.decision == "block": ...                                          # do not charge

A check takes 100 ms at most. It is sent again once, with the same attempt_id, where the
connection was refused or broke in the first 60 ms; never after a time-out or an answer.
Outcomes are delivered in the background. Nothing of the shopper is in exceptions, faults,
counters or the log. A client may be used from many threads, and across fork.
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


class _NoAnswer(Exception):
    """Its argument is the cause."""


def _log_fault(fault):
    logging.getLogger("fraudcheck").error("this integration is wrong, nothing is checked: %s", fault)


class Client:
    """url is http://host:port, https://host:port (verified; context is an ssl.SSLContext in
    place of the default), or unix:/path of the service's socket. token is a bearer token in
    place of a user, or a function that returns one. on_failure says what a check without an
    answer returns: allow or review; or error, which raises Failure. on_fault is called, in a
    thread of its own, with path, status, code, field and request_id when the integration is
    wrong, such as a wrong password: until that is mended nothing is checked. timeout is the
    longest that a check takes, in seconds.
    """

    def __init__(self, url, username=None, password=None, *, token=None, on_failure="allow", on_fault=_log_fault, context=None, timeout=0.1):
        parts = urllib.parse.urlsplit(url)
        self._unix = parts.path if parts.scheme == "unix" else None
        if on_failure not in ("allow", "review", "error"):
            raise ValueError("fraudcheck: on_failure: expected allow, review or error")
        if parts.username or parts.query or not self._unix and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("fraudcheck: url: expected http://host:port, https://host:port or unix:/path, without credentials")
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._host, self._netloc = parts.hostname or "localhost", parts.netloc or "localhost"
        self._port = parts.port or (443 if self._context else 80)
        self._base = "" if self._unix else parts.path.rstrip("/")
        basic = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
        self._credentials = (lambda: "Bearer " + (token() if callable(token) else token)) if token else lambda: basic
        self._on_failure, self._on_fault, self._timeout = on_failure, on_fault, timeout
        self._counters = dict.fromkeys("checks answered failed_open retries faults outcomes_delivered outcomes_dropped".split(), 0)
        self._closed = False
        self._reset()
        # A child of fork has no threads, and must leave the parent's connections alone.
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: me() and me()._reset())

    def _reset(self):
        self._lock = threading.Condition()
        self._idle = []  # connections and since when
        self._queue, self._worker = collections.deque(), None
        self._lookup = None

    def check(self, attempt):
        """Asks about an attempt, a dict of ip, last4, exp_month, exp_year, ... as in the service's documentation."""
        attempt = _identified(attempt)
        attempt_id = attempt["attempt_id"]
        self._count("checks")
        try:
            result = _read(self._exchange("/v1/check", attempt, self._timeout, 200), attempt_id)
            self._count("answered")
            return result
        except _NoAnswer as e:
            cause = str(e)
        self._count("failed_open")
        if self._on_failure == "error":
            raise Failure(cause, attempt_id)
        return Result(self._on_failure, "failed_open", cause, attempt_id)

    def outcome(self, outcome):
        """Takes what the issuer answered, and returns at once: a dict of the attempt's fields with the
        attempt_id of its result, outcome (approved, declined or error) and, with declined, reason.
        It is delivered in the background, and again for up to an hour; it counts once."""
        self._enqueue(_identified(outcome), time.time())

    def close(self, timeout=5):
        """Tries once more to deliver each outcome that waits, for so many seconds at most."""
        with self._lock:
            self._closed, worker = True, self._worker
            self._lock.notify_all()
        if worker:
            worker.join(timeout)
        with self._lock:
            self._counters["outcomes_dropped"] += len(self._queue)
            self._queue.clear()
            while self._idle:
                self._idle.pop()[0].close()

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
            full = len(self._queue) == _MAX_QUEUED
            if full or self._closed:
                self._counters["outcomes_dropped"] += 1
            if self._closed:
                return
            if full:
                self._queue.popleft()
            self._queue.append((outcome, since))
            self._lock.notify_all()
            if not self._worker:
                self._worker = threading.Thread(target=self._deliver, daemon=True)
                self._worker.start()

    def _deliver(self):
        pause = 0.25
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                outcome, since = self._queue.popleft()
            try:
                self._exchange("/v1/outcomes", outcome, _OUTCOME_TIMEOUT, 202)
                self._count("outcomes_delivered")
                pause = 0.25
                continue
            except _NoAnswer as e:
                if str(e) == "fault" or time.time() - since > _MAX_AGE:
                    self._count("outcomes_dropped")
                    continue
            # Delivered late, it still counts from when the issuer answered.
            at = datetime.datetime.fromtimestamp(since, datetime.timezone.utc).isoformat(timespec="milliseconds")
            self._enqueue({"at": at, **outcome}, since)
            with self._lock:
                self._lock.wait_for(lambda: self._closed, pause)
            pause = min(2 * pause, 30)

    def _exchange(self, path, fields, timeout, expected):
        """Posts the fields, a second time where the connection broke early, and returns the answer's body."""
        begin = time.monotonic()
        # What is no text is replaced: a shopper must not be able to prevent the check.
        body = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
        try:
            try:
                status, answer = self._post(path, body, begin + timeout)
            except (ConnectionError, http.client.IncompleteRead, ssl.SSLEOFError):
                if time.monotonic() - begin >= timeout * 0.6:
                    raise
                self._count("retries")
                status, answer = self._post(path, body, begin + timeout)
        except ssl.SSLCertVerificationError:
            self._fault(path, 0, {"code": "certificate"})
        except socket.timeout:
            raise _NoAnswer("timeout") from None
        except (http.client.IncompleteRead, http.client.RemoteDisconnected, OSError):
            raise _NoAnswer("connection") from None
        except (http.client.HTTPException, ValueError):
            raise _NoAnswer("answer") from None
        if status == expected and len(answer) <= _MAX_ANSWER:
            return answer
        if status in (408, 429) or status >= 500:
            raise _NoAnswer("unavailable")
        if status >= 300:
            self._fault(path, status, _object(answer))
        raise _NoAnswer("answer")

    def _post(self, path, body, deadline):
        head = f"POST {self._base}{path} HTTP/1.1\r\nHost: {self._netloc}\r\nContent-Type: application/json\r\n" \
            f"Content-Length: {len(body)}\r\nAuthorization: {self._credentials()}\r\n\r\n"
        connection = self._kept() or self._connect(deadline)
        try:
            connection.settimeout(_left(deadline))
            connection.sendall(head.encode("latin-1") + body)
            reader = _Reader(connection, deadline)
            response = http.client.HTTPResponse(reader, method="POST")
            response.begin()
            reader.may_end = response.length is None and not response.chunked
            answer = response.read(_MAX_ANSWER + 1)
            if not response.isclosed() or response.will_close:
                connection.close()
                return response.status, answer
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append((connection, time.monotonic()))
        return response.status, answer

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
            addresses = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", self._unix)]
        else:
            addresses = self._resolve(deadline)
        for n, (family, kind, protocol, _, address) in enumerate(addresses, 1):
            s = socket.socket(family, kind, protocol)
            try:
                s.settimeout(_left(deadline))
                s.connect(address)
                if not self._unix:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                s.settimeout(_left(deadline))
                return self._context.wrap_socket(s, server_hostname=self._host) if self._context else s
            except BaseException as e:
                s.close()
                if n == len(addresses) or not isinstance(e, ConnectionRefusedError):
                    raise

    def _resolve(self, deadline):
        """Looks up the host's addresses in a thread, as getaddrinfo knows no deadline; one at a time."""
        def look_up(future):
            try:
                future.set_result(socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
            except Exception as e:
                future.set_exception(e)
            self._lookup = None
        with self._lock:
            future = self._lookup
            if future is None:
                future = self._lookup = concurrent.futures.Future()
                threading.Thread(target=look_up, args=(future,), daemon=True).start()
        try:
            return future.result(_left(deadline))
        except concurrent.futures.TimeoutError:
            raise socket.timeout from None

    def _fault(self, path, status, problem):
        self._count("faults")

        def shown(name, form):  # what does not look like the service's own might repeat what the shopper typed
            text = problem.get(name)
            return text if isinstance(text, str) and re.fullmatch(form, text) else ""

        fault = {"path": path, "status": status, "code": shown("code", "[a-z_]{1,40}"),
                 "field": shown("field", "[a-z_]{1,20}[0-9]?"), "request_id": shown("request_id", "[0-9A-Z]{26}")}
        threading.Thread(target=self._on_fault, args=(fault,), daemon=True).start()
        raise _NoAnswer("fault")


class _Reader(io.RawIOBase):
    """Reads from a connection until a deadline, however little comes at a time. It stands for
    the connection where http.client wants one."""

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


def _identified(fields):
    """Returns the fields with an attempt_id."""
    return {**fields, "attempt_id": fields.get("attempt_id") or uuid.uuid4().hex}


def _object(text):
    """Returns the JSON object, or an empty one in place of anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}


def _read(answer, attempt_id):
    """Fields that it does not know are passed over; a decision that it does not know is no answer."""
    a = _object(answer)
    decision, reasons, rules, degraded = a.get("decision"), a.get("reasons", []), a.get("rules", []), a.get("degraded", False)
    if decision not in ("allow", "review", "block") or not isinstance(degraded, bool) \
            or not isinstance(reasons, list) or not all(isinstance(r, str) for r in reasons) \
            or not isinstance(rules, list) or not all(isinstance(r, dict) for r in rules):
        raise _NoAnswer("answer")
    return Result(decision, "service", "", attempt_id, reasons, rules, degraded)
