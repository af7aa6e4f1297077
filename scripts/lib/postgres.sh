# shellcheck shell=bash
# A private PostgreSQL: loopback only, password only, no socket file (its path has a length limit that a deep home breaks).

postgres_user() { first_existing_user postgres; }
postgres_pid_file() { printf '%s\n' "$PID_DIR/postgres"; }

# postgres_bin: the folder with the server's programs: of the version that made the data, else of the newest one installed.
postgres_bin() {
  local version='*' found
  if [[ -s ${DATA_DIR:-/nonexistent}/postgres/PG_VERSION ]]; then version=$(cat -- "$DATA_DIR/postgres/PG_VERSION"); fi
  # shellcheck disable=SC2086 # the pattern is meant to match
  found=$(printf '%s\n' /usr/lib/postgresql/$version/bin/postgres /usr/pgsql-$version/bin/postgres | sort -V | while read -r program; do
    if [[ -x $program ]]; then dirname "$program"; fi
  done | tail -n 1)
  if [[ -z $found && -x $(command -v initdb) ]]; then found=$(dirname "$(readlink -f "$(command -v initdb)")"); fi
  [[ -n $found ]] && printf '%s\n' "$found"
}

start_postgres() {
  local user pid_file log=$LOG_DIR/postgres.log bin
  user=$(postgres_user)
  pid_file=$(postgres_pid_file)
  bin=$(postgres_bin) || die "no installed PostgreSQL can read $DATA_DIR/postgres" \
    "install PostgreSQL $(cat -- "$DATA_DIR/postgres/PG_VERSION"), or forget the data"
  if running_pid "$pid_file" >/dev/null; then
    wait_until 60 postgres_answers "$bin" || service_failed "PostgreSQL runs, but does not answer on 127.0.0.1:$PG_PORT" "$log"
    say "PostgreSQL runs already, on 127.0.0.1:$PG_PORT"
    return
  fi
  keep_one_old_log "$log"
  if [[ ! -s $DATA_DIR/postgres/PG_VERSION ]]; then create_cluster "$bin" "$user" "$log"; fi
  write_postgres_settings
  give_to "$user" "$DATA_DIR/postgres/postgresql.conf" "$DATA_DIR/postgres/pg_hba.conf"
  launch_and_await_postgres "$bin" "$user" "$pid_file" "$log"
  say "PostgreSQL $(<"$DATA_DIR/postgres/PG_VERSION") answers on 127.0.0.1:$PG_PORT"
}

# SIGINT is PostgreSQL's fast stop: open transactions are rolled back, and the last checkpoint is written.
stop_postgres() { stop_process "$(postgres_pid_file)" INT 90; }

# create_cluster BIN USER LOG: made beside its place and moved when complete, so that an interrupted first start leaves nothing half done.
create_cluster() {
  local bin=$1 user=$2 log=$3 new=$DATA_DIR/postgres.new
  say "creating a PostgreSQL database cluster in $DATA_DIR/postgres"
  local options=(--username=postgres --auth=reject --encoding=UTF8 --locale=C.UTF-8)
  if [[ $MODE == throwaway ]]; then options+=(--no-sync); fi
  rm -rf -- "$new"
  mkdir -- "$new"
  give_to "$user" "$new"
  {
    run_as_server "$user" "$new" "$bin/initdb" "${options[@]}" --pgdata="$new" &&
      first_statements | run_as_server "$user" "$new" "$bin/postgres" --single -D "$new" postgres
  } >>"$log" 2>&1 || service_failed "PostgreSQL's data folder could not be created" "$log"
  mv -- "$new" "$DATA_DIR/postgres"
}

# first_statements: for the single-user server, so that the password goes through a pipe, and the cluster is complete before it
# ever listens. The superuser gets no password, which means that nobody can log in as one.
first_statements() {
  local rights=
  if [[ $MODE == throwaway ]]; then rights=CREATEDB; fi # a test makes a database of its own
  printf '%s\n' "CREATE ROLE pulso LOGIN $rights PASSWORD '$PG_PASSWORD';" 'CREATE DATABASE pulso OWNER pulso;'
}

