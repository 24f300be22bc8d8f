#!/bin/bash
# Goal: the rooms stay apart, and the rules that no compiler checks hold.
# Method: grep over the sources; comments are left out where a word is looked for.
set -euo pipefail
cd "$1"

failed=0
sources=$(find crypto store fs tools tests -name '*.cc' -o -name '*.h' | sort)

# refuse WORDS REGEX ALLOWED FILES...: no file but those that ALLOWED matches has a line that REGEX matches.
refuse() {
  local words=$1 regex=$2 allowed=$3 found file
  shift 3
  # The few files with such a line are looked at closely: a process for each of all takes half a minute.
  for file in $(grep -lE "$regex" "$@" || true); do
    [[ $file =~ $allowed ]] && continue
    found=$(sed 's|//.*||' "$file" | grep -nE "$regex" || true)
    [[ -z $found ]] && continue
    printf '%s: %s\n%s\n' "$file" "$words" "$found"
    failed=1
  done
}
in_rooms() { grep -E "^($1)/" <<<"$sources" || true; }

none='^$'
# shellcheck disable=SC2046  # No source file has white space in its name.
{
  refuse "OpenSSL belongs to crypto/" '#include <openssl/' '^(crypto|tests)/' $sources
  refuse "LMDB belongs to store/lmdb/" '#include <lmdb\.h>' '^(store/lmdb|tests)/' $sources
  refuse "libfuse belongs to fs/fuse/" '#include <fuse' '^(fs/fuse|tests/bench|tests/mount)/' $sources
  refuse "looks up from crypto/" '#include "(store|fs|tools|tests)/' "$none" $(in_rooms crypto)
  refuse "looks up from store/" '#include "(fs|tools|tests)/' "$none" $(in_rooms store)
  refuse "looks up from fs/" '#include "(tools|tests)/' "$none" $(in_rooms fs)
  refuse "looks up from tools/" '#include "tests/' "$none" $(in_rooms tools)
  refuse "reaches into what is private to crypto/" '#include "crypto/(openssl|issuing)/' "$none" $(in_rooms 'store|fs|tools')
  refuse "reaches into what is private to store/" '#include "store/lmdb/' "$none" $(in_rooms 'fs|tools')
  # An allocator has no other way to fail.
  refuse "we never throw" '\bthrow\b' '^crypto/base/secret\.cc$' $(in_rooms 'crypto|store|fs|tools')
  refuse "exceptions are caught at the edge only" '\bcatch *\(' '^(crypto/base/secret\.h|fs/fuse/.*|tools/program\.cc)$' \
    $(in_rooms 'crypto|store|fs|tools')
  refuse "a TRY that returns from inside braces leaks what stands before it" \
    '(\{TRY\(.*|\{std::move\([a-z_]+\)|\{[a-z_]+(\.[a-zA-Z_]+)*\(.*\)), \*?TRY\(' "$none" $(in_rooms 'crypto|store|fs|tools')
  refuse "a skipped test says why" 'GTEST_SKIP\(\) *;' "$none" $(in_rooms tests)
}

# shellcheck disable=SC2086
if grep -nE '^#include "' $sources | grep -vE '#include "(crypto|store|fs|tools|tests)/'; then
  echo "includes are written from the root of the repository"
  failed=1
fi

exit "$failed"
