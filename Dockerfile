# The agent alone: one static program on an empty file system, without a shell; by default without root.
#
#   docker build --tag weir .
#
# Capture needs the host's network and one right: see compose.yaml.

# Alpine's compiler makes static programs. For another architecture buildx emulates it (slow); cross/build is quicker.
FROM rust:1.95-alpine AS build
# hadolint ignore=DL3018 # the C compiler of the base image's own release
RUN apk add --no-cache build-base
WORKDIR /src
COPY . .
RUN cargo build --locked --release --package weir \
 && install -D -m 755 target/release/weir /out/usr/bin/weir \
 && install -D -m 644 agent/dist/weir.toml /out/etc/weir/weir.toml \
 && install -d -m 750 -o 65532 -g 65532 /out/var/lib/weir

FROM scratch
LABEL org.opencontainers.image.title="Weir" \
      org.opencontainers.image.description="Network flow agent for branch-office gateways" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/ /
# Ring, keys and copies of databases; owned by the user below.
VOLUME /var/lib/weir
# The page is served on loopback only, so nothing is published without the host's network.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["/usr/bin/weir", "selftest", "--running"]
ENTRYPOINT ["/usr/bin/weir"]
CMD ["run", "--config", "/etc/weir/weir.toml", "--data-dir", "/var/lib/weir", "--keep-last-good", "--status-line"]
