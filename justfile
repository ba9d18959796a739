# Recipes for people; .ci/run calls the same commands.

# What CI runs, from start to end.
ci:
    bash .ci/run

# The whole flow, once.
demo:
    cargo run --bin apns-demo -- --once

test:
    cargo test --workspace

# PHP, Java and node clients against simulator and gateway, and docs/certificates.md from top to bottom (needs php, a JDK, openssl, node and npm).
third-party:
    npm ci --ignore-scripts --no-audit --no-fund --prefix examples/clients/node
    python3 -m venv tests/rig/clients/pushjack/venv
    tests/rig/clients/pushjack/venv/bin/pip install --quiet --requirement tests/rig/clients/pushjack/requirements.txt
    cargo build --bins
    cargo test -p apns-rig --features third-party --test third_party
    npm ci --ignore-scripts --no-audit --no-fund --prefix tests/rig/clients/parse-node-apn
    python3 -m venv tests/rig/clients/aioapns/venv
    tests/rig/clients/aioapns/venv/bin/pip install --quiet --requirement tests/rig/clients/aioapns/requirements.txt
    cargo test -p apns-rig --features third-party --test third_party_http2
    python3 -m venv tests/rig/clients/schemathesis/venv
    tests/rig/clients/schemathesis/venv/bin/pip install --quiet --requirement tests/rig/clients/schemathesis/requirements.txt
    cargo test -p apns-rig --features third-party --test third_party_rest

# The example tests in pytest (four workers) and node:test, against one simulator.
test-frameworks:
    python3 -m venv examples/tests/pytest/venv
    examples/tests/pytest/venv/bin/pip install --quiet --requirement examples/tests/pytest/requirements.txt
    cargo test -p apns-rig --features third-party --test test_frameworks

# What a notification costs simulator and gateway, what idles and what waits (docs/performance.md); `just bench --check` fails when a ratio, a size or the time of a start is over its target.
bench *arguments:
    cargo run --profile dist --bin apns-bench -- {{arguments}}

# The conformance suite against our simulator and our gateway, and against servers that are wrong on purpose.
conformance:
    cargo test -p apns-conformance
    cargo test -p apns-rig --test conformance

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Fuzz one decoder (proto: `decode`, `courier`, `answer`; net: `pkcs12`, `credentials`) for some seconds, from the committed corpus.
fuzz crate="proto" target="decode" seconds="60":
    tests/fuzz {{crate}} {{target}} {{seconds}}

# Every small change to apns-proto must be noticed by its own tests; `--changed`: in what the last change touched, as CI does. Takes an hour.
mutants *arguments:
    tests/mutants {{arguments}}

# A gateway killed at that many random instants over each kind of upstream; `seed` repeats a run.
soak kills="200" seed="":
    APNS_SOAK_KILLS={{kills}} APNS_SOAK_SEED={{seed}} cargo test -p apns-rig --test soak -- --nocapture

# The suites against our servers, our client and six of others, and docs/compatibility.md written anew from what they find.
compatibility:
    npm ci --ignore-scripts --no-audit --no-fund --prefix examples/clients/node
    npm ci --ignore-scripts --no-audit --no-fund --prefix tests/rig/clients/suite
    python3 -m venv tests/rig/clients/pushjack/venv
    tests/rig/clients/pushjack/venv/bin/pip install --quiet --requirement tests/rig/clients/pushjack/requirements.txt
    python3 -m venv tests/rig/clients/suite/venv
    tests/rig/clients/suite/venv/bin/pip install --quiet --requirement tests/rig/clients/suite/requirements.txt
    rm -rf target/reports && mkdir -p target/reports
    -APNS_REPORTS='{{justfile_directory()}}/target/reports' cargo test -p apns-rig --test conformance
    UPDATE=1 APNS_REPORTS='{{justfile_directory()}}/target/reports' cargo test -p apns-rig --features third-party --test compatibility clients::
    UPDATE=1 cargo test -p apns-rig --features third-party --test compatibility page::
