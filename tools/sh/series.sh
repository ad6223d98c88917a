#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Write build/series: the patches with the new files they bring, as a git-am-able
# series with a cover letter; check that it applies and what checkpatch.pl says.

. "$(dirname "$0")/lib.sh"
lock

"$TOP/tools/sh/source.sh"

SERIES=$OUT/series
WORK=$OUT/series.tmp
PRISTINE=$SRC/.sched_rseq/pristine

# Neither the user's git configuration nor the date may show in the result.
g() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
		git -C "$WORK/tree" -c core.abbrev=12 -c gc.auto=0 -c init.defaultBranch=main "$@"
}

# last_commit ARG...: what the project's git knows of it.
last_commit() { git -C "$TOP" -c log.showSignature=false log -1 "$@"; }

# header FIELD PATCH: a field of the mail header, if it is there.
header() { sed -n -e '/^$/q' -e "s/^$1: //p" "$2"; }

# authorship FILE: who wrote this patch and when, from its header or else from
# the project's history.
authorship() {
	local who when
	who=$(header From "$1")
	when=$(header Date "$1")
	[ -n "$who" ] || who=$(last_commit --diff-filter=A --format='%an <%ae>' -- "$1")
	[ -n "$when" ] || when=$(last_commit --format=%aI -- "$1")
	[ -n "$who" ] || who=$(last_commit --format='%an <%ae>')
	export GIT_AUTHOR_NAME=${who% <*} GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE=${when:-2026-01-01T00:00:00Z}
	GIT_AUTHOR_EMAIL=${who##*<}
	GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL%>}
	export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL \
		GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
}

# message FILE: subject and body of a patch.
message() {
	header Subject "$1" | sed 's/^\[PATCH[^]]*\] *//'
	echo
	sed -e '1,/^$/d' -e '/^---$/,$d' "$1"
}

base_commit() {
	rm -rf "$WORK"
	mkdir -p "$WORK/tree"
	g init -q
	cp -R "$PRISTINE/." "$WORK/tree/"
	authorship "$TOP/patches/BASE"
	g add -A -f
	g commit -q -m "The files of Linux $(cut -d' ' -f2 "$SRC/.sched_rseq/origin") that the series changes"
	g tag base
}

commit_patches() {
	local patch files file
	while read -r patch files; do
		g apply --index "$TOP/patches/$patch"
		for file in $files; do
			mkdir -p "$WORK/tree/$(dirname "$file")"
			cp "$TOP/$file" "$WORK/tree/$file"
			g add -f "$file"
		done
		authorship "$TOP/patches/$patch"
		message "$TOP/patches/$patch" >"$WORK/message"
		g commit -q -F "$WORK/message"
	done < <(series)
}

format_series() {
	local cover=$SERIES/0000-cover-letter.patch
	rm -rf "$SERIES"
	g format-patch -q --cover-letter --no-signature --zero-commit -o "$SERIES" base..HEAD
	[ -r "$TOP/patches/cover-letter.txt" ] || die "patches/cover-letter.txt is missing"
	awk -v text="$TOP/patches/cover-letter.txt" '
		BEGIN { getline subject <text; sub(/^Subject: */, "", subject) }
		/\*\*\* SUBJECT HERE \*\*\*/ { sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
		/\*\*\* BLURB HERE \*\*\*/ {
			while ((getline line <text) > 0) if (line != "" || seen) { print line; seen = 1 }
			next
		}
		{ print }' "$cover" >"$cover.tmp"
	mv "$cover.tmp" "$cover"
}

# check_am: git am must reproduce what the kernels here are built from.
check_am() {
	local file
	g checkout -q -B am base
	g am -q "$SERIES"/0*[1-9]*-*.patch >"$LOGS/series-am.log" 2>&1 ||
		die "the series is not git-am-able; full log: $LOGS/series-am.log"
	while read -r file; do
		cmp -s "$WORK/tree/$file" "$SRC/$file" || die "the series makes another $file than this build has"
	done <"$SRC/.sched_rseq/files"
}

# checkpatch: everything but the sign-off, which is for whoever submits it, and
# the reminder to keep MAINTAINERS up to date.  Run where no git tree is found:
# in one it looks for the kernel's licences in the commit.
checkpatch() {
	local patch bad=0
	cd "$SERIES"
	for patch in *.patch; do
		case $patch in 0000-*) continue ;; esac
		perl "$SRC/scripts/checkpatch.pl" --root="$SRC" --strict --no-summary --show-types --terse \
			--ignore MISSING_SIGN_OFF,FILE_PATH_CHANGES "$patch" || bad=$((bad + 1))
	done
	return "$bad"
}

last_commit --format= >/dev/null 2>&1 ||
	die "make series takes the authors of patches from this project's git history, and git does not know it; see git -C $TOP log"
GIT_CEILING_DIRECTORIES=$OUT
export GIT_CEILING_DIRECTORIES
trap 'rm -rf "$WORK"' EXIT
base_commit
commit_patches
format_series
check_am
ls "$SERIES"/*.patch
checkpatch || die "checkpatch.pl complains about $? patches"
echo "series: $(series | wc -l) patches in $SERIES, checkpatch.pl --strict is content"
