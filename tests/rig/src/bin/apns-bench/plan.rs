//! What is measured, in which order, and how much of it.

use std::num::NonZeroUsize;

use anyhow::Context;
use apns_rig::phone::RigPhone;
use clap::Args;

use crate::load::{Protocol, Senders};
use crate::report::{Figure, Report};
use crate::subject::Subject;

/// How much of everything. Each figure is of a steady state: a fifth of the notifications goes before and is not counted.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Notifications per figure of the binary protocol; over HTTP/2 a quarter of them
    #[arg(long, value_name = "N", default_value = "1000000")]
    notifications: NonZeroUsize,
    /// Provider connections, where there are many
    #[arg(long, value_name = "N", default_value = "100")]
    connections: NonZeroUsize,
    /// Virtual phones, where there are many
    #[arg(long, value_name = "N", default_value = "1000000")]
    phones: NonZeroUsize,
    /// Idle virtual phones whose memory is measured
    #[arg(long, value_name = "N", default_value = "100000")]
    idle_phones: NonZeroUsize,
    /// Idle courier connections whose memory is measured
    #[arg(long, value_name = "N", default_value = "500")]
    couriers: NonZeroUsize,
}

impl Plan {
    /// Measures everything.
    pub(crate) async fn run(&self) -> anyhow::Result<Report> {
        let mut figures = Vec::new();
        let notifications = self.notifications.get();
        let (connections, phones) = (self.connections.get(), self.phones.get());
        for (protocol, target, notifications) in [
            (Protocol::Binary, 1.5, notifications),
            (Protocol::Http2, 9.0, notifications.div_ceil(4)),
        ] {
            let name = protocol.name();
            let one = cpu_us(protocol, 1, 1, notifications).await?;
            let many = cpu_us(protocol, connections, 1, notifications).await?;
            let crowd = cpu_us(protocol, 1, phones, notifications).await?;
            figures.extend([
                Figure::time(format!("{name}, 1 connection, 1 phone"), one, target),
                Figure::time(format!("{name}, {connections} connections"), many, target),
                Figure::time(format!("{name}, {phones} phones"), crowd, target),
                Figure::ratio(
                    format!("{name}, 1 to {connections} connections"),
                    many / one,
                ),
                Figure::ratio(format!("{name}, 1 to {phones} phones"), crowd / one),
            ]);
        }
        figures.push(self.idle_phone().await?);
        figures.push(self.idle_courier().await?);
        Ok(Report { figures })
    }

    async fn idle_phone(&self) -> anyhow::Result<Figure> {
        let count = self.idle_phones.get();
        let mut subject = Subject::start().await?;
        // Until the world remembers as many events as it ever will.
        subject.phones(count.div_ceil(2)).await?;
        let before = subject.rss().await?;
        subject.phones(count).await?;
        let bytes = (subject.rss().await? - before) as f64 / count as f64;
        let what = format!("an idle virtual phone with an app, of {count}");
        Ok(Figure::size(what, bytes, 512.0))
    }

    async fn idle_courier(&self) -> anyhow::Result<Figure> {
        let count = self.couriers.get();
        let mut subject = Subject::start().await?;
        let courier = subject.ports().courier;
        let mut phones = vec![RigPhone::start("the first", courier).await];
        let before = subject.rss().await?;
        for number in 1..=count {
            phones.push(RigPhone::start(&format!("iPhone {number}"), courier).await);
        }
        let bytes = (subject.rss().await? - before) as f64 / count as f64;
        let what = format!("an idle courier connection, of {count}");
        Ok(Figure::size(what, bytes, 20.0 * 1024.0))
    }
}

/// CPU time of one notification in microseconds. The phones take turns, in the order in which they came.
async fn cpu_us(
    protocol: Protocol,
    connections: usize,
    phones: usize,
    notifications: usize,
) -> anyhow::Result<f64> {
    let mut subject = Subject::start().await?;
    let tokens = subject.phones(phones).await?;
    let mut senders = Senders::connect(protocol, subject.ports(), connections, tokens).await?;
    let mut measured = 0.0;
    for count in [notifications.div_ceil(5), notifications] {
        subject.expect(count).await?;
        senders
            .send(count)
            .await
            .with_context(|| format!("sending over {}", protocol.name()))?;
        measured = subject.cpu_ns().await? as f64 / 1e3 / count as f64;
    }
    Ok(measured)
}
