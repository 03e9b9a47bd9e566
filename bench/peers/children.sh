# shellcheck shell=bash
# What the start scripts share: their helper processes are children, and end with
# them. To be sourced by a bash with -euo pipefail.

# missing WHAT: a part cannot be found; the harness leaves this peer out.
missing() {
  echo "$1 cannot be found" >&2
  exit 77
}

need() { command -v "$1" >/dev/null || missing "$1"; }

children=() # their process ids, oldest first

# child COMMAND...: starts it. It ends also when this script is killed.
child() {
  : "${PEER_PASSWORD:?callers need one}"
  setpriv --pdeathsig TERM -- "$@" &
  children+=($!)
}

# socket FILE: waits until the youngest child has made it.
socket() {
  for _ in {1..200}; do
    if [[ -S $1 ]]; then return; fi
    kill -0 "${children[-1]}" 2>/dev/null || break
    sleep 0.05
  done
  echo "no $1 was made" >&2
  return 1
}

# serve waits for a signal; a child that ends before is a failure.
serve() {
  wait -n || true
  echo "a process of this peer ended by itself" >&2
  return 1
}

# finish ends the youngest first: whoever asks before whoever answers.
finish() {
  local code=$? i
  trap '' TERM INT
  trap - EXIT
  for ((i = ${#children[@]} - 1; i >= 0; i--)); do
    kill -TERM "${children[i]}" 2>/dev/null || true
    wait "${children[i]}" 2>/dev/null || true
  done
  exit "$code"
}
trap finish EXIT
trap 'exit 0' TERM
trap 'exit 130' INT
