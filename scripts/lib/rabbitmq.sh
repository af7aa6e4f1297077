# shellcheck shell=bash
# A private RabbitMQ: loopback only, with a node name, cookie, data folder and port mapper (epmd) of its own.
#
# Debian's /usr/sbin/rabbitmq-server insists on its own user and on /var/lib/rabbitmq. Below it lies the upstream script, which
# does not; with RUNNING_UNDER_SYSTEMD it becomes the Erlang VM itself, so the pid we keep is the broker's and SIGTERM stops it cleanly.

rabbitmq_user() { first_existing_user rabbitmq; }
rabbitmq_pid_file() { printf '%s\n' "$PID_DIR/rabbitmq"; }
# Several nodes on one machine share a port mapper.
epmd_pid_file() { printf '%s\n' "${EPMD_PID_FILE:-$PID_DIR/epmd}"; }
rabbitmq_node() { printf '%s\n' "${RABBITMQ_NODE:-pulso@localhost}"; }

# rabbitmq_bin: the folder of the upstream scripts.
rabbitmq_bin() {
  local folder
  for folder in /usr/lib/rabbitmq/bin /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin /usr/local/lib/rabbitmq_server-*/sbin \
    /opt/rabbitmq/sbin /opt/rabbitmq_server-*/sbin; do
    if [[ -x $folder/rabbitmq-server && -e $folder/rabbitmq-env ]]; then
      printf '%s\n' "$folder"
      return
    fi
  done
  return 1
}

start_rabbitmq() {
  local user pid_file log=$LOG_DIR/rabbitmq.log
  user=$(rabbitmq_user)
  pid_file=$(rabbitmq_pid_file)
  if running_pid "$pid_file" >/dev/null; then
    wait_until 120 rabbitmq_answers || service_failed "RabbitMQ runs, but does not answer on 127.0.0.1:$AMQP_PORT" "$log"
    say "RabbitMQ runs already, on 127.0.0.1:$AMQP_PORT"
    return
  fi
  keep_one_old_log "$log"
  prepare_rabbitmq_folder
  give_to "$user" "$DATA_DIR/rabbitmq"
  start_epmd "$user"
  launch_rabbitmq "$user" "$pid_file" "$log"
  await_answer 120 "$pid_file" rabbitmq_answers || service_failed "RabbitMQ did not start" "$log"
  touch -- "$DATA_DIR/rabbitmq/complete"
  say "RabbitMQ answers on 127.0.0.1:$AMQP_PORT"
}

# stop_rabbitmq: the broker first, then the port mapper that only it uses.
stop_rabbitmq() {
  stop_process "$(rabbitmq_pid_file)" TERM 90
  stop_process "$(epmd_pid_file)" TERM 10
}

# control_rabbitmq ARGUMENT…: rabbitmqctl, as the broker's user, since the cookie is that user's alone.
control_rabbitmq() {
  local data=$DATA_DIR/rabbitmq bin
  bin=$(rabbitmq_bin) || die "RabbitMQ is not installed" "scripts/services install"
  (cd / && as_user "$(rabbitmq_user)" env -i PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8 HOME="$data" \
    ERL_EPMD_PORT="$RABBITMQ_EPMD_PORT" RABBITMQ_NODENAME="$(rabbitmq_node)" \
    RABBITMQ_CONF_ENV_FILE="$data/rabbitmq-env.conf" "$bin/${RABBITMQ_TOOL:-rabbitmqctl}" "$@")
}

prepare_rabbitmq_folder() {
  local data=$DATA_DIR/rabbitmq
  # The user is made on the very first start only: one that was interrupted may have left a node without it.
  if [[ ! -e $data/complete ]]; then rm -rf -- "$data"; fi
  mkdir -p -- "$data/conf.d"
  # Where both kinds of memory limit are given the relative one wins, and here the absolute one is wanted.
  sed '/^vm_memory_high_watermark/d' "$SCRIPTS_DIR/../rabbitmq/rabbitmq.conf" >"$data/conf.d/10-pulso.conf"
  cp -- "$SCRIPTS_DIR/../rabbitmq/enabled_plugins" "$data/enabled_plugins"
  rabbitmq_settings >"$data/conf.d/20-local.conf"
  if declare -F rabbitmq_settings_more >/dev/null; then rabbitmq_settings_more >"$data/conf.d/30-more.conf"; fi
  : >"$data/rabbitmq-env.conf"
  printf '[].\n' >"$data/advanced.config"
}

rabbitmq_settings() {
  cat <<SETTINGS
# Written by scripts/services at every start: changes here do not last.
listeners.tcp.1 = 127.0.0.1:$AMQP_PORT
default_user = pulso
default_pass = $AMQP_PASSWORD
# A newcomer's machine has other things to do with its memory: at most 1 GB before publishers are held back.
vm_memory_high_watermark.absolute = $(clamp $(("$(memory_mb)" * 2 / 5)) 256 1024)MB
log.console = true
log.console.level = info
log.file = false
SETTINGS
}

start_epmd() {
  local user=$1 pid_file log=$LOG_DIR/epmd.log
  pid_file=$(epmd_pid_file)
  if running_pid "$pid_file" >/dev/null; then return; fi
  (cd / && launch "$pid_file" "$log" "$user" env -i PATH=/usr/local/bin:/usr/bin:/bin \
    epmd -address 127.0.0.1 -port "$RABBITMQ_EPMD_PORT")
  await_answer 20 "$pid_file" port_is_taken "$RABBITMQ_EPMD_PORT" || service_failed "epmd, Erlang's port mapper, did not start" "$log"
}

launch_rabbitmq() {
  local user=$1 pid_file=$2 log=$3 bin data=$DATA_DIR/rabbitmq erlang
  bin=$(rabbitmq_bin)
  # +sbwt…: idle schedulers sleep instead of spinning, which on a small machine takes the CPU from everything else.
  # inet_dist_use_interface: the port for other Erlang nodes is for this machine only.
  erlang='+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}'
  (cd / && LAUNCH_CPUS=${RABBITMQ_CPUS:-} launch "$pid_file" "$log" "$user" env -i PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8 HOME="$data" \
    RUNNING_UNDER_SYSTEMD=true ERL_CRASH_DUMP_BYTES=0 \
    ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$RABBITMQ_EPMD_PORT" \
    RABBITMQ_NODENAME="$(rabbitmq_node)" RABBITMQ_DIST_PORT="$RABBITMQ_DIST_PORT" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$erlang" \
    RABBITMQ_CONF_ENV_FILE="$data/rabbitmq-env.conf" \
    RABBITMQ_CONFIG_FILE="$data/none" RABBITMQ_CONFIG_FILES="$data/conf.d" \
    RABBITMQ_ADVANCED_CONFIG_FILE="$data/advanced.config" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$data/enabled_plugins" \
    RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" \
    RABBITMQ_UPGRADE_LOG=- \
    RABBITMQ_SCHEMA_DIR="$data/schema" RABBITMQ_GENERATED_CONFIG_DIR="$data/generated" \
    "$bin/rabbitmq-server")
}

# rabbitmq_answers: the listener opens at the end of the start; a broker greets a protocol header with a method frame (type 1).
# In a subshell, since writing to a connection that was closed ends the shell that does it.
rabbitmq_answers() (
  exec 2>/dev/null 8<>"/dev/tcp/127.0.0.1/$AMQP_PORT" || exit 1
  printf 'AMQP\0\0\011\001' >&8
  IFS= read -r -t 5 -N 1 first <&8
  [[ $first == $'\001' ]]
)
