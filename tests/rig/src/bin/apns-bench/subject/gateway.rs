//! A gateway over a store.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::Context;
use apns_gateway::config::Config;
use apns_gateway::{Gateway, Handle};
use apns_net::credentials::Environment;
use apns_rig::eventually::eventually_within;
use serde::{Deserialize, Serialize};

use super::{Cost, Meter, PATIENCE, Process, Questions, Role, Rss};

/// The gateway's process, as the bench sees it.
#[derive(Debug)]
pub(crate) struct GatewayProcess {
    address: SocketAddr,
    process: Process,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    /// What is resident.
    Rss,
    /// Costs count from now on, and no longer from the start.
    Mark,
    /// What the notifications of these numbers took, once they have got so far.
    Cost(Range<usize>, Stage),
}

/// How far a notification gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// It is durable.
    Accepted,
    /// Upstream has it, and the store knows that.
    Delivered,
}

impl GatewayProcess {
    pub(crate) async fn start(config: &Config) -> anyhow::Result<Self> {
        let (process, address) = Process::start(Role::Gateway, config).await?;
        Ok(Self { address, process })
    }

    /// Where backends connect.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn rss(&mut self) -> anyhow::Result<Rss> {
        self.process.ask(&Question::Rss).await
    }

    /// What it costs counts from now on; without this, from its start.
    pub(crate) async fn mark(&mut self) -> anyhow::Result<()> {
        self.process.ask(&Question::Mark).await
    }

    /// What the notifications of these numbers took, once they and those before them have got so far.
    pub(crate) async fn cost(
        &mut self,
        numbers: Range<usize>,
        stage: Stage,
    ) -> anyhow::Result<Cost> {
        self.process.ask(&Question::Cost(numbers, stage)).await
    }

    /// Ends it where it is.
    pub(crate) async fn kill(self) -> anyhow::Result<()> {
        self.process.kill().await
    }
}

/// The other side.
pub(super) async fn serve(mut questions: Questions) -> anyhow::Result<()> {
    // The daemon's own level: what it does not log costs as little as it does there.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_writer(io::sink)
        .init();
    let mut meter = Meter::start();
    let config: Config = questions.next()?.context("no configuration")?;
    let topics: Vec<_> = config.apps.iter().map(|app| app.topic.clone()).collect();
    let gateway = Gateway::start(config).await?;
    questions.answer(&gateway.ready_file().backend, &[])?;
    while let Some(question) = questions.next()? {
        match question {
            Question::Rss => questions.answer(&Rss::read()?, &[])?,
            Question::Mark => {
                meter = Meter::start();
                questions.answer(&(), &[])?;
            }
            Question::Cost(numbers, stage) => {
                eventually_within(PATIENCE, "every notification", async || {
                    let reached = reached(&gateway, &topics, stage);
                    let all = reached >= numbers.end as u64;
                    all.then_some(()).ok_or(reached)
                })
                .await;
                questions.answer(&meter.read(numbers.len()), &[])?;
            }
        }
    }
    Ok(())
}

/// How many notifications have got so far, ever, whichever app's they are.
fn reached(gateway: &Handle, topics: &[String], stage: Stage) -> u64 {
    let counts = |topic: &String| gateway.counts(topic, Environment::Sandbox);
    let of_each = topics.iter().filter_map(counts).map(|counts| match stage {
        Stage::Accepted => counts.accepted,
        Stage::Delivered => counts.delivered,
    });
    of_each.sum()
}
