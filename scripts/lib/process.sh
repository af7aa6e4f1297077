# shellcheck shell=bash
# Starting, recognising and stopping processes by pid.
#
# A pid alone says little: numbers are reused. Beside it we keep when the process began and which boot that was, so that
# nothing but the very process we started is ever signalled.

# process_stamp PID: when it started; fails when there is no such process, or only its zombie is left.
process_stamp() {
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  line=${line##*) } # the name before it may hold spaces and brackets
  read -ra fields <<<"$line"
  [[ ${fields[0]} != [ZX] ]] || return 1
  printf '%s %s\n' "${fields[19]}" "$(</proc/sys/kernel/random/boot_id)"
}

# remember_process PID_FILE PID
remember_process() {
  local stamp
  stamp=$(process_stamp "$2") || stamp=gone
  printf '%s %s\n' "$2" "$stamp" >"$1"
}

# running_pid PID_FILE: prints the pid when the process that the file names is alive.
running_pid() {
  local pid stamp
  [[ -s $1 ]] || return 1
  read -r pid stamp <"$1" || return 1
  [[ $(process_stamp "$pid") == "$stamp" ]] || return 1
  printf '%s\n' "$pid"
}

# wait_until SECONDS COMMAND…: polls the command; fails when the time is over.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

is_gone() { ! running_pid "$1" >/dev/null; }

# await_answer SECONDS PID_FILE COMMAND…: until the command succeeds; fails at once when the process is gone.
await_answer() {
  local seconds=$1 pid_file=$2
  shift 2
  wait_until "$seconds" is_gone_or "$pid_file" "$@" || return 1
  running_pid "$pid_file" >/dev/null
}

# is_gone_or PID_FILE COMMAND…
is_gone_or() {
  is_gone "$1" || "${@:2}"
}

# stop_process PID_FILE SIGNAL SECONDS: asks, waits until it is gone, and kills only what does not listen. It asks again every 3 s:
# RabbitMQ does not hear what it is told while it starts.
stop_process() {
  local pid_file=$1 signal=$2 seconds=$3 end=$((SECONDS + $3)) pid
  if pid=$(running_pid "$pid_file"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    until wait_until 3 is_gone "$pid_file" || ((SECONDS >= end)); do kill -s "$signal" "$pid" 2>/dev/null || true; done
    if ! is_gone "$pid_file"; then
      complain "process $pid did not stop within $seconds s: killing it"
      kill -s KILL "$pid" 2>/dev/null || true
      wait_until 10 is_gone "$pid_file" || return 1
    fi
  fi
  rm -f -- "$pid_file"
}

# as_user USER COMMAND…: as root, becomes that user; anybody else stays who they are. Replaces nothing but the shell it runs in.
as_user() {
  local user=$1
  shift
  if ((EUID == 0)); then
    setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- "$@"
  else
    "$@"
  fi
}

# launch PID_FILE LOG USER COMMAND…: in a session of its own, so that a Ctrl-C in the terminal does not reach it. USER counts as
# root only; "" stays who we are. LAUNCH_CPUS: the processors it may use, as taskset takes them; all without.
launch() {
  local pid_file=$1 log=$2 user=$3 become=() place=()
  shift 3
  if ((EUID == 0)) && [[ -n $user ]]; then
    become=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups --)
  fi
  if [[ -n ${LAUNCH_CPUS:-} ]]; then place=(taskset --cpu-list "$LAUNCH_CPUS"); fi
  rm -f -- "$pid_file"
  # The new process writes its own pid file before it becomes the server: whatever kills us meanwhile, nothing runs unrecorded.
  # Until then it holds a lock (5) that await_launches waits for.
  # Descriptors 8 and 9 are our locks: a server that inherited one would hold it for as long as it lives.
  {
    flock --shared 5
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid bash -c 'source "$1"; allow_many_files; remember_process "$2" "$$"; shift 2; exec "$@" 5>&-' launch \
      "$SCRIPTS_DIR/lib/process.sh" "$pid_file" "${place[@]}" "${become[@]}" "$@" </dev/null >>"$log" 2>&1 8>&- 9>&- &
  } 5>>"${pid_file%/*}/.launching"
  wait_until 10 test -s "$pid_file"
}

# await_launches PID_DIR: until every process that is being started has its pid file, also if who started it is gone.
await_launches() {
  flock --exclusive 5
} 5>>"$1/.launching"

# allow_many_files: a connection is a file, and the usual limit of 1,024 is for people. Not more than 65,536: Erlang sets memory
# aside for as many as it may open.
allow_many_files() {
  local most
  most=$(ulimit -Hn)
  if [[ $most == unlimited ]] || ((most > 65536)); then most=65536; fi
  ulimit -Sn "$most"
}

# keep_one_old_log LOG: logs of servers start afresh; the one before stays for a post-mortem.
keep_one_old_log() { if [[ -s $1 ]]; then mv -f -- "$1" "$1.1"; fi; }
