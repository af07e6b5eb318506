# Comfort only: every recipe is a command that works without `just`.

# What CI runs.
check:
    cargo xtask test

demo:
    cargo xtask demo

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings

tidy:
    cargo xtask tidy

bench:
    cargo xtask bench chain
