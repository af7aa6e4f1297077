# shellcheck shell=bash
# A private Redis: loopback only, password only. It holds what can be lost or made again, yet keeps it over a restart.

redis_user() { first_existing_user redis; }
redis_pid_file() { printf '%s\n' "$PID_DIR/redis"; }

start_redis() {
  local user pid_file log=$LOG_DIR/redis.log data=$DATA_DIR/redis
  user=$(redis_user)
  pid_file=$(redis_pid_file)
  if running_pid "$pid_file" >/dev/null; then
    wait_until 30 redis_answers || service_failed "Redis runs, but does not answer on 127.0.0.1:$REDIS_PORT" "$log"
    say "Redis runs already, on 127.0.0.1:$REDIS_PORT"
    return
  fi
  keep_one_old_log "$log"
  mkdir -p -- "$data"
  redis_settings "$data" >"$data/redis.conf"
  give_to "$user" "$data"
  (cd / && launch "$pid_file" "$log" "$user" env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 redis-server "$data/redis.conf")
  await_answer 30 "$pid_file" redis_answers || service_failed "Redis did not start" "$log"
  say "Redis answers on 127.0.0.1:$REDIS_PORT"
}

stop_redis() { stop_process "$(redis_pid_file)" TERM 30; }

redis_settings() {
  cat <<SETTINGS
# Written by scripts/services at every start: changes here do not last.
bind 127.0.0.1
port $REDIS_PORT
protected-mode yes
requirepass $REDIS_PASSWORD
daemonize no
dir "$1"
save ""
appendonly yes
appendfsync everysec
# All that is in it has a life, revocations and limits too: any other policy could take those away for users' cache entries,
# which the api bounds (CACHE_MAX_BYTES, 256 MiB).
maxmemory 512mb
maxmemory-policy noeviction
SETTINGS
}

redis_answers() {
  [[ $(REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]
}
