//! What Prometheus reads: as the format is written, and as `docs/metrics.md` says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_gateway::check;
use apns_gateway::config::AdminConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::made;
use crate::support::exposition::{Family, families};
use crate::support::*;

const INTRODUCTION: &str = "\
# Metrics

What `/metrics` on the admin port (`[admin]` in the configuration) says, in the text that Prometheus reads (OpenMetrics 1.0). This page is made from it:
a test compares, and `UPDATE=1 cargo test -p apns-gateway --test sockets metrics` writes it anew.

The samples of a counter have `_total` behind the name. What became of an app's notifications is durable and of one commit, so that accepted = delivered +
rejected + expired + given up + queued in every scrape; every other counter begins at 0 with the process. Topics are the only names in it: no token,
no backend.
";

const VERDICTS: &str = "
## Verdicts

The labels of `apns_gateway_verdicts`. [verdicts.md](verdicts.md) says which answer of an upstream is which verdict. `detail` is the budget that is charged
when it is to be sent again, what is wrong when the app goes on hold, and the status that a backend would be told when it is rejected.

| `verdict` | `detail` |
|---|---|
";

const WATCH: &str = "
## What to watch

| when | it means |
|---|---|
| `apns_gateway_held == 1` | upstream refuses certificate, key, topic or environment, or somebody stopped the app: `apns-gateway status` says why |
| `apns_gateway_upstream_connections_open == 0` for minutes while `apns_gateway_queued > 0` | nothing goes out; the log says why, `upstream_failures`, `upstream_untrusted` and `upstream_protocol_errors` what kind of why |
| `apns_gateway_oldest_age_seconds` grows | upstream takes less than comes, or one token waits for its retries |
| `apns_gateway_upstream_in_flight` is at `apns_gateway_upstream_streams_max` | the upstream's limit on streams is what bounds the rate |
| `apns_gateway_store_full == 1` | backends are not read until deliveries have made room |
| `apns_gateway_gateway_faults_total` or `apns_gateway_surprises_total` grows | somebody must look: at the dead letters, at `quiet_period` |
| `apns_gateway_upstream_certificate_not_after_timestamp_seconds - time() < 30 * 86400`, or `apns_gateway_listen_certificate_not_after_timestamp_seconds - time() < 30 * 86400` | a certificate ends within thirty days, and the app is on hold then, or backends that look go away: [renew it](bridge.md#renewing-certificates); the log warns once a day |
| `apns_gateway_dead_letters_dropped_total` grows | what was refused is forgotten unseen |
| `apns_gateway_verdicts_total{verdict=\"again\"}` outgrows `{verdict=\"delivered\"}` | upstream is out of order, or wants less |
";

/// A bench that can be looked at.
async fn observed(kind: Kind) -> Bench {
    let mut bench = Bench::prepare_over(kind).await;
    bench.config.admin = Some(AdminConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
    });
    bench
}

async fn scraped(bench: &Bench) -> Vec<Family> {
    let admin = bench.gateway().ready_file().admin.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let answer = soon("the metrics", async {
        let mut socket = TcpStream::connect(admin).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    })
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let content_type =
        "\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(content_type), "{head}");
    families(body)
}

/// The value of a sample of the bench's app, and of these labels.
fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = families.iter().flat_map(|family| &family.samples);
    let name = format!("apns_gateway_{name}");
    let mut found = samples.filter(|sample| {
        let has = |(label, value): &(&str, &str)| sample.labels[*label] == *value;
        sample.name == name && sample.labels["topic"] == TOPIC && labels.iter().all(has)
    });
    let sample = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "more than one {name}");
    sample.value
}

/// Waits until that sample has this value.
async fn comes_to(bench: &Bench, name: &str, labels: &[(&str, &str)], expected: f64) {
    soon(name, async {
        while value(&scraped(bench).await, name, labels).to_bits() != expected.to_bits() {}
    })
    .await;
}

fn page(families: &[Family]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n";
    for family in families {
        let Family {
            name, kind, help, ..
        } = family;
        let labels = family.labels().into_iter().filter(|label| *label != "le");
        let labels: Vec<_> = labels.map(|label| format!("`{label}`")).collect();
        let unit = match &family.unit {
            Some(unit) => unit,
            None if help.starts_with("1 ") => "0 or 1",
            None => "count",
        };
        let labels = labels.join(", ");
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {unit} | {help} |");
    }
    page += VERDICTS;
    let samples = families.iter().flat_map(|family| &family.samples);
    let mut details: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for labels in samples.map(|sample| &sample.labels) {
        if let (Some(verdict), Some(detail)) = (labels.get("verdict"), labels.get("detail")) {
            details.entry(verdict).or_default().push(detail);
        }
    }
    for (verdict, details) in details {
        let _ = writeln!(page, "| {verdict} | {} |", details.join(", "));
    }
    page + WATCH
}

