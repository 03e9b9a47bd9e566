# Completes commands and flags of fraudcheck in bash. Source it, or copy it as
# /usr/share/bash-completion/completions/fraudcheck.
_fraudcheck() {
	local at command= words='--help --config --listen --operator-listen --store --memcached-servers --hash-key-file --version --log-level'
	# For bash, --flag=value and host:port are three words each.
	for ((at = 1; at < COMP_CWORD; at++)); do
		case ${COMP_WORDS[at]} in
			= | :) ((at++)) ;;
			--config | --listen | --operator-listen | --store | --memcached-servers | --hash-key-file | --log-level | --users-file | --roles | --networks | --note | --time | --ip | --card-id | --last4 | --exp-month | --exp-year | --expiry | --email | --device | --cart | --account | --attempt-id | --outcome | --reason | --outcome-time | --label | --amount | --outcome-after | --sweep | --decisions | --json | --html | --explain) [[ ${COMP_WORDS[at + 1]} = '=' ]] || ((at++)) ;;
			-*) ;;
			*) command+=" ${COMP_WORDS[at]}" ;;
		esac
	done
	COMPREPLY=()
	if ((at > COMP_CWORD)) || [[ ${COMP_WORDS[COMP_CWORD]} = [=:] ]]; then
		# A value. Where there are no words for it bash completes the names of files.
		local flag=$((COMP_CWORD - 1)) value=${COMP_WORDS[COMP_CWORD]}
		if [[ ${COMP_WORDS[flag]} = '=' ]]; then ((flag--)); fi
		case ${COMP_WORDS[flag]} in
			--store) words='memory memcached' ;;
			--log-level) words='DISABLED DEBUG INFO WARNING ERROR CRITICAL' ;;
			*) return ;;
		esac
		COMPREPLY=($(compgen -W "$words" -- "${value#=}"))
		return
	fi
	case $command in
		' user add'*) words+=' --users-file --roles --networks --bind-ip --note' ;;
		' user remove'*) words+=' --users-file' ;;
		' user list'*) words+=' --users-file' ;;
		' user'*) words+=' add remove list --users-file' ;;
		' replay'*) words+=' --time --ip --card-id --last4 --exp-month --exp-year --expiry --email --device --cart --account --attempt-id --outcome --reason --outcome-time --label --amount --outcome-after --sweep --decisions --json --html --explain --sort' ;;
		'') words+=' serve check-config hash-password user replay log-ids healthcheck version help' ;;
		' help user') words+=' add remove list' ;;
		' help') words+=' serve check-config hash-password user replay log-ids healthcheck version help' ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$2"))
}
complete -o default -F _fraudcheck fraudcheck
