use std::collections::BTreeSet;

use super::*;

const EXAMPLE: &str = include_str!("../../gateway.example.toml");

fn example() -> Config {
    Config::parse(EXAMPLE).unwrap()
}

/// The example with `from` replaced once by `to`, as a file on disk, loaded.
fn load_with(from: &str, to: &str) -> Result<Config, ConfigError> {
    assert!(EXAMPLE.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    fs::write(&path, EXAMPLE.replacen(from, to, 1)).unwrap();
    Config::load(&path)
}

fn keys(prefix: &str, value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = format!("{prefix}.{key}");
                into.insert(path.clone());
                keys(&path, value, into);
            }
        }
        toml::Value::Array(values) => values.iter().for_each(|value| keys(prefix, value, into)),
        _ => {}
    }
}

#[test]
fn the_example_is_a_valid_config() {
    let config = example();
    assert_eq!(config.check().unwrap(), []);
    assert_eq!(config.apps[0].topic, "com.example.Mail");
    assert_eq!(config.backends[0].pin.to_string().len(), 64);
}

#[test]
fn the_example_explains_every_key_there_is() {
    let mut known = BTreeSet::new();
    keys("", &toml::Value::try_from(example()).unwrap(), &mut known);
    let mut explained = BTreeSet::new();
    keys("", &toml::from_str(EXAMPLE).unwrap(), &mut explained);
    assert_eq!(explained, known);
    for line in EXAMPLE
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
    {
        let (before, _) = EXAMPLE.split_once(line).unwrap();
        let above = before.lines().next_back().unwrap();
        assert!(
            above.starts_with('#') || line.starts_with("backoff_max"),
            "no comment above: {line}"
        );
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let config = example();
    let plain = Config::parse(
        r#"
        [store]
        path = "s"
        [listen]
        certificate = "c"
        [[app]]
        topic = "t"
        environment = "production"
        [app.upstream]
        kind = "binary"
        certificate = "c"
        "#,
    )
    .unwrap();
    let same = |a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug| {
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    };
    same(&plain.shutdown, &config.shutdown);
    same(
        &StoreConfig {
            path: config.store.path.clone(),
            ..plain.store
        },
        &config.store,
    );
    let listen = config.listen.clone();
    same(
        &ListenConfig {
            certificate: listen.certificate.clone(),
            key: listen.key.clone(),
            client_ca: listen.client_ca.clone(),
            production: listen.production.clone(),
            sandbox: listen.sandbox.clone(),
            ..plain.listen
        },
        &listen,
    );
    let (shown, plain) = (&config.apps[0], &plain.apps[0]);
    same(
        &AppConfig {
            topic: shown.topic.clone(),
            upstream: UpstreamConfig {
                address: shown.upstream.address.clone(),
                feedback: shown.upstream.feedback.clone(),
                certificate: shown.upstream.certificate.clone(),
                key: shown.upstream.key.clone(),
                ca: shown.upstream.ca.clone(),
                ..plain.upstream.clone()
            },
            ..plain.clone()
        },
        shown,
    );
}

#[test]
fn what_is_built_in_code_has_the_defaults_of_the_file() {
    let upstream = UpstreamConfig::binary("c", None);
    let built = AppConfig::new("t", Environment::Sandbox, upstream);
    let read: AppConfig = toml::from_str(
        "topic = 't'\nenvironment = 'sandbox'\n[upstream]\nkind = 'binary'\ncertificate = 'c'",
    )
    .unwrap();
    assert_eq!(format!("{built:?}"), format!("{read:?}"));
}

#[test]
fn an_unknown_key_is_refused_at_any_depth_with_its_place() {
    for (from, to, key) in [
        ("[store]", "[stores]", "stores"),
        (
            "dead_letters_max = ",
            "dead_letter_max = ",
            "dead_letter_max",
        ),
        (
            "handshake_timeout = ",
            "handshake_deadline = ",
            "handshake_deadline",
        ),
        ("[listen.sandbox]", "[listen.development]", "development"),
        (
            "feedback = \"0.0.0.0:2196\"",
            "feedbak = \"0.0.0.0:2196\"",
            "feedbak",
        ),
        ("trust_after = ", "trust = ", "trust"),
        ("quiet_period = ", "quiet = ", "quiet"),
        ("pin = ", "fingerprint = ", "fingerprint"),
        ("idle = ", "idle_timeout = ", "idle_timeout"),
    ] {
        let error = load_with(from, to).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
        assert!(error.contains("gateway.toml line "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_refused_with_what_to_do() {
    for (from, to, says) in [
        (
            "handshake_timeout = \"10s\"",
            "handshake_timeout = 10",
            "expected a string",
        ),
        (
            "handshake_timeout = \"10s\"",
            "handshake_timeout = \"10\"",
            "write for example \"250ms\"",
        ),
        (
            "handshake_timeout = \"10s\"",
            "handshake_timeout = \"0s\"",
            "listen.handshake_timeout is zero",
        ),
        (
            "connections_max = 1_000",
            "connections_max = 0",
            "listen.connections_max is 0: give it at least 1",
        ),
        (
            "\"0.0.0.0:2195\"",
            "\"gateway.push.apple.com:2195\"",
            "invalid socket address",
        ),
        (
            "\"apns.example.net:2195\"",
            "\"apns.example.net\"",
            "is not host:port",
        ),
        (
            "environment = \"production\"",
            "environment = \"development\"",
            "unknown variant `development`",
        ),
        (
            "kind = \"binary\"",
            "kind = \"http2\"",
            "unknown variant `http2`",
        ),
        ("kind = \"binary\"", "", "missing field `kind`"),
        (
            "on_reject = \"next-time\"",
            "on_reject = \"never\"",
            "unknown variant `never`",
        ),
        (
            "answer_wait = \"2s\"",
            "answer_wait = \"0s\"",
            "app.answer_wait is zero",
        ),
        (
            "address = \"127.0.0.1:2190\"",
            "address = \"0.0.0.0:2190\"",
            "is not a loopback address",
        ),
        ("pin = \"00:", "pin = \"0x", "not a SHA-256 fingerprint"),
        ("tls = \"1.2\"", "tls = \"1.1\"", "unknown variant `1.1`"),
        (
            "backoff_max = \"60s\"",
            "backoff_max = \"60ms\"",
            "backoff_max is less than backoff_base",
        ),
        (
            "name = \"billing\"",
            "name = \"\"",
            "a [[backend]] has an empty name",
        ),
        (
            "topic = \"com.example.Mail\"\n\n# The only",
            "topic = \"com.example.Mial\"\n\n# The only",
            "backend billing is for com.example.Mial, which no [[app]] has in production",
        ),
        ("path = \"/var", "# path = \"/var", "store.path is missing"),
        (
            "certificate = \"/etc/apns-gateway/server.pem\"",
            "",
            "listen.certificate is missing",
        ),
        ("[store]", "[store", "gateway.toml line "),
    ] {
        let error = load_with(from, to).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_config_that_could_serve_nobody_is_refused() {
    let refused = |change: fn(&mut Config)| {
        let mut config = example();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(refused(|c| c.apps.clear()).contains("no app: add an [[app]]"));
    assert!(refused(|c| c.apps.push(c.apps[0].clone())).contains("is there twice"));
    assert!(
        refused(|c| c.backends.push(c.backends[0].clone()))
            .contains("two backends are named billing")
    );
    assert!(refused(|c| c.listen.production = None).contains("add [listen.production]"));
    assert!(
        refused(|c| {
            c.listen.production = None;
            c.listen.sandbox = None;
        })
        .contains("nothing to listen on")
    );
    assert!(
        refused(|c| {
            c.listen.client_ca = None;
            c.backends.clear();
        })
        .contains("no backend could connect")
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/gateway.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent/gateway.toml"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let text = EXAMPLE
        .replace("/etc/apns-gateway/", "")
        .replace("/var/lib/apns-gateway/", "state/");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.store.path, folder.path().join("state/store.sqlite"));
    assert_eq!(config.listen.certificate, folder.path().join("server.pem"));
    assert_eq!(
        config.listen.client_ca,
        Some(folder.path().join("client-ca.pem"))
    );
    assert_eq!(
        config.apps[0].upstream.key,
        Some(folder.path().join("com.example.Mail.key"))
    );
    let absolute = Config::parse(EXAMPLE).map(|mut config| {
        config.resolve_paths(folder.path());
        config.store.path
    });
    assert_eq!(
        absolute.unwrap(),
        Path::new("/var/lib/apns-gateway/store.sqlite")
    );
}

#[test]
fn apples_closed_hosts_are_the_default_and_worth_a_warning() {
    let mut config = example();
    let upstream = &mut config.apps[0].upstream;
    upstream.address = None;
    upstream.feedback = None;
    assert_eq!(
        upstream.push_address(Environment::Production).to_string(),
        "gateway.push.apple.com:2195"
    );
    assert_eq!(
        upstream
            .feedback_address(Environment::Sandbox)
            .unwrap()
            .to_string(),
        "feedback.sandbox.push.apple.com:2196"
    );
    let warnings = config.check().unwrap();
    assert_eq!(warnings.len(), 2);
    for (warning, host) in warnings.iter().zip(["gateway", "feedback"]) {
        let warning = warning.to_string();
        assert!(
            warning.contains("closed") && warning.contains("2021-03-31"),
            "{warning}"
        );
        assert!(
            warning.contains(&format!("{host}.push.apple.com")),
            "{warning}"
        );
    }
}

#[test]
fn an_upstream_without_a_feedback_address_is_worth_a_warning() {
    let mut config = example();
    config.apps[0].upstream.feedback = None;
    let warnings = config.check().unwrap();
    assert_eq!(
        warnings,
        [Warning::NoFeedback {
            topic: "com.example.Mail".to_owned(),
            environment: Environment::Production
        }]
    );
}

#[test]
fn a_port_base_numbers_the_listeners_in_ready_file_order_on_loopback() {
    let mut config = example();
    config.set_port_base(apns_net::ready::PortBase(3000));
    let production = config.listen.production.clone().unwrap();
    let sandbox = config.listen.sandbox.clone().unwrap();
    let ports = [
        production.backend,
        production.feedback,
        sandbox.backend,
        sandbox.feedback,
    ];
    assert_eq!(
        ports.map(|a| a.to_string()),
        [
            "127.0.0.1:3000",
            "127.0.0.1:3001",
            "127.0.0.1:3002",
            "127.0.0.1:3003"
        ]
    );
    config.set_port_base(apns_net::ready::PortBase(0));
    assert_eq!(
        config.listen.sandbox.unwrap().feedback.to_string(),
        "127.0.0.1:0"
    );
}
