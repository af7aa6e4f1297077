# shellcheck shell=bash
# Programs that are kept running: one that dies is started again, at once the first time and within 3 s when it keeps dying.
#
# Needs PID_DIR and LOG_DIR, and for a program NAME a function `start_NAME` that sets COMMAND.

declare -A PID_OF=() STARTED_AT=() FAILURES=() RESTART_AT=()
SUPERVISED=()

# A program that lived this long was healthy: its next death is a first one.
HEALTHY_AFTER_S=30

supervise() {
  local name=$1
  SUPERVISED+=("$name")
  FAILURES[$name]=0
  keep_one_old_log "$LOG_DIR/$name.log"
  start_program "$name"
  say "started $name (pid ${PID_OF[$name]}, log $LOG_DIR/$name.log)"
}

start_program() {
  local name=$1 COMMAND=()
  "command_of_$name"
  launch "$PID_DIR/$name" "$LOG_DIR/$name.log" "" "${COMMAND[@]}" || true
  PID_OF[$name]=$!
  STARTED_AT[$name]=$SECONDS
  unset "RESTART_AT[$name]"
}

runs() { running_pid "$PID_DIR/$1" >/dev/null; }

# look_after_programs: to be called again and again.
look_after_programs() {
  local name
  for name in "${SUPERVISED[@]}"; do
    if runs "$name"; then
      if ((SECONDS - STARTED_AT[$name] >= HEALTHY_AFTER_S)); then FAILURES[$name]=0; fi
    else
      if [[ -z ${RESTART_AT[$name]:-} ]]; then report_death "$name"; fi
      if ((SECONDS >= RESTART_AT[$name])); then
        start_program "$name"
        say "started $name again (pid ${PID_OF[$name]})"
      fi
    fi
  done
}

report_death() {
  local name=$1 status=0 delay
  wait "${PID_OF[$name]}" 2>/dev/null || status=$?
  delay=$(clamp "${FAILURES[$name]}" 0 3)
  FAILURES[$name]=$((FAILURES[$name] + 1))
  RESTART_AT[$name]=$((SECONDS + delay))
  complain "$name died ($(describe_status "$status")): starting it again$( ((delay == 0)) || printf ' in %d s' "$delay")"
  # Who was killed by force (signal 9) had no time to say why.
  if ((status != 137)); then show_log "$LOG_DIR/$name.log" 5; fi
}

describe_status() {
  if (($1 > 128)); then printf 'killed by signal %d' $(($1 - 128)); else printf 'exit status %d' "$1"; fi
}

# give_up_on NAME: it is no longer looked after.
give_up_on() {
  local name kept=()
  for name in "${SUPERVISED[@]}"; do
    if [[ $name != "$1" ]]; then kept+=("$name"); fi
  done
  SUPERVISED=("${kept[@]}")
}

# stop_program NAME SECONDS
stop_program() {
  if ! runs "$1"; then
    rm -f -- "$PID_DIR/$1"
    return
  fi
  say "stopping $1"
  stop_process "$PID_DIR/$1" TERM "$2"
}
