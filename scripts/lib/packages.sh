# shellcheck shell=bash
# What has to be installed, and installing it by the system's package manager where it is missing.

# can_compile: some crates hold C, and Rust links by way of the C compiler. Without the C library's headers, which are a
# package of their own, a compiler is not enough.
can_compile() { printf '#include <stdlib.h>\n' | cc -x c -fsyntax-only - >/dev/null 2>&1; }

missing_compiler() {
  if ! can_compile; then printf 'gcc\nlibc6-dev\n'; fi
}

# need_compiler: before a build of some minutes that would end without one.
need_compiler() {
  local packages
  mapfile -t packages < <(missing_compiler)
  if ((${#packages[@]} == 0)); then return; fi
  if command -v apt-get >/dev/null; then apt_install "${packages[@]}"; fi
  can_compile || die "there is no C compiler (cc) that works" "install gcc or clang and the C library's headers (Debian: apt-get install gcc libc6-dev)"
}

# need_python: for the checks of the code's structure; its standard library is enough.
need_python() {
  if command -v python3 >/dev/null; then return; fi
  # In a subshell: it dies where installing needs root and there is no sudo.
  if command -v apt-get >/dev/null; then (apt_install python3) || true; fi
  command -v python3 >/dev/null
}

missing_packages() {
  missing_compiler
  postgres_bin >/dev/null || printf 'postgresql\n'
  rabbitmq_bin >/dev/null || printf 'rabbitmq-server\n'
  if ! { command -v redis-server && command -v redis-cli; } >/dev/null; then printf 'redis-server\n'; fi
}

install_missing_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  if ((${#packages[@]} == 0)); then return; fi
  if ! command -v apt-get >/dev/null; then
    die "not installed: ${packages[*]}" \
      "install PostgreSQL 14 or newer, RabbitMQ 3.10 or newer, Redis 6 or newer and a C compiler with your system's package manager, or run with PULSO_SERVICES=compose (Docker)"
  fi
  apt_install "${packages[@]}"
  mapfile -t packages < <(missing_packages)
  ((${#packages[@]} == 0)) || die "still missing after the installation: ${packages[*]}" "run: apt-get install ${packages[*]}"
}

# apt_install PACKAGE…: asks nothing. A package may start its own server on the standard port: that one is neither used nor stopped.
apt_install() {
  local root=() log
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "not installed: $*; and installing needs root" "as root, run: apt-get install --no-install-recommends $*"
    root=(sudo)
  fi
  say "installing $* with ${root[*]:+sudo }apt-get (a service that a package starts by itself is neither used nor touched)"
  log=$(mktemp)
  # Lists that cannot be refreshed may still be good enough: the installation decides.
  if ! { apt "${root[@]}" update || true; apt "${root[@]}" install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    show_log "$log"
    # A package whose own server did not start counts as failed, but is unpacked: what we need from it may be there.
    complain "apt-get reported a failure (the whole log: $log)"
    return
  fi
  rm -f -- "$log"
}

# apt [sudo] ARGUMENTS…
apt() {
  local root=()
  if [[ $1 == sudo ]]; then
    root=(sudo)
    shift
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -o DPkg::Lock::Timeout=120 "$@" </dev/null 9>&-
}
