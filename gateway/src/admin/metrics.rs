//! The status as Prometheus reads it (OpenMetrics). Topics are the only names in it: no token, no backend. `docs/metrics.md` is made from
//! what is said here.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::status::{AppStatus, Status};
use crate::counters::Counters;
use crate::store::CommitTimes;

/// Something that is said: its name, for people, and where it is read.
struct Of<T>(&'static str, &'static str, fn(&T) -> u64);

/// What is said of each app as a counter.
const COUNTERS: [Of<AppStatus>; 7] = [
    Of(
        "accepted",
        "Notifications made durable: delivered + rejected + expired + given up + queued",
        |app| app.accepted,
    ),
    Of("delivered", "Notifications taken by upstream", |app| {
        app.delivered
    }),
    Of(
        "rejected",
        "Notifications refused, by upstream or on sight",
        |app| app.rejected,
    ),
    Of(
        "expired",
        "Notifications whose expiry passed while they waited",
        |app| app.expired,
    ),
    Of(
        "given_up",
        "Notifications whose retry budget was spent",
        |app| app.given_up,
    ),
    Of(
        "dead_letters_dropped",
        "Dead letters that made room for newer ones",
        |app| app.dead_letters_dropped,
    ),
    Of(
        "holds",
        "Times the app was put on hold by what upstream said, since the start of the process",
        |app| app.holds,
    ),
];

/// The same, as a gauge.
const GAUGES: [Of<AppStatus>; 10] = [
    Of("queued", "Notifications without an end yet", |app| {
        app.queued
    }),
    Of(
        "oldest_age_seconds",
        "Age of the oldest queued notification, 0 without one",
        |app| app.oldest_age.unwrap_or(0),
    ),
    Of("dead_letters", "Dead letters kept", |app| app.dead_letters),
    Of("feedback", "Feedback tuples kept", |app| app.feedback),
    Of("dead_tokens", "Tokens known to be bad", |app| {
        app.dead_tokens
    }),
    Of(
        "vouched",
        "Deliveries since upstream, topic or credentials changed",
        |app| app.vouched,
    ),
    Of(
        "held",
        "1 while nothing is sent but a probe now and then",
        |app| u64::from(app.held.is_some()),
    ),
    Of(
        "upstream_connections_open",
        "Connections to the upstream that are open",
        |app| app.upstream.connections,
    ),
    Of(
        "upstream_in_flight",
        "Notifications sent upstream and not yet answered or confirmed; over HTTP/2 the streams in use",
        |app| app.upstream.in_flight,
    ),
    Of(
        "upstream_streams_max",
        "Streams the upstream takes at once on the connections that are open, as it said last; 4294967295 where it sets no limit, 0 over the binary protocol",
        |app| app.upstream.streams_max,
    ),
];

/// What is said of the whole, as a gauge.
const WHOLE: [Of<Status>; 6] = [
    Of(
        "backend_connections",
        "Connections of backends that are open",
        |status| status.connections,
    ),
    Of(
        "listen_certificate_not_after_timestamp_seconds",
        "End of the certificate that backends are shown, in seconds since 1970",
        |status| status.listen_certificate_not_after,
    ),
    Of("stopping", "1 once no new connection is taken", |status| {
        u64::from(status.stopping)
    }),
    Of("store_size_bytes", "Bytes of the store in use", |status| {
        status.store.size
    }),
    Of(
        "store_size_max_bytes",
        "Bytes that may be: store.size_max, or what the disk has left for it",
        |status| status.store.size_max,
    ),
    Of(
        "store_full",
        "1 while backends are not read until deliveries have made room",
        |status| u64::from(status.store.full),
    ),
];

/// The whole text.
pub(super) fn text(status: Status) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("apns_gateway");
    registry.register_collector(Box::new(Metrics(status)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Metrics(Status);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(status) = self;
        let encoder = &mut encoder;
        for of in &COUNTERS {
            of.encode(encoder, &status.apps, ConstCounter::new)?;
        }
        verdicts(encoder, &status.apps)?;
        for of in &GAUGES {
            of.encode(encoder, &status.apps, ConstGauge::new)?;
        }
        certificates(encoder, &status.apps)?;
        for Of(name, help, value) in &WHOLE {
            one(encoder, name, help, ConstGauge::new(value(status)))?;
        }
        let CommitTimes { buckets, seconds } = &status.store.commit_times;
        let commits = status.store.commits;
        let (name, unit) = split("commit_duration_seconds");
        let help = "How long commits of the store took, to the disk's word";
        encoder
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(*seconds, commits, buckets, None)?;
        for ((name, value), help) in status.counters.iter().zip(Counters::helps()) {
            let help = help.trim_end_matches('.');
            one(encoder, name, help, ConstCounter::new(*value))?;
        }
        Ok(())
    }
}

impl Of<AppStatus> {
    fn encode<M: EncodeMetric>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        apps: &[AppStatus],
        metric: impl Fn(u64) -> M,
    ) -> fmt::Result {
        let Self(name, help, value) = self;
        let (name, unit) = split(name);
        let kind = metric(0).metric_type();
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for app in apps {
            metric(value(app)).encode(family.encode_family(&labels(app))?)?;
        }
        Ok(())
    }
}

fn verdicts(encoder: &mut DescriptorEncoder<'_>, apps: &[AppStatus]) -> fmt::Result {
    let help = "Verdicts on pushes, since the start of the process, by what they are";
    let mut family = encoder.encode_descriptor("verdicts", help, None, MetricType::Counter)?;
    for app in apps {
        for (kind, count) in &app.verdicts {
            let detail = kind.detail();
            let [topic, environment] = labels(app);
            let verdict = ("verdict", kind.verdict());
            let labels = [topic, environment, verdict, ("detail", &detail)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// Where the login is a certificate.
fn certificates(encoder: &mut DescriptorEncoder<'_>, apps: &[AppStatus]) -> fmt::Result {
    let (name, unit) = split("upstream_certificate_not_after_timestamp_seconds");
    let help = "End of the certificate that is the login upstream, in seconds since 1970; no sample where the login is a key";
    let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
    for app in apps {
        if let Some(end) = app.upstream.certificate_not_after {
            ConstGauge::new(end).encode(family.encode_family(&labels(app))?)?;
        }
    }
    Ok(())
}

fn labels(app: &AppStatus) -> [(&str, &str); 2] {
    [
        ("topic", &app.topic),
        ("environment", app.environment.as_str()),
    ]
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: impl EncodeMetric,
) -> fmt::Result {
    let (name, unit) = split(name);
    let kind = metric.metric_type();
    metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)
}

/// A name without the unit at its end, and the unit: the library puts them together again, and names the unit.
fn split(name: &str) -> (&str, Option<Unit>) {
    for unit in [Unit::Seconds, Unit::Bytes] {
        if let Some(bare) = name.strip_suffix(unit.as_str())
            && let Some(bare) = bare.strip_suffix('_')
        {
            return (bare, Some(unit));
        }
    }
    (name, None)
}
