#!/usr/bin/env bash
# Runs k6 scripts, each against a fresh program on a free port of the loopback.
#
#   k6/run.sh [smoke]...    those named, or all
#
# Ends at the first failure with k6's exit code, or with 1 when the program did
# not stop cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(smoke)
k6_version=v1.8.1

# What is set for other runs must not steer this one.
unset "${!FRAUDCHECK_@}" "${!K6_@}"

gobin=$(go env GOPATH)/bin
PATH=$PATH:$gobin
if ! command -v k6 >/dev/null; then
  echo "k6 is missing: installing $k6_version into $gobin"
  GOBIN=$gobin go install "go.k6.io/k6@$k6_version"
fi

dir=$(mktemp -d)
log=$dir/log
program= # its process id while it runs
base_url=

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
password=$(random)
analyst_password=$(random)

start() {
  : >"$log" # the last program's address must not be read in its place
  "$dir/fraudcheck" --config "$dir/config.yaml" >"$log" 2>&1 &
  program=$!
  local address
  for _ in {1..50}; do
    address=$(sed -n 's/.* Listening on \([^ ]*\) .*/\1/p' "$log")
    if [[ $address ]]; then
      base_url=http://$address
      return
    fi
    kill -0 "$program" 2>/dev/null || break
    sleep 0.1
  done
  echo "the program does not listen" >&2
  return 1
}

# stop returns the program's exit code.
stop() {
  local pid=$program
  program=
  kill -TERM "$pid" 2>/dev/null || true
  for _ in {1..100}; do
    if ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid"
      return
    fi
    sleep 0.1
  done
  echo "the program does not stop" >&2
  kill -KILL "$pid"
  wait "$pid"
}

finish() {
  local code=$?
  trap - EXIT
  if [[ $program ]]; then
    stop || code=$((code ? code : 1))
  fi
  if ((code)) && [[ -s $log ]]; then
    echo "the program's last lines:" >&2
    tail -n 20 "$log" >&2
  fi
  rm -rf "$dir"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

go build -o "$dir/fraudcheck" ./cmd/fraudcheck
# Without rules it is the default one that is put to the test.
cat >"$dir/config.yaml" <<END
listen: 127.0.0.1:0
auth:
  basic:
    users:
      - {username: shop, password: "$password", roles: [checker]}
      - {username: analyst, password: "$analyst_password", roles: [analyst]}
END

(($#)) || set -- "${all[@]}"
for script; do
  start
  k6 run --quiet --no-usage-report --address '' \
    -e BASE_URL="$base_url" -e USERNAME=shop -e PASSWORD="$password" \
    -e ANALYST_USERNAME=analyst -e ANALYST_PASSWORD="$analyst_password" \
    "k6/$script.js"
  stop || {
    echo "the program did not stop cleanly" >&2
    exit 1
  }
done
