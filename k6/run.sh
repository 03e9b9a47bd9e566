#!/usr/bin/env bash
# Runs k6 scripts, each against programs of its own.
#
#   k6/run.sh [smoke|attack]...    those named, or all
#
#   smoke     one instance, on the embedded store
#   attack    two instances that share a memcached
#
# Ends at the first failure with k6's exit code, or with 1 when a program did not
# stop cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."

(($#)) || set -- smoke attack
for script; do
  [[ $script =~ ^(smoke|attack)$ ]] || {
    echo "no such script: $script" >&2
    exit 2
  }
done

. k6/instances.sh

for script; do
  case $script in
    smoke) start_instance ;;
    attack) start_two ;;
  esac
  run_k6 "k6/$script.js"
  stop_all
done
