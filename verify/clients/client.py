"""Makes calls as a checkout does, and prints how many were answered 200.

client.py http.client|urllib|requests URL USER PASSWORD CALLS
"""
import base64, http.client, json, sys, urllib.parse, urllib.request

library, url, user, password, calls = sys.argv[1:]
card = {"last4": "4242", "exp_month": 12, "exp_year": 2030}
body = json.dumps(dict(card, **({"ip": "203.0.113.7"} if url.endswith("/check") else {"per": "card"})))
method = "GET" if "/addresses/" in url else "POST"
headers = {
    "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
}
if method == "POST":
    headers["Content-Type"] = "application/json"
else:
    body = None
good = 0
if library == "http.client":
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    for _ in range(int(calls)):
        connection.request(method, urllib.parse.urlsplit(url).path, body, headers)
        answer = connection.getresponse()
        answer.read()
        good += answer.status == 200
elif library == "urllib":
    for _ in range(int(calls)):
        request = urllib.request.Request(url, body and body.encode(), headers)
        with urllib.request.urlopen(request) as answer:
            good += answer.status == 200
else:
    import requests
    session = requests.Session()
    for _ in range(int(calls)):
        good += session.request(method, url, data=body, headers=headers).status_code == 200
print(good)
