# shellcheck shell=bash
# Checks: one line each with its time and what it found; a failed one does not keep the others from running.

checks=0
failures=0

# check WHAT COMMAND…: the last line that the command prints is shown. Every command in a function of a check has to work:
# so this one stands alone, since bash ignores failures in whatever is part of a condition.
check() {
  local what=$1 begun=$SECONDS output status result=ok
  shift
  set +e
  output=$( set -eo pipefail; "$@" 2>&1)
  status=$?
  set -e
  checks=$((checks + 1))
  if ((status)); then
    result=FAILED
    failures=$((failures + 1))
  fi
  printf '%-6s %4d s  %s%s\n' "$result" $((SECONDS - begun)) "$what" "${output:+: ${output##*$'\n'}}"
  if ((status)) && [[ $output == *$'\n'* ]]; then printf '%s\n' "$output" | sed 's/^/       | /'; fi
}

# equal WHAT EXPECTED FOUND
equal() {
  [ "$2" = "$3" ] || {
    echo "$1 is '$3', expected '$2'"
    return 1
  }
}

# summary: ends the script with what came out.
summary() {
  printf '%d of %d checks passed in %d s; console: %s\n' $((checks - failures)) "$checks" "$SECONDS" "$serial"
  ((failures == 0))
}
