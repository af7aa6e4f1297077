# shellcheck shell=bash
# Asking an HTTP server on loopback, without curl, which a fresh machine does not have.

# http_status PORT PATH: prints the status code of a GET. In a subshell, since writing to a closed connection ends the shell.
http_status() (
  exec 2>/dev/null 6<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&6
  read -r -t 10 version code _ <&6
  [[ $version == HTTP/1.* ]] && printf '%s\n' "$code"
)

is_ready() { [[ $(http_status "$1" /readyz) == 200 ]]; }

# print_ready_block PORT USER PASSWORD SECRETS_FILE HOW_TO_STOP
print_ready_block() {
  local url=http://127.0.0.1:$1 user=$2 password=$3 secrets=$4 stop_hint=$5
  cat <<BLOCK

──────────────────────────────────────────────────────────────────────────────
Pulso is ready at $url

  administrator   $user
  password        $password   (generated; kept in $secrets)
  documentation   $url/docs
  try it          curl $url/api/v1/auth/login \\
                    -H 'Content-Type: application/json' \\
                    -d '{"username": "$user", "password": "$password"}'
  stop            $stop_hint   (the data stays; \`make clean-data\` forgets it)
──────────────────────────────────────────────────────────────────────────────

BLOCK
}
