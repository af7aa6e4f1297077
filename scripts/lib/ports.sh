# shellcheck shell=bash
# Loopback ports: free ones are chosen once and remembered in the home; one that somebody else took meanwhile is chosen again.

# port_is_taken PORT: does anything listen on it, on any address?
port_is_taken() {
  local hex
  printf -v hex ':%04X' "$1"
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex" '
    $4 == "0A" && substr($2, length($2) - 4) == port { taken = 1 }
    END { exit !taken }'
}

# free_port: below the range from which the kernel takes ports for outgoing connections (32768 and up), so that no client sits on it.
free_port() {
  local port try
  for ((try = 0; try < 200; try++)); do
    port=$((20000 + RANDOM % 12000))
    if ! port_is_taken "$port" && ! port_is_ours "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  die "no free port between 20000 and 32000 on this machine"
}

# Names of everything below that needs a port; `ports.env` in the home holds NAME=port lines.
PORT_NAMES=(PG_PORT AMQP_PORT REDIS_PORT RABBITMQ_DIST_PORT RABBITMQ_EPMD_PORT)

port_is_ours() {
  local name
  for name in "${PORT_NAMES[@]}"; do
    [[ ${!name:-} != "$1" ]] || return 0
  done
  return 1
}

load_ports() {
  # shellcheck source=/dev/null
  if [[ -s $HOME_DIR/ports.env ]]; then source "$HOME_DIR/ports.env"; fi
}

save_ports() {
  local name
  for name in "${PORT_NAMES[@]}"; do printf '%s=%s\n' "$name" "${!name}"; done >"$HOME_DIR/ports.env.new"
  mv -f -- "$HOME_DIR/ports.env.new" "$HOME_DIR/ports.env"
}

# settle_port NAME PID_FILE: keeps the remembered port while our server runs on it or nobody has it.
settle_port() {
  local name=$1 pid_file=$2 port=${!1:-}
  if [[ -n $port ]] && { running_pid "$pid_file" >/dev/null || ! port_is_taken "$port"; }; then return; fi
  if [[ -n $port ]]; then say "port $port (${name,,}) is in use by another program now: choosing another one"; fi
  printf -v "$name" '%s' "$(free_port)"
}
