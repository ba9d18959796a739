use std::collections::BTreeSet;

use super::*;

const EXAMPLE: &str = include_str!("../../gateway.example.toml");

fn example() -> Config {
    Config::parse(EXAMPLE).unwrap()
}

/// The app of the example with a binary upstream.
const BINARY: usize = 2;

fn binary(config: &mut Config) -> &mut BinaryUpstream {
    match &mut config.apps[BINARY].upstream {
        UpstreamConfig::Binary(binary) => binary,
        UpstreamConfig::Http2(_) => panic!("the example's third app is binary"),
    }
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

/// The blocks of TOML in a page.
fn toml_in(page: &str) -> Vec<&str> {
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_configurations_of_the_bridge_guide_are_valid() {
    let page = include_str!("../../../docs/bridge.md");
    let [whole, certificate] = toml_in(page)[..] else {
        panic!("a whole configuration, and what differs with a certificate");
    };
    let whole = whole.replace('…', &"ab".repeat(32));
    let config = Config::parse(&whole).unwrap();
    assert_eq!(config.check().unwrap(), []);
    let (before, token) = whole.split_once("[app.upstream.token]").unwrap();
    let (_, after) = token.split_once("[[backend]]").unwrap();
    let config = Config::parse(&format!("{before}{certificate}[[backend]]{after}")).unwrap();
    assert_eq!(config.check().unwrap(), []);
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
        kind = "http2"
        token = { key = "k", key_id = "i", team_id = "t" }
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
    let (UpstreamConfig::Http2(shown), UpstreamConfig::Http2(plain_http2)) =
        (&config.apps[0].upstream, &plain.apps[0].upstream)
    else {
        panic!("the first app's upstream is HTTP/2");
    };
    let http2 = UpstreamConfig::Http2(Http2Upstream {
        address: shown.address.clone(),
        token: shown.token.clone(),
        ca: shown.ca.clone(),
        proxy: shown.proxy.clone(),
        ..plain_http2.clone()
    });
    same(
        &AppConfig {
            topic: config.apps[0].topic.clone(),
            upstream: http2,
            ..plain.apps[0].clone()
        },
        &config.apps[0],
    );
    let (UpstreamConfig::Binary(shown), UpstreamConfig::Binary(plain)) =
        (&config.apps[BINARY].upstream, &plain.apps[1].upstream)
    else {
        panic!("the last app's upstream is binary");
    };
    same(
        &BinaryUpstream {
            address: shown.address.clone(),
            feedback: shown.feedback.clone(),
            certificate: shown.certificate.clone(),
            key: shown.key.clone(),
            ca: shown.ca.clone(),
            flush_after: shown.flush_after,
            ..plain.clone()
        },
        shown,
    );
}

#[test]
fn what_is_built_in_code_has_the_defaults_of_the_file() {
    let token = TokenConfig {
        key: "k".into(),
        key_id: "i".to_owned(),
        team_id: "t".to_owned(),
    };
    for (upstream, text) in [
        (
            UpstreamConfig::Binary(BinaryUpstream::new("c", None)),
            "kind = 'binary'\ncertificate = 'c'",
        ),
        (
            UpstreamConfig::Http2(Http2Upstream::with_certificate("c", Some("k".into()))),
            "kind = 'http2'\ncertificate = 'c'\nkey = 'k'",
        ),
        (
            UpstreamConfig::Http2(Http2Upstream::with_token(token)),
            "kind = 'http2'\ntoken = { key = 'k', key_id = 'i', team_id = 't' }",
        ),
    ] {
        let built = AppConfig::new("t", Environment::Sandbox, upstream);
        let app = format!("topic = 't'\nenvironment = 'sandbox'\n[upstream]\n{text}");
        let read: AppConfig = toml::from_str(&app).unwrap();
        assert_eq!(format!("{built:?}"), format!("{read:?}"));
    }
}

#[test]
fn a_key_of_the_other_kind_of_upstream_is_refused() {
    for (from, to, key) in [
        (
            "ping_interval = ",
            "quiet_period = \"1s\"\nping_interval = ",
            "quiet_period",
        ),
        (
            "answer_timeout = ",
            "feedback = \"h:1\"\nanswer_timeout = ",
            "feedback",
        ),
        ("quiet_period = ", "token = {}\nquiet_period = ", "token"),
    ] {
        let error = load_with(from, to).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
        assert!(error.contains("gateway.toml line "), "{error}");
    }
}

#[test]
fn an_http2_upstream_needs_one_login_that_is_whole() {
    for (from, to, says) in [
        (
            "certificate = \"/etc/apns-gateway/com.example.Mail.p12\"",
            "",
            "app com.example.Mail (sandbox): no login upstream: set token",
        ),
        (
            "answer_timeout = ",
            "certificate = \"c\"\nanswer_timeout = ",
            "token and certificate are both set: leave one out",
        ),
        (
            "answer_timeout = ",
            "key = \"k\"\nanswer_timeout = ",
            "key and password_file belong to a certificate",
        ),
        (
            "password_file = ",
            "key = \"k\"\npassword_file = ",
            "key and password_file are both set",
        ),
        (
            "key_id = \"ABC123DEFG\"",
            "key_id = \"AuthKey_ABC123DEFG\"",
            "token.key_id \"AuthKey_ABC123DEFG\" is not one: it is ten letters and digits",
        ),
        (
            "team_id = \"DEF123GHIJ\"",
            "team_id = \"\"",
            "token.team_id \"\" is not one",
        ),
        (
            "certificate = \"/etc/apns-gateway/com.example.Mail.p12\"",
            "token = { key = \"other.p8\", key_id = \"ABC123DEFG\", team_id = \"DEF123GHIJ\" }\n#",
            "key and password_file belong to a certificate",
        ),
        (
            "connections_max = 4",
            "connections_max = 0",
            "app.upstream.connections_max is 0",
        ),
        (
            "connections_max = 4",
            "connections_max = 65",
            "app com.example.Mail (production): connections_max 65 is more than 64",
        ),
        (
            "connections_max = 4\n\n# Notifications written",
            "connections_max = 0\n\n# Notifications written",
            "app.upstream.connections_max is 0: give it at least 1",
        ),
        (
            "connections_max = 4\n\n# Notifications written",
            "connections_max = 1_000\n\n# Notifications written",
            "app com.example.Chat (production): connections_max 1000 is more than 64",
        ),
        (
            "flush_after = \"200ms\"",
            "flush_after = \"1s\"",
            "flush_after 1s is not less than quiet_period 1s",
        ),
        (
            "flush_after = \"200ms\"",
            "flush_after = true",
            "expected a string",
        ),
        (
            "\"http://proxy.example.net:3128\"",
            "\"proxy.example.net:3128\"",
            "is not a proxy: write for example",
        ),
    ] {
        let error = load_with(from, to).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let mut config = example();
    let mut other = config.apps[0].clone();
    other.topic = "com.example.Other".to_owned();
    config.apps.push(other);
    assert_eq!(
        config.check().unwrap(),
        [],
        "a key serves every app of its team"
    );
    let UpstreamConfig::Http2(Http2Upstream { token, .. }) = &mut config.apps[3].upstream else {
        panic!("it is a copy of the first");
    };
    token.as_mut().unwrap().key = "other.p8".into();
    let error = config.check().unwrap_err().to_string();
    assert!(
        error.contains("the key ABC123DEFG of team DEF123GHIJ is two files"),
        "{error}"
    );
}

#[test]
fn apples_hosts_are_the_default_and_a_certificate_needs_no_key_of_its_own() {
    let config = example();
    let sandbox = &config.apps[1];
    assert_eq!(
        sandbox
            .upstream
            .push_address(Environment::Sandbox)
            .to_string(),
        "api.sandbox.push.apple.com:443"
    );
    assert_eq!(
        sandbox
            .upstream
            .push_address(Environment::Production)
            .to_string(),
        "api.push.apple.com:443"
    );
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
            "kind = \"http3\"",
            "unknown variant `http3`",
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
fn a_store_that_its_connections_could_fill_is_refused_with_the_numbers() {
    let (from, to) = ("size_max = \"16GiB\"", "size_max = \"64MiB\"");
    let error = load_with(from, to).unwrap_err().to_string();
    for says in [
        "store.size_max is 64MiB",
        "listen.connections_max = 1000",
        "may still bring 131MiB",
        "store.size_max at least 262MiB, or listen.connections_max at most 212",
    ] {
        assert!(error.contains(says), "{error}");
    }
    load_with(from, "size_max = \"262MiB\"").unwrap();
    let mut config = example();
    config.store.size_max = 64 << 20;
    config.listen.connections_max = 212;
    config.check().unwrap();
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
    let paths = |app: usize| {
        let mut upstream = config.apps[app].upstream.clone();
        let paths: Vec<_> = upstream.paths_mut().map(|path| path.clone()).collect();
        paths
    };
    for (app, names) in [
        (0, &["AuthKey_ABC123DEFG.p8", "upstream-ca.pem"][..]),
        (1, &["com.example.Mail.p12", "com.example.Mail.password"]),
        (2, &["com.example.Chat.pem", "com.example.Chat.key"]),
    ] {
        let expected: Vec<_> = names.iter().map(|name| folder.path().join(name)).collect();
        assert_eq!(paths(app), expected);
    }
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
    let upstream = binary(&mut config);
    upstream.address = None;
    upstream.feedback = None;
    let upstream = upstream.clone();
    assert_eq!(
        UpstreamConfig::Binary(upstream.clone())
            .push_address(Environment::Production)
            .to_string(),
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
    binary(&mut config).feedback = None;
    let warnings = config.check().unwrap();
    assert_eq!(
        warnings,
        [Warning::NoFeedback {
            topic: "com.example.Chat".to_owned(),
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
