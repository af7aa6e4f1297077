# shellcheck shell=bash
# Which processors take in and which store.

# split_cpus: sets ACCEPT_CPUS to the first half of the processors that we may use and STORE_CPUS to the others; both to
# nothing where there are fewer than two.
# shellcheck disable=SC2034 # for whoever calls it
split_cpus() {
  local all half
  mapfile -t all < <(allowed_cpus)
  half=$((${#all[@]} / 2))
  ACCEPT_CPUS=
  STORE_CPUS=
  if ((half > 0)); then
    ACCEPT_CPUS=$(join_by_comma "${all[@]:0:half}")
    STORE_CPUS=$(join_by_comma "${all[@]:half}")
  fi
}

# allowed_cpus: a line each.
allowed_cpus() {
  local list part parts first last
  list=$(taskset --cpu-list --pid "$BASHPID") || return 0
  IFS=, read -ra parts <<<"${list##* }"
  for part in "${parts[@]}"; do
    IFS=- read -r first last <<<"$part"
    seq "$first" "${last:-$first}"
  done
}

join_by_comma() {
  local IFS=,
  printf '%s\n' "$*"
}