# superuser_sql STATEMENT: by the single-user server, since nobody can log in as the superuser. It tells a failure by its words only.
superuser_sql() {
  local user bin said
  user=$(postgres_user)
  bin=$(postgres_bin)
  is_gone "$(postgres_pid_file)" || die "PostgreSQL runs in $HOME_DIR" "stop it first"
  said=$(printf '%s\n' "$1" | run_as_server "$user" "$DATA_DIR/postgres" "$bin/postgres" --single -D "$DATA_DIR/postgres" postgres 2>&1)
  if [[ $said == *ERROR:* || $said == *FATAL:* ]]; then die "PostgreSQL says: $said"; fi
}

# run_as_server USER FOLDER COMMAND…: with a bare environment (no PG… of the caller), from a folder that the user can be in.
run_as_server() {
  local user=$1 folder=$2
  shift 2
  (cd -- "$folder" && as_user "$user" env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME="$folder" "$@" 9>&-)
}

write_postgres_settings() {
  local data=$DATA_DIR/postgres
  {
    postgres_settings
    # 15 and newer compress full-page images by lz4, at a fraction of pglz's CPU.
    if (("$(<"$data/PG_VERSION")" >= 15)); then printf 'wal_compression = lz4\n'; else printf 'wal_compression = on\n'; fi
    if [[ $MODE == throwaway ]]; then printf '%s = off\n' fsync full_page_writes synchronous_commit; fi
  } >"$data/postgresql.conf"
  printf 'host all all 127.0.0.1/32 scram-sha-256\n' >"$data/pg_hba.conf"
}

# postgres_settings: defaults are for a small shared machine; these are for steady bulk inserts. Nothing here touches durability.
postgres_settings() {
  local memory shared connections=200
  memory=$(memory_mb)
  shared=$(clamp $((memory / 8)) 256 2048)
  if [[ $MODE == throwaway ]]; then
    connections=300
    shared=256
  fi
  cat <<SETTINGS
# Written by scripts/services at every start: changes here do not last.
listen_addresses = '127.0.0.1'
port = $PG_PORT
unix_socket_directories = ''
max_connections = $connections
password_encryption = scram-sha-256
shared_buffers = ${shared}MB
effective_cache_size = $((memory / 2))MB
maintenance_work_mem = $(clamp $((memory / 32)) 64 512)MB
# Checkpoints rewrite whole pages into the log: with steady inserts, few and slow ones save a third of it.
max_wal_size = ${POSTGRES_MAX_WAL_SIZE:-4GB}
min_wal_size = 1GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
# Gentle: a partition that has taken millions of rows is vacuumed beside the next ones, on the same processors. Rows are
# only ever added to it, so there is no hurry; the tables whose rows change are small.
autovacuum_vacuum_cost_limit = 20
random_page_cost = 1.1
# Compiling a query costs more than any of ours runs for.
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
SETTINGS
}

# launch_and_await_postgres BIN USER PID_FILE LOG: after a kill -9 the old server's children need a moment to notice, and until then the new one refuses to start.
launch_and_await_postgres() {
  local bin=$1 user=$2 pid_file=$3 log=$4 data=$DATA_DIR/postgres
  local end=$((SECONDS + 90))
  while ((SECONDS < end)); do
    (cd / && LAUNCH_CPUS=${POSTGRES_CPUS:-} launch "$pid_file" "$log" "$user" env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$bin/postgres" -D "$data")
    if await_answer $((end - SECONDS)) "$pid_file" postgres_answers "$bin"; then return; fi
    tail -n 5 -- "$log" | grep -q -e 'is still in use' -e 'lock file .* already exists' || break
    sleep 0.3
  done
  service_failed "PostgreSQL did not start" "$log"
}

postgres_answers() { "$1/pg_isready" --quiet --host=127.0.0.1 --port="$PG_PORT" --timeout=2; }
