# Recipes for people; .ci/run calls the same commands.

# What CI runs, from start to end.
ci:
    bash .ci/run

test:
    cargo test --workspace

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Fuzz one decoder (`decode`, `courier`, `answer`) for some seconds, from the committed corpus.
fuzz target="decode" seconds="60":
    proto/fuzz/run {{target}} {{seconds}}