#[tokio::test]
async fn docs_metrics_md_lists_every_metric_with_its_type_labels_and_unit() {
    let mut bench = observed(Kind::Binary).await;
    bench.run().await;
    let page = page(&scraped(&bench).await);
    made::compare(
        "metrics.md",
        &page,
        "-p apns-gateway --test sockets metrics",
    );
    // What is said to be watched is there to be watched.
    for name in WATCH.split('`').skip(1).step_by(2) {
        let name = name.split([' ', '{']).next().unwrap();
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(
            !name.starts_with("apns_gateway") || page.contains(&format!("| `{family}` |")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn verdicts_are_counted_by_what_they_are_over_a_binary_upstream() {
    let mut bench = observed(Kind::Binary).await;
    bench.run().await;
    let mut peer = bench.upstream.accept().await;
    comes_to(&bench, "upstream_connections_open", &[], 1.0).await;
    let mut backend = bench.backend().await;
    backend.push([1, 2]).await;
    assert_eq!(peer.names(2).await, [1, 2]);
    comes_to(&bench, "upstream_in_flight", &[], 2.0).await;
    bench.delivered(2).await;
    backend.push([3]).await;
    let refused = peer.next().await;
    peer.answer(8, identifier(&refused)).await;
    backend.read_to_end().await;
    let mut peer = bench.upstream.accept().await;
    bench.backend().await.push([4]).await;
    let refused = peer.next().await;
    peer.answer(3, identifier(&refused)).await;
    eventually("the hold", || bench.held().is_some()).await;
    let metrics = scraped(&bench).await;
    let count = |verdict, detail| {
        let labels = [("verdict", verdict), ("detail", detail)];
        value(&metrics, "verdicts_total", &labels)
    };
    assert_eq!(
        [
            count("delivered", ""),
            count("rejected", "8"),
            count("hold", "topic"),
            count("again", "failed")
        ],
        [2.0, 1.0, 1.0, 0.0]
    );
    assert_eq!(
        [
            value(&metrics, "holds_total", &[]),
            value(&metrics, "held", &[]),
            value(&metrics, "upstream_streams_max", &[])
        ],
        [1.0, 1.0, 0.0]
    );
}

#[tokio::test]
async fn streams_in_use_and_streams_there_may_be_are_seen_over_http2() {
    let mut bench = observed(Kind::Http2).await;
    bench.run().await;
    let mut peer = bench.upstream.accept_http2().await;
    comes_to(
        &bench,
        "upstream_streams_max",
        &[],
        Apns::STREAMS_MAX.into(),
    )
    .await;
    peer.answers(false);
    let mut backend = bench.backend().await;
    backend.push([1, 2, 3]).await;
    assert_eq!(peer.names(3).await, [1, 2, 3]);
    comes_to(&bench, "upstream_in_flight", &[], 3.0).await;
    peer.answers(true);
    comes_to(&bench, "upstream_in_flight", &[], 0.0).await;
    let delivered = [("verdict", "delivered")];
    comes_to(&bench, "verdicts_total", &delivered, 3.0).await;
    drop(peer);
    comes_to(&bench, "upstream_connections_open", &[], 0.0).await;
    comes_to(&bench, "upstream_streams_max", &[], 0.0).await;
}

#[tokio::test]
async fn the_ends_of_certificates_are_seen_and_a_new_one_is_seen_once_it_is_read() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let mut bench = observed(Kind::Http2).await;
    let now = UNIX_EPOCH + Duration::from_secs(UNIX_EPOCH.elapsed().unwrap().as_secs());
    let (soon, late) = (now + 3 * DAY / 2, now + 300 * DAY);
    let upstream = |end| bench.authority.push_valid(TOPIC, Validity::Until(end));
    let (ours, theirs) = (upstream(soon), upstream(late));
    let listen = bench
        .authority
        .server_called(&["127.0.0.1"], Validity::Until(soon));
    let path = bench.folder.path().join("push.pem");
    private(&path, &ours);
    private(&bench.config.listen.certificate, &listen);
    let warnings = check(&bench.config).unwrap();
    for warning in &warnings {
        assert!(
            warning.contains("ends in 1 day: put a new one"),
            "{warning}"
        );
    }
    assert!(
        warnings[0].starts_with("listen.certificate: "),
        "{warnings:?}"
    );
    assert!(
        warnings[1].contains(": app.upstream.certificate: "),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    bench.run().await;
    let seconds = |end: SystemTime| end.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let name = "upstream_certificate_not_after_timestamp_seconds";
    comes_to(&bench, name, &[], seconds(soon)).await;
    let of_listeners = scraped(&bench)
        .await
        .into_iter()
        .flat_map(|family| family.samples);
    let of_listeners = of_listeners.filter(|sample| {
        sample.name == "apns_gateway_listen_certificate_not_after_timestamp_seconds"
    });
    let ends: Vec<_> = of_listeners.map(|sample| sample.value.to_bits()).collect();
    assert_eq!(ends, [seconds(soon).to_bits()]);
    private(&path, &theirs);
    bench.gateway().reload(&bench.config).await.unwrap();
    comes_to(&bench, name, &[], seconds(late)).await;
}
