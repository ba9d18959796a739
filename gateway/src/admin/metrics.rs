//! The status as Prometheus reads it (OpenMetrics). Topics are the only names in it: no token, no backend.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::status::{AppStatus, Status};
use crate::store::CommitTimes;

/// Something that is said of each app: its name, for people, and where it is read.
struct OfApp(&'static str, &'static str, fn(&AppStatus) -> u64);

/// What is said as a counter.
const COUNTERS: [OfApp; 6] = [
    OfApp(
        "accepted",
        "Notifications made durable: delivered + rejected + expired + given up + queued",
        |app| app.accepted,
    ),
    OfApp("delivered", "Notifications taken by upstream", |app| {
        app.delivered
    }),
    OfApp(
        "rejected",
        "Notifications refused, by upstream or on sight",
        |app| app.rejected,
    ),
    OfApp(
        "expired",
        "Notifications whose expiry passed while they waited",
        |app| app.expired,
    ),
    OfApp(
        "given_up",
        "Notifications whose retry budget was spent",
        |app| app.given_up,
    ),
    OfApp(
        "dead_letters_dropped",
        "Dead letters that made room for newer ones",
        |app| app.dead_letters_dropped,
    ),
];

/// The same, as a gauge.
const GAUGES: [OfApp; 7] = [
    OfApp("queued", "Notifications without an end yet", |app| {
        app.queued
    }),
    OfApp(
        "oldest_age_seconds",
        "Age of the oldest of them, 0 without one",
        |app| app.oldest_age.unwrap_or(0),
    ),
    OfApp("dead_letters", "Dead letters kept", |app| app.dead_letters),
    OfApp("feedback", "Feedback tuples kept", |app| app.feedback),
    OfApp("dead_tokens", "Tokens known to be bad", |app| {
        app.dead_tokens
    }),
    OfApp(
        "vouched",
        "Deliveries since upstream, topic or credentials changed",
        |app| app.vouched,
    ),
    OfApp(
        "held",
        "1 while nothing is sent but a probe now and then",
        |app| u64::from(app.held.is_some()),
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
        for OfApp(name, help, value) in COUNTERS {
            families(&mut encoder, name, help, &status.apps, |app| {
                ConstCounter::new(value(app))
            })?;
        }
        for OfApp(name, help, value) in GAUGES {
            families(&mut encoder, name, help, &status.apps, |app| {
                ConstGauge::new(value(app))
            })?;
        }
        one(
            &mut encoder,
            "backend_connections",
            "Connections of backends that are open",
            ConstGauge::new(status.connections),
        )?;
        one(
            &mut encoder,
            "stopping",
            "1 once no new connection is taken",
            ConstGauge::new(u64::from(status.stopping)),
        )?;
        one(
            &mut encoder,
            "store_size_bytes",
            "Bytes of the store in use",
            ConstGauge::new(status.store.size),
        )?;
        one(
            &mut encoder,
            "store_size_max_bytes",
            "Bytes that may be: store.size_max, or what the disk has left for it",
            ConstGauge::new(status.store.size_max),
        )?;
        one(
            &mut encoder,
            "store_full",
            "1 while backends are not read until deliveries have made room",
            ConstGauge::new(u64::from(status.store.full)),
        )?;
        let CommitTimes { buckets, seconds } = &status.store.commit_times;
        encoder
            .encode_descriptor(
                "commit_duration_seconds",
                "How long commits of the store took, to the disk's word",
                None,
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(*seconds, status.store.commits, buckets, None)?;
        for (name, value) in &status.counters {
            one(
                &mut encoder,
                name,
                "Since the start of the process, over all apps",
                ConstCounter::new(*value),
            )?;
        }
        Ok(())
    }
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn families<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    apps: &[AppStatus],
    metric: impl Fn(&AppStatus) -> M,
) -> fmt::Result {
    let Some(first) = apps.first() else {
        return Ok(());
    };
    let mut family = encoder.encode_descriptor(name, help, None, metric(first).metric_type())?;
    for app in apps {
        let labels = [
            ("topic", app.topic.as_str()),
            ("environment", app.environment.as_str()),
        ];
        metric(app).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
