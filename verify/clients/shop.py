"""Does what the lines of standard input say with our Python client, and answers each with a line.

Each line is a JSON object: {"do": "new", "options": {...}}, {"do": "check", "fields": {...}},
{"do": "outcome", "fields": {...}}, {"do": "counters"}, {"do": "faults"}, {"do": "close"}, {"do": "sleep", "ms": 100}.
"bytes" beside fields are more fields, in hexadecimal digits.
"""
import json, os, ssl, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../client/python"))
import fraudcheck

client, faults = None, []
for line in sys.stdin:
    command = json.loads(line)
    options, fields, answer = command.get("options"), command.get("fields"), {}
    for name, digits in command.get("bytes", {}).items():
        fields[name] = bytes.fromhex(digits).decode(errors="surrogateescape")  # as WSGI does
    begin = time.monotonic()
    if command["do"] == "new":
        context = ssl.create_default_context(cafile=options["ca"]) if options.get("ca") else None
        client = fraudcheck.Client(options["url"], "checkout", options["password"], on_failure=options["policy"],
                                   on_fault=faults.append, timeout=options["ms"] / 1000, context=context)
    elif command["do"] == "check":
        try:
            r = client.check(fields)
            answer = {"decision": r.decision, "source": r.source, "cause": r.cause, "attempt_id": r.attempt_id}
        except fraudcheck.Failure as e:
            answer = {"failure": str(e), "cause": e.cause}
    elif command["do"] == "outcome":
        client.outcome(fields)
    elif command["do"] == "counters":
        answer = {"counters": client.counters}
    elif command["do"] == "faults":
        answer = {"faults": faults}
    elif command["do"] == "close":
        client.close()
    elif command["do"] == "sleep":
        time.sleep(command["ms"] / 1000)
    answer["ms"] = (time.monotonic() - begin) * 1000
    print(json.dumps(answer), flush=True)
