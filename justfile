# Comfort only: every recipe is a command that works without `just`.

# What CI runs.
check:
    cargo xtask test

demo:
    cargo xtask demo

fmt:
    cargo fmt --all

# The engine's build needs the folder that `cargo xtask setup` prints; by default it is this one.
lint:
    DUCKDB_LIB_DIR="${DUCKDB_LIB_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/duckdb}" cargo clippy --workspace --all-targets -- -D warnings

tidy:
    cargo xtask tidy

bench:
    cargo xtask bench chain
