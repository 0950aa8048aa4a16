# What the scripts in this folder have in common; they source it. Everything that
# they fetch is kept in $cache, and nothing is installed on this machine.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sallyport-platforms
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What docs/PLATFORMS.md is written from; single jobs have a list of their own in the cache.
seen=$source/test/platforms/seen
results=${RESULTS:-$cache/results}
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
	[ ${#missing[@]} -eq 0 ] || lacking "these programs are missing: ${missing[*]} (scripts/install-peers $("$source/test/platforms/packages"))"
}

# mirror prints an address with Debian's packages, main or security: the one from which
# this machine gets its own, or where it is no Debian, everybody's.
mirror() {
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Component: main' 'Origin: Debian' |
		awk -v want="$1" '(index($2, "security") > 0) == (want == "security") && !seen { print $1; seen = 1 }
			END { if (!seen) print "http://deb.debian.org/debian" (want == "security" ? "-security" : "") }'
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

# lists brings the lists up to date, once a day at most: whatever can be had is taken,
# and asked for again next time if that was not all.
lists() {
	[ -n "$(find "$cache/apt/updated" -mtime -1 2>/dev/null)" ] && return
	if kapt apt-get update -qq -o APT::Update::Error-Mode=any >&2; then
		touch "$cache/apt/updated"
	else
		echo "platforms: not all lists of packages could be fetched from $(mirror main)" >&2
	fi
}

# record notes and prints a result, a line with tabs: kind, version, exact version, job, result, seconds, remark.
# It replaces the one before; others may record theirs at the same time.
record() {
	local IFS=$'\t' line
	line="$1"$'\t'"$2"$'\t'"$3"$'\t'"$4"$'\t'"${5:-}"$'\t'"${6:-}"$'\t'"$(IFS=' '; echo "${*:7}")"
	mkdir -p "$cache" && (
		flock 9
		touch "$results"
		awk -F'\t' -v a="$1" -v b="$2" -v c="$4" '!($1 == a && $2 == b && $4 == c)' "$results" >"$results.new"
		echo "$line" >>"$results.new" && mv "$results.new" "$results"
	) 9>"$cache/lock"
	echo "$line"
}
