# shellcheck shell=bash
# How the scripts talk: one line a step, and on failure what failed, why, where to look and what to do.

say() { printf 'pulso: %s\n' "$*"; }

# Where complaints go: a script that has to silence its shell puts another descriptor here.
COMPLAINTS=2

complain() { printf 'pulso: %s\n' "$*" >&"$COMPLAINTS"; }

# die MESSAGE [WHAT TO DO]: one sentence each.
die() {
  complain "FAILED: $1"
  if [[ -n ${2:-} ]]; then complain "  what to do: $2"; fi
  exit 1
}

# not_checked MESSAGE: a check that could not be made. On a machine of one's own that is a complaint; in CI, where nobody reads
# complaints, it is a failure.
not_checked() {
  if [[ ${CI:-false} == @(false|0) ]]; then
    complain "$1"
  else
    die "$1" "make that possible here: with CI set, what was not checked has not passed"
  fi
}

# show_log FILE [LINES]: the last lines of a log, indented, and where the rest is.
show_log() {
  local log=$1
  [[ -s $log ]] || return 0
  complain "  the last lines of $log:"
  # Without the colours that RabbitMQ writes even to a file, and without its screenfuls of one line.
  tail -n "${2:-15}" -- "$log" | sed $'s/\e\\[[0-9;]*m//g' | cut -c 1-300 | sed 's/^/    | /' >&"$COMPLAINTS"
}

# service_failed WHAT LOG
service_failed() {
  complain "FAILED: $1"
  show_log "$2"
  complain "  what to do: read that log; when the reason is gone, run the same command again (nothing is lost by that)"
  exit 1
}
