# What the scripts in this folder have in common; they source it. Everything that
# they fetch is kept in $cache, and nothing is installed on this machine.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sallyport-platforms
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
releases=(bullseye bookworm trixie sid)

# lacking ends the script where something cannot be had: with one line, and with
# success unless SALLYPORT_REQUIRE names platforms.
lacking() {
	echo "platforms: $*" >&2
	case ",${SALLYPORT_REQUIRE:-}," in *,platforms,*) exit 1 ;; esac
	exit 0
}

# needs is lacking unless these programs are there.
needs() {
	local p missing=()
	for p in "$@"; do command -v "$p" >/dev/null || missing+=("$p"); done
	[ ${#missing[@]} -eq 0 ] || lacking "skipped, for want of ${missing[*]} (scripts/install-peers $(test/platforms/packages))"
}

# mirror prints the address from which this machine gets its packages: main or security.
mirror() {
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
		awk -v want="$1" '(index($2, "security") > 0) == (want == "security") && !seen { print $1; seen = 1 }'
}

# kapt runs an apt tool with lists of its own, so that other releases never reach this machine's.
kapt() {
	local a=$cache/apt r
	mkdir -p "$a/lists/partial" "$a/cache/archives/partial" && : >>"$a/status"
	for r in "${releases[@]}"; do
		echo "deb $(mirror main) $r main"
		[ "$r" = sid ] || echo "deb $(mirror security) $r-security main"
	done >"$a/sources.list"
	printf '%s\n' "Dir::State \"$a\";" "Dir::State::lists \"$a/lists\";" "Dir::State::status \"$a/status\";" "Dir::Cache \"$a/cache\";" \
		"Dir::Etc::sourcelist \"$a/sources.list\";" 'Dir::Etc::sourceparts "-";' 'APT::Sandbox::User "root";' >"$a/conf"
	APT_CONFIG=$a/conf "$@"
}

# lists brings the lists up to date, once a day at most: whatever can be had is taken.
lists() {
	[ -n "$(find "$cache/apt/updated" -mtime -1 2>/dev/null)" ] && return
	kapt apt-get update -qq >&2 || return
	touch "$cache/apt/updated"
}

# record notes and prints a result: kind, version, exact version, job, result, seconds, remark.
record() {
	local IFS=$'\t' line
	line="$1"$'\t'"$2"$'\t'"$3"$'\t'"$4"$'\t'"${5:-}"$'\t'"${6:-}"$'\t'"$(IFS=' '; echo "${*:7}")"
	touch "$cache/results"
	awk -F'\t' -v a="$1" -v b="$2" -v c="$4" '!($1 == a && $2 == b && $4 == c)' "$cache/results" >"$cache/results.new"
	echo "$line" >>"$cache/results.new" && mv "$cache/results.new" "$cache/results"
	echo "$line"
}
