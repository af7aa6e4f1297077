# shellcheck shell=bash
# The home: one folder with everything that one set of private servers is made of.
#
#   secrets.env  generated passwords (mode 0600)       ports.env  remembered ports
#   mode         durable | throwaway                   pids/      who runs
#   logs/        what they say                         data/      postgres, rabbitmq, redis
#
# As root the servers run as the users that their packages made. Where those cannot reach the home (a clone below /root),
# data/ is a link to a folder under /var/lib/pulso.

# open_home DIR: makes it, and takes its lock until we exit.
open_home() {
  mkdir -p -- "$1" || die "cannot create $1" "choose another folder with PULSO_HOME"
  HOME_DIR=$(cd -- "$1" && pwd -P)
  [[ -O $HOME_DIR ]] || die "$HOME_DIR belongs to $(stat -c %U -- "$HOME_DIR"), and you are $(id -un)" \
    "run this as $(stat -c %U -- "$HOME_DIR"), or choose another folder with PULSO_HOME"
  PID_DIR=$HOME_DIR/pids
  LOG_DIR=$HOME_DIR/logs
  DATA_LINK=$HOME_DIR/data
  DATA_DIR=$(readlink -f -- "$DATA_LINK")
  mkdir -p -- "$PID_DIR" "$LOG_DIR"
  chmod 711 -- "$HOME_DIR"
  chmod 700 -- "$PID_DIR" "$LOG_DIR"
  exec 9>"$HOME_DIR/.services.lock"
  if ! flock --nonblock 9; then
    say "another scripts/services is at work on $HOME_DIR: waiting for it"
    flock --timeout 120 9 || die "it did not finish within 2 minutes" "look for a hanging scripts/services process"
  fi
}

# see_home DIR: for commands that only look.
see_home() {
  [[ -d $1 ]] || die "there is no home at $1" "start the services first: scripts/services --home '$1' up"
  HOME_DIR=$(cd -- "$1" && pwd -P)
  PID_DIR=$HOME_DIR/pids
  DATA_DIR=$(readlink -f -- "$HOME_DIR/data")
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

load_secrets() {
  local file=$HOME_DIR/secrets.env
  if [[ ! -s $file ]]; then
    (
      umask 077
      printf '%s_PASSWORD=%s\n' PG "$(random_hex 16)" AMQP "$(random_hex 16)" REDIS "$(random_hex 16)" >"$file.new"
      mv -f -- "$file.new" "$file"
    )
  fi
  # shellcheck source=/dev/null
  source "$file"
}

# settle_mode durable|throwaway: a home stays what it was made as, since the one promises what the other gave up.
settle_mode() {
  local file=$HOME_DIR/mode
  if [[ ! -s $file ]]; then printf '%s\n' "$1" >"$file"; fi
  [[ $(<"$file") == "$1" ]] ||
    die "the home $HOME_DIR was made $(<"$file"), and now $1 is asked for" "use another --home, or remove this one (scripts/services --home … forget)"
}

# settle_data_folder: $HOME_DIR/data where the servers' users can live in it, else a link to a folder where they can.
settle_data_folder() {
  if [[ -d $DATA_DIR ]]; then return; fi
  rm -f -- "$DATA_LINK" # a link whose target is gone
  if can_hold_data "$HOME_DIR"; then
    DATA_DIR=$DATA_LINK
    mkdir -m 711 -- "$DATA_DIR"
    return
  fi
  local base=/var/lib/pulso
  if ((EUID != 0)); then base=${XDG_DATA_HOME:-$HOME/.local/share}/pulso; fi
  mkdir -p -- "$base"
  chmod 711 -- "$base"
  say_orphans "$base"
  DATA_DIR=$base/$(random_hex 6)
  mkdir -m 711 -- "$DATA_DIR"
  printf '%s\n' "$HOME_DIR" >"$DATA_DIR/belongs-to"
  ln -s -- "$DATA_DIR" "$DATA_LINK"
  say "the servers' own users cannot work below $HOME_DIR: their data lives in $DATA_DIR ($DATA_LINK links there)"
}

# remove_data_folder: the link's target only when we made it for this home.
remove_data_folder() {
  if [[ -L $DATA_LINK && $(cat -- "$DATA_DIR/belongs-to" 2>/dev/null) == "$HOME_DIR" ]]; then rm -rf -- "$DATA_DIR"; fi
  rm -rf -- "$DATA_LINK"
}

# can_hold_data DIR: can each server's user have a private folder here, and reach it?
can_hold_data() {
  local probe user ok=yes
  for user in "$(postgres_user)" "$(rabbitmq_user)" "$(redis_user)"; do
    probe=$(mktemp -d -- "$1/.probe.XXXXXX") || return 1
    { give_to "$user" "$probe" && [[ $(stat -c %a -- "$probe") == 700 ]] && as_user "$user" touch -- "$probe/file"; } 2>/dev/null || ok=no
    rm -rf -- "$probe"
  done
  [[ $ok == yes ]]
}

# say_orphans BASE: folders of a home at this very path that somebody removed by hand.
say_orphans() {
  local note
  for note in "$1"/*/belongs-to; do
    if [[ -e $note && $(<"$note") == "$HOME_DIR" ]]; then
      say "note: ${note%/*} is left of an earlier home at this path; remove it when you do not need it"
    fi
  done
}

# give_to USER PATH…: private to the user who runs the server.
give_to() {
  local user=$1
  shift
  if ((EUID == 0)); then chown -R -- "$user:$(id -g "$user")" "$@" || return 1; fi
  chmod -R go= -- "$@"
}

# first_existing_user NAME…: packages of other systems may lack some of them.
first_existing_user() {
  local name
  if ((EUID != 0)); then
    id -un
    return
  fi
  for name in "$@" nobody; do
    if id -u "$name" >/dev/null 2>&1; then
      printf '%s\n' "$name"
      return
    fi
  done
}

# memory_mb: what this machine, or the container we are in, has.
memory_mb() {
  local total_kb limit
  total_kb=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)
  if [[ $limit =~ ^[0-9]+$ ]] && ((limit / 1024 < total_kb)); then total_kb=$((limit / 1024)); fi
  printf '%s\n' $((total_kb / 1024))
}

# clamp VALUE LOW HIGH
clamp() {
  local value=$1
  if ((value < $2)); then value=$2; fi
  if ((value > $3)); then value=$3; fi
  printf '%s\n' "$value"
}

# take_turn DIR: tests and benchmarks in one home come one after the other, since each stops the servers when it is done.
take_turn() {
  mkdir -p -- "$1"
  exec 8>"$1/.turn.lock"
  if flock --nonblock 8; then return; fi
  say "another run uses $1: waiting for it"
  flock 8
}
