"""Checks before and after fork, from many threads, and prints how many were answered by the service: URL PASSWORD."""
import os, sys, threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../client/python"))
import fraudcheck

client = fraudcheck.Client(sys.argv[1], "checkout", sys.argv[2], timeout=10)


def ask(who, answered, calls=25):
    for n in range(calls):
        result = client.check({"ip": "203.0.113.7", "card_id": f"{who}-{n}"})
        answered.append(result.source == "service")


def threads(who):
    answered = []
    asking = [threading.Thread(target=ask, args=(f"{who}-{t}", answered)) for t in range(4)]
    for t in asking:
        t.start()
    client.outcome({"ip": "203.0.113.7", "card_id": who, "outcome": "declined"})
    for t in asking:
        t.join()
    client.close()
    return sum(answered)


ask("before", [])  # leaves a kept connection
client.outcome({"ip": "203.0.113.7", "card_id": "before", "outcome": "declined"})
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        os._exit(threads(f"child-{child}"))  # at most 100
    children.append(pid)
print(25 + threads("parent") + sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
