#!/usr/bin/env bash
# Runs k6 scripts, each against programs of its own.
#
#   k6/run.sh [SCRIPT]...      those named; without a name, smoke and attack
#
#   smoke      one instance, embedded store: every promise of one call
#   attack     two instances, memcached: exactly block_over pass
#   steady     two instances: a constant rate; p99 below 100 ms, nothing lost
#   checkout   two instances: a whole checkout, with retries and outcomes
#   botnet     one instance: a card per address; what the metrics see of it
#   ramp       two instances: more and more; where the knee is
#   soak       two instances: half an hour; nothing grows
#
# RATE is checks a second, DURATION such as 30s (ramp: of each step), MOST ramp's last step.
# SUMMARIES is a folder for each script's summary, as text and JSON.
#
# Ends at the first failure with k6's exit code, or with 1 when a program did not
# stop cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."

(($#)) || set -- smoke attack
for script; do
  [[ $script =~ ^(smoke|attack|steady|checkout|botnet|ramp|soak)$ ]] || {
    echo "no such script: $script" >&2
    exit 2
  }
done

. k6/instances.sh

for script; do
  echo "$script"
  case $script in
    smoke | attack) budget=5s answer=5s ;;
    *) budget=50ms answer=80ms ;; # the defaults
  esac
  write_config
  case $script in
    smoke | botnet) start_instance ;;
    *) start_two ;;
  esac
  run_k6 "k6/$script.js"
  stop_all
done
