# shellcheck shell=bash
# Functions that build the program, start instances of it and a memcached on free ports
# of the loopback, and run k6 against them. Source it in bash with -euo pipefail, at the
# top of the project. All files go to $dir; all processes end with the script.

# Settings in the environment must not reach the program.
unset "${!FRAUDCHECK_@}" "${!K6_@}"

# What the caller says of how hard and how long: see k6/options.js.
k6_env=()
for name in RATE DURATION MOST; do
  if [[ ${!name-} ]]; then k6_env+=(-e "$name=${!name}"); fi
done

go list -m >/dev/null || {
  echo "fraudcheck needs Go 1.26 or newer, see https://go.dev/dl" >&2
  exit 1
}
k6_version=v1.8.1
gobin=$(go env GOPATH)/bin
PATH=$PATH:$gobin
if ! command -v k6 >/dev/null; then
  echo "k6 is missing: installing $k6_version into $gobin"
  GOBIN=$gobin go install "go.k6.io/k6@$k6_version"
fi

dir=$(mktemp -d)
instances=() # their process ids
base_urls=() # their callers' doors
operators=() # their operators' doors, host:port

# need PROGRAM PACKAGE WHAT_FOR: says what is missing, and installs it when run by root.
need() {
  if command -v "$1" >/dev/null; then return; fi
  echo "$1 is missing: needed for $3"
  if ((EUID == 0)) && apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null; then
    return
  fi
  echo "cannot install $1" >&2
  return 1
}

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# await PID FILE EXPRESSION: waits until sed finds something in the file that the process
# writes, and prints it.
await() {
  local found
  for _ in {1..100}; do
    found=$(sed -n "$3" "$2" 2>/dev/null) || true
    if [[ $found ]]; then
      echo "$found"
      return
    fi
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  echo "$2: what was started does not listen" >&2
  return 1
}

# start_instance [FLAG]...
start_instance() {
  local log address
  log=$dir/instance$((${#instances[@]} + 1)).log
  "$dir/fraudcheck" --config "$dir/config.yaml" --operator-listen 127.0.0.1:0 "$@" >"$log" 2>&1 &
  instances+=($!)
  address=$(await $! "$log" 's/.* Listening on \([^ ]*\) .*/\1/p')
  base_urls+=("http://$address")
  address=$(await $! "$log" 's/.* Operators on \(.*\)/\1/p')
  operators+=("$address")
}

# start_two: instances that share a memcached and the hash key.
start_two() {
  need memcached memcached "the shared store"
  local address port_file=$dir/memcached.port as=()
  rm -f "$port_file"
  ((EUID)) || as=(-u root)
  # -p -1 takes a free port, which the file then names.
  MEMCACHED_PORT_FILENAME=$port_file memcached "${as[@]}" -l 127.0.0.1 -p -1 -U 0 >"$dir/memcached.log" 2>&1 &
  address=127.0.0.1:$(await $! "$port_file" 's/^TCP INET: //p')
  head -c 64 /dev/urandom >"$dir/hash.key"
  for _ in 1 2; do
    start_instance --store memcached --memcached-servers "$address" --hash-key-file "$dir/hash.key"
  done
}

# run_k6 SCRIPT: writes k6's numbers to $dir/summary.json, and leaves them with k6's text in
# $SUMMARIES, where that is set.
run_k6() {
  local urls operator_urls name code=0
  urls=$(IFS=,; echo "${base_urls[*]}")
  operator_urls=$(IFS=,; echo "${operators[*]/#/http://}")
  # In the background it does not hold up the trap.
  k6 run --quiet --no-usage-report --address '' --summary-export "$dir/summary.json" \
    -e BASE_URL="${base_urls[0]}" -e BASE_URLS="$urls" -e OPERATOR_URLS="$operator_urls" -e USERNAME=shop -e PASSWORD="$password" \
    -e ANALYST_USERNAME=analyst -e ANALYST_PASSWORD="$analyst_password" "${k6_env[@]}" "$1" > >(tee "$dir/summary.txt") &
  wait $! || code=$?
  if [[ ${SUMMARIES-} ]]; then
    name=$(basename "$1" .js)
    mkdir -p "$SUMMARIES"
    cp "$dir/summary.json" "$SUMMARIES/$name.json"
    cp "$dir/summary.txt" "$SUMMARIES/$name.txt"
  fi
  return $code
}

# stop PID: returns its exit code.
stop() {
  kill -TERM "$1" 2>/dev/null || true
  for _ in {1..100}; do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  if kill -KILL "$1" 2>/dev/null; then
    echo "process $1 did not stop by itself" >&2
  fi
  wait "$1"
}

# stop_all ends all processes, memcached last. It fails when an instance did not stop
# cleanly.
stop_all() {
  local pid clean=0
  for pid in "${instances[@]}"; do
    stop "$pid" || clean=1
  done
  instances=() base_urls=() operators=()
  for pid in $(jobs -rp); do
    stop "$pid" || true
  done
  ((!clean)) || echo "the program did not stop cleanly" >&2
  return $clean
}

finish() {
  local code=$?
  trap - EXIT
  stop_all || code=$((code ? code : 1))
  if ((code)); then
    tail -n 20 "$dir"/*.log >&2 2>/dev/null || true
  fi
  rm -rf "$dir"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

password=$(random)
analyst_password=$(random)
go build -o "$dir/fraudcheck" ./cmd/fraudcheck
# Without rules the default rule is in force. smoke and attack do not judge latency: there the
# store has long to answer, so that a busy machine does not make answers degraded.
budget=5s answer=5s
write_config() {
  cat >"$dir/config.yaml" <<END_OF_CONFIG
listen: 127.0.0.1:0
store: {budget: $budget}
limits: {answer: $answer}
auth:
  basic:
    users:
      - {username: shop, password: "$password", roles: [checker]}
      - {username: analyst, password: "$analyst_password", roles: [analyst]}
END_OF_CONFIG
}
write_config
