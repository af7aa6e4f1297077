# shellcheck shell=bash
# The same as `make run` does, in containers: docker-compose.yaml with generated passwords.

has_compose() { docker compose version >/dev/null 2>&1; }

# set_compose_command: a project name of its own, so that a stack that somebody operates from this folder is not touched.
set_compose_command() {
  COMPOSE_ENV=$HOME_DIR/compose.env
  COMPOSE=(docker compose --project-name pulso-run --file "$ROOT_DIR/docker-compose.yaml" --env-file "$COMPOSE_ENV")
  if [[ $DEMO != 0 ]]; then COMPOSE+=(--profile demo); fi
}

run_with_compose() {
  has_compose || die "docker compose is not installed" "install Docker with its compose plugin, or run with PULSO_SERVICES=local"
  docker info >/dev/null 2>&1 || die "Docker does not answer" "start it, and see that this user may use it (group docker)"
  set_compose_command
  write_compose_env
  say "building and starting the containers (the first time takes some minutes)"
  step "${COMPOSE[@]}" up --build --detach --remove-orphans || die "docker compose failed" "see its message above"
  await_compose
  print_ready_block "$PORT" "$ADMIN_USERNAME" "$ADMIN_PASSWORD" "$CREDENTIALS" "Ctrl-C"
  while true; do pause; done
}

write_compose_env() {
  local file=$COMPOSE_ENV name
  if [[ ! -s $file ]]; then
    (
      umask 077
      for name in POSTGRES RABBITMQ REDIS; do printf '%s_PASSWORD=%s\n' "$name" "$(random_hex 16)"; done >"$file.new"
      mv -f -- "$file.new" "$file"
    )
  fi
  # What the environment says wins over the file.
  export PULSO_PORT=$PORT ADMIN_USERNAME ADMIN_PASSWORD JWT_SECRET
}

await_compose() {
  local started=$SECONDS said=$SECONDS
  until is_ready "$PORT"; do
    if ((SECONDS - started > 300)); then
      "${COMPOSE[@]}" ps >&2
      "${COMPOSE[@]}" logs --tail 15 migrate api worker >&2
      die "Pulso was not ready within 5 minutes" "see the containers' logs above"
    fi
    if ((SECONDS - said >= 20)); then
      say "waiting for the containers"
      said=$SECONDS
    fi
    pause
  done
}

stop_compose() {
  if [[ -z ${COMPOSE+set} ]]; then return 0; fi
  say "stopping the containers"
  "${COMPOSE[@]}" --profile demo down 8>&-
}

# forget_compose: the volumes too.
forget_compose() {
  if [[ ! -s $HOME_DIR/compose.env ]] || ! has_compose; then return 0; fi
  DEMO=1
  set_compose_command
  ADMIN_USERNAME=- ADMIN_PASSWORD=- JWT_SECRET=- "${COMPOSE[@]}" down --volumes
}
