#!/bin/sh
# Asks fraudcheck and reports the outcome as a shop does, with curl.
# CHECK_URL and CHECK_PASSWORD say where; the arguments are the shopper's IP
# address, the card's last four digits, and its expiry.
set -eu
attempt=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
fields="\"ip\":\"$1\",\"last4\":\"$2\",\"expiry\":\"$3\",\"attempt_id\":\"$attempt\""

call() { # PATH SECONDS BODY; the password goes in by standard input, where ps does not show it
	echo "user = \"checkout:$CHECK_PASSWORD\"" |
		curl -sS --fail-with-body --max-time "$2" -K - -H 'Content-Type: application/json' -d "$3" "$CHECK_URL$1"
}

answer=$(call /v1/check 0.1 "{$fields}") || answer='{"decision":"allow"}' # no answer: charge
case $answer in
'{"decision":"block"'*) echo block && exit ;;
'{"decision":"review"'*) echo review ;; # charge with 3-D Secure
*) echo allow ;;
esac
# Here the card is charged. The bank declines it, say:
call /v1/outcomes 2 "{$fields,\"outcome\":\"declined\",\"reason\":\"invalid_credentials\"}" >/dev/null
