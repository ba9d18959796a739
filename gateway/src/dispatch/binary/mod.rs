//! The driver of a binary upstream: one persistent connection at a time.
//!
//! When a connection ends, everything in memory is thrown away and the unsettled rows are paged again from the oldest: exactly
//! those the upstream did not take, in the order in which they were accepted. What has to be settled is settled before that.
//!
//! Three cases send one notification alone, on a connection that was quiet before: it is the last that is suspected of
//! breaking the upstream, it has cost a connection before, or the app is on hold and probes. A bare close then says something
//! about it.

mod drive;

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::backlog::Backlog;
use crate::config::BinaryUpstream;
use crate::store::{Row, StoreDown};
use crate::upstream::binary::Link;
use crate::upstream::connect::{ConnectError, Connector};
use crate::upstream::schedule::{Ended, Schedule};

/// Drives one connection after the other.
pub(super) struct Binary {
    backlog: Backlog,
    connector: Connector,
    quiet: Duration,
    window: usize,
    schedule: Schedule,
    lone: Option<Lone>,
    /// A notification that has to be sent alone gets its turn only when others had theirs in between.
    lone_turn: bool,
}

/// A notification that is sent alone.
struct Lone {
    row: Row,
    /// For an app on hold: the outcome is not held against the notification.
    probe: bool,
    sent: bool,
}

impl Binary {
    pub(super) fn new(backlog: Backlog, upstream: &BinaryUpstream, connector: Connector) -> Self {
        Self {
            backlog,
            connector,
            quiet: upstream.quiet_period,
            window: upstream.window,
            schedule: Schedule::new(upstream.backoff_base, upstream.backoff_max),
            lone: None,
            lone_turn: true,
        }
    }

    /// Sends until told to stop; then waits for what is on its way.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), StoreDown> {
        while let Some(link) = self.connect(&stop).await? {
            self.drive(link, &stop).await?;
        }
        Ok(())
    }

    /// The next connection; `None`: it is time to stop.
    async fn connect(&mut self, stop: &CancellationToken) -> Result<Option<Link>, StoreDown> {
        loop {
            let attempt = async {
                sleep(self.schedule.pause(fastrand::f64())).await;
                self.connector.connect().await
            };
            let connected = tokio::select! {
                connected = attempt => connected,
                () = self.backlog.app.ordered() => {
                    self.backlog.ordered();
                    self.backlog.settling.finish().await?;
                    continue;
                }
                () = stop.cancelled() => return Ok(None),
            };
            let problem = match connected {
                Ok(stream) => {
                    info!("connected");
                    self.backlog.counters.upstream_connections.add(1);
                    return Ok(Some(Link::new(
                        stream,
                        self.quiet,
                        self.window,
                        self.connector.write_timeout,
                    )));
                }
                Err(problem) => problem,
            };
            self.backlog.counters.upstream_failures.add(1);
            self.schedule.ended(Ended::Unreachable);
            let source = std::error::Error::source(&problem);
            match problem {
                ConnectError::Refused(alert) => self.refused(alert).await?,
                ConnectError::Own(_) => error!(%problem, "not connected: someone must act"),
                _ => warn!(%problem, source, "not connected"),
            }
        }
    }

    /// Upstream does not take our certificate: that is no notification's fault, and someone must act.
    async fn refused(
        &mut self,
        alert: tokio_rustls::rustls::AlertDescription,
    ) -> Result<(), StoreDown> {
        warn!(?alert, "the upstream refuses our certificate");
        let reason = format!("the upstream refuses the app's certificate (alert {alert:?})");
        self.backlog.hold(reason).await
    }
}
