//! How things stand: one look at everything, for `/v1/status` and `/metrics`.

use std::time::SystemTime;

use apns_net::credentials::Environment;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::ends::End;
use crate::shared::Shared;
use crate::store::{CommitTimes, Store, StoreDown, unix_seconds};
use crate::verdict::Kind;

/// How the gateway stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Status {
    /// The gateway's version.
    pub(crate) version: String,
    /// It takes no new connections: it is about to end.
    pub(crate) stopping: bool,
    /// Connections of backends that are open.
    pub(crate) connections: u64,
    /// The last second of the listeners' certificate, since 1970.
    pub(crate) listen_certificate_not_after: u64,
    /// What is durable.
    pub(crate) store: StoreStatus,
    /// Since the start of the process, over all apps: name and value.
    pub(crate) counters: Vec<(String, u64)>,
    /// In the order of the configuration.
    pub(crate) apps: Vec<AppStatus>,
}

/// How the store stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct StoreStatus {
    /// Commits since the start of the process.
    pub(crate) commits: u64,
    /// Seconds they took together.
    pub(crate) commit_seconds: f64,
    /// The same, by how long; for the metrics alone.
    #[serde(skip)]
    pub(crate) commit_times: CommitTimes,
    /// Bytes of the file that are in use.
    pub(crate) size: u64,
    /// Bytes that may be.
    pub(crate) size_max: u64,
    /// Backends are not read until deliveries have made room.
    pub(crate) full: bool,
}

/// How an app stands. accepted = delivered + rejected + expired + given_up + queued, as of one commit.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct AppStatus {
    pub(crate) topic: String,
    pub(crate) environment: Environment,
    /// Made durable, ever.
    pub(crate) accepted: u64,
    /// Taken by upstream.
    pub(crate) delivered: u64,
    /// Refused by upstream, or by us on sight.
    pub(crate) rejected: u64,
    /// Expired while waiting.
    pub(crate) expired: u64,
    /// Retry budget spent.
    pub(crate) given_up: u64,
    /// Without an end yet.
    pub(crate) queued: u64,
    /// Seconds since the oldest of these was accepted.
    pub(crate) oldest_age: Option<u64>,
    /// Dead letters kept.
    pub(crate) dead_letters: u64,
    /// Dead letters that made room.
    pub(crate) dead_letters_dropped: u64,
    /// Feedback tuples kept.
    pub(crate) feedback: u64,
    /// Tokens known to be bad.
    pub(crate) dead_tokens: u64,
    /// Deliveries since upstream, topic or credentials changed.
    pub(crate) vouched: u64,
    /// Why nothing is sent but a probe now and then.
    pub(crate) held: Option<String>,
    /// Times that upstream was why, since the start of the process.
    pub(crate) holds: u64,
    /// What is on its way.
    pub(crate) upstream: UpstreamStatus,
    /// Since the start of the process; for the metrics alone.
    #[serde(skip)]
    pub(crate) verdicts: Vec<(Kind, u64)>,
}

/// What is on its way to an app's upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct UpstreamStatus {
    /// Connections that are open.
    pub(crate) connections: u64,
    /// Notifications on them without an answer or confirmation yet.
    pub(crate) in_flight: u64,
    /// Streams the upstream takes at once on them; 0 over the binary protocol.
    pub(crate) streams_max: u64,
    /// The last second of the certificate that is the login there, since 1970; none where the login is a key.
    pub(crate) certificate_not_after: Option<u64>,
}

impl Status {
    /// One look.
    pub(crate) async fn of(shared: &Shared) -> Result<Self, StoreDown> {
        let mut apps = Vec::with_capacity(shared.apps.len());
        let ends = shared.ends.borrow().clone();
        for (app, end) in shared.apps.iter().zip(&ends.apps) {
            apps.push(AppStatus::of(app, end.as_ref(), &shared.store).await?);
        }
        let counters = shared.counters.all();
        let commit_times = shared.store.commit_times();
        let space = *shared.store.space().borrow();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stopping: shared.drain.is_cancelled(),
            connections: shared.open.len() as u64,
            listen_certificate_not_after: ends.listen.at(),
            store: StoreStatus {
                commits: commit_times.count(),
                commit_seconds: commit_times.seconds,
                commit_times,
                size: space.used,
                size_max: space.max,
                full: space.is_full,
            },
            counters: counters
                .iter()
                .map(|(name, counter)| ((*name).to_owned(), counter.read()))
                .collect(),
            apps,
        })
    }
}

impl AppStatus {
    async fn of(app: &App, end: Option<&End>, store: &Store) -> Result<Self, StoreDown> {
        let oldest = store.page(app.id, None, 1, usize::MAX).await?;
        let now = unix_seconds(SystemTime::now());
        let counts = app.committed.borrow().counts;
        let rules = app.rules();
        Ok(Self {
            topic: app.topic.clone(),
            environment: app.environment,
            accepted: counts.accepted,
            delivered: counts.delivered,
            rejected: counts.rejected,
            expired: counts.expired,
            given_up: counts.given_up,
            queued: counts.queued,
            oldest_age: oldest
                .first()
                .map(|row| now.saturating_sub(row.accepted_at)),
            dead_letters: counts.dead_letters,
            dead_letters_dropped: counts.dead_letters_dropped,
            feedback: counts.feedback,
            dead_tokens: rules.dead_tokens() as u64,
            vouched: rules.trust().vouched,
            held: rules.held().map(str::to_owned),
            holds: app.traffic.holds.read(),
            upstream: UpstreamStatus {
                connections: app.traffic.connections.read(),
                in_flight: app.traffic.in_flight.read(),
                streams_max: app.traffic.streams_max.read(),
                certificate_not_after: end.map(End::at),
            },
            verdicts: app.traffic.verdicts(),
        })
    }
}
