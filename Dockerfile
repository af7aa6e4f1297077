# One image with api, worker and simulator. Base images are arguments, for mirrors and other distributions:
#   docker build --build-arg RUST_IMAGE=… --build-arg NODE_IMAGE=… --build-arg RUNTIME_IMAGE=… .
# The first and the last must come from the same Debian release, or the binaries miss their C library.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

# ReDoc's page, from npm.
FROM ${NODE_IMAGE} AS web
WORKDIR /redoc
COPY api/assets/redoc/.npmrc api/assets/redoc/package.json api/assets/redoc/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

# Dependencies alone, with empty crates in place of ours: this layer is made again only when a Cargo.toml or Cargo.lock changes.
FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY api/Cargo.toml api/Cargo.toml
COPY bench/Cargo.toml bench/Cargo.toml
COPY faults/Cargo.toml faults/Cargo.toml
COPY shared/Cargo.toml shared/Cargo.toml
COPY simulator/Cargo.toml simulator/Cargo.toml
COPY testkit/Cargo.toml testkit/Cargo.toml
COPY worker/Cargo.toml worker/Cargo.toml
RUN for crate in api bench faults shared simulator testkit worker; do \
        mkdir "$crate/src" && touch "$crate/src/lib.rs" && echo 'fn main() {}' > "$crate/src/main.rs"; \
    done \
    && cargo build --release --locked --package pulso-api --package pulso-worker --package pulso-simulator \
    && rm -r -- */src

# Ours. The empty crates are newer than the files that are copied, which keep their dates: hence the touch.
COPY . .
COPY --from=web /redoc/node_modules api/assets/redoc/node_modules
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package pulso-api --package pulso-worker --package pulso-simulator

FROM ${RUNTIME_IMAGE}
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin pulso
COPY --from=build /src/target/release/pulso-api /src/target/release/pulso-worker /src/target/release/pulso-simulator /usr/local/bin/
USER 10001:10001
# 8080: api; 9090: the worker's health and metrics.
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["pulso-api", "healthcheck"]
CMD ["pulso-api", "serve"]
