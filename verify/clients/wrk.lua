wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"ip":"203.0.113.7","last4":"4242","exp_month":12,"exp_year":2030}'
