#!/bin/sh
# nftables.sh URL NETRC: makes the sets of nftables what fraudcheck blocks now.
#
# URL is that of the operators' port, such as http://127.0.0.1:8081; NETRC a file in curl's
# form (machine 127.0.0.1 login firewall password ...), so that no password stands in the
# list of processes. Run it every minute or five. When the answer is not whole (no answer,
# 503, no last line "# end N", another number of lines, a line that is no address) it changes
# nothing, says why and ends with 1; the sets keep what they have until that times out.
set -eu
[ $# = 2 ] || { echo "usage: nftables.sh URL NETRC" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
keep() { echo "nftables.sh: $1; the sets keep what they have" >&2; exit 1; }

status=$(curl -sS --max-time 30 --netrc-file "$2" -H 'Accept: text/plain' -o "$work/answer" -w '%{http_code}' "$1/v1/blocked?networks=1") || keep "no answer"
[ "$status" = 200 ] || keep "status $status: $(head -c 500 "$work/answer")"

last=$(tail -n 1 "$work/answer")
sed '$d' "$work/answer" >"$work/list"
lines=$(wc -l <"$work/list" | tr -d ' ')
[ "$last" = "# end $lines" ] || keep "the list is not whole: $lines lines, and the last is not '# end $lines'"
if grep -qvE '^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]+:[0-9a-f:]*(/(4[89]|[5-9][0-9]|1[01][0-9]|12[0-8]))?)$' "$work/list"; then
	keep "a line is no address"
fi

# One transaction: the old list holds until the new one does.
{
	echo "flush set inet fraudcheck blocked4"
	echo "flush set inet fraudcheck blocked6"
	grep -v : "$work/list" | sed 's/.*/add element inet fraudcheck blocked4 { & }/' || true
	grep : "$work/list" | sed 's/.*/add element inet fraudcheck blocked6 { & }/' || true
} >"$work/commands"
nft -f "$work/commands" || keep "nft refused the list"
