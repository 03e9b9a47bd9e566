#!/usr/bin/env bash
# Shows what Prometheus sees of an attack: scrapes two instances as prometheus.yml
# says, every second and on free ports, while k6/attack.js runs against them, and
# asks what a dashboard would ask.
#
# Fails when the attack does, when an instance cannot be scraped, or when the
# instances have not counted exactly the checks that k6 sent.
set -euo pipefail
cd "$(dirname "$0")/../.."
. k6/instances.sh

for program in prometheus promtool; do
  need "$program" prometheus "what Prometheus sees of an attack"
done

ask() { promtool query instant "$server" "$1"; }

# becomes QUERY VALUE: waits until that is the answer.
becomes() {
  local answer=
  for _ in {1..60}; do
    answer=$(ask "$1" 2>/dev/null | sed -n 's/.* => \([^ ]*\) @.*/\1/p') || true
    if [[ $answer = "$2" ]]; then return; fi
    sleep 0.25
  done
  echo "$1: expected $2, got ${answer:-no answer}" >&2
  return 1
}

start_two
sed -e "s/127.0.0.1:8081/${operators[0]}/; s/127.0.0.1:8181/${operators[1]}/" \
  -e 's/scrape_interval: .*/scrape_interval: 1s/' -e "s|\[recordings.yaml, alerts.yaml\]|[$PWD/deploy/prometheus/recordings.yaml, $PWD/deploy/prometheus/alerts.yaml]|" deploy/prometheus/prometheus.yml >"$dir/prometheus.yml"
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/prometheus" \
  --web.listen-address=127.0.0.1:0 >"$dir/prometheus.log" 2>&1 &
server=http://$(await $! "$dir/prometheus.log" 's/.*msg="Listening on" address=//p')
becomes 'count(up == 1)' 2

run_k6 k6/attack.js
sent=$(sed -n '/"http_reqs": {/,/}/s/.*"count": \([0-9]*\).*/\1/p' "$dir/summary.json")
becomes 'sum(fraudcheck_checks_total)' "$sent"

echo "k6 sent $sent checks. Prometheus:"
while read -r query; do
  printf '\n%s\n' "$query"
  ask "$query" | sed 's/^/  /'
done <<'END_OF_QUERIES'
sum by (decision) (fraudcheck_checks_total)
sum(rate(fraudcheck_http_requests_total[10s])) by (code)
histogram_quantile(0.99, sum by (le) (rate(fraudcheck_check_duration_seconds_bucket[30s])))
sum by (op, result) (fraudcheck_store_operations_total) > 0
sum(fraudcheck_degraded_checks_total)
up
END_OF_QUERIES

# As it was at the end, and not only at the start.
becomes 'count(up == 1)' 2
stop_all
