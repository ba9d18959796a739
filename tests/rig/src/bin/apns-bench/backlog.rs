//! What it costs the gateway when the upstream was down for long: to accept, to start again, and to get rid of it all.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::gateway::{self, Folder, PHONES};
use crate::load::{Protocol, Says, Writes};
use crate::report::Figure;
use crate::subject::gateway::{GatewayProcess, Stage};
use crate::subject::simulator::{Keeps, SimulatorProcess};

/// Bytes of a payload.
const PAYLOAD_LEN: usize = 250;

const SAYS: Says = Says::Number(PAYLOAD_LEN);
const UPSTREAM: Protocol = Protocol::Http2;

/// Resident memory, however much waits; and how much more of it there may be with ten times as much.
const RSS_MAX: f64 = 256.0 * 1024.0 * 1024.0;
const RSS_GROWTH_MAX: f64 = 64.0 * 1024.0 * 1024.0;

const READY_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn figures(most: usize) -> anyhow::Result<Vec<Figure>> {
    let some = most.div_ceil(10);
    let without = gateway::cost(UPSTREAM, 1, most.div_ceil(4), Writes::Coalesced, SAYS).await?;

    let mut simulator = SimulatorProcess::start(Keeps::Much).await?;
    let tokens = simulator.phones(PHONES.min(some)).await?;
    let folder = Folder::new()?;
    let down = folder.config(UPSTREAM, nobody()?);
    let mut gateway = GatewayProcess::start(&down).await?;
    let mut backend = folder.backends(&gateway, 1, tokens, SAYS).await?;
    let mut accepted = Vec::new();
    for numbers in [0..some, some..most] {
        gateway.mark().await?;
        backend.send(numbers.clone(), Writes::Coalesced).await?;
        let cost = gateway.cost(numbers, Stage::Accepted).await?;
        accepted.push((cost, gateway.rss().await?.now as f64));
    }
    gateway.kill().await?;

    let start = Instant::now();
    let up = folder.config(UPSTREAM, UPSTREAM.port(simulator.ports()));
    let mut gateway = GatewayProcess::start(&up).await?;
    let ready = start.elapsed();
    simulator
        .watch(most)
        .await
        .context("draining the backlog")?;
    let drained = gateway.cost(0..most, Stage::Delivered).await?;
    let peak = gateway.rss().await?.peak as f64;

    let [(first, rss_some), (later, rss_most)] = accepted[..] else {
        unreachable!("there were two parts");
    };
    let all = later.cpu_us() + drained.cpu_us();
    Ok(vec![
        Figure::cost(
            format!("binary to HTTP/2, {PAYLOAD_LEN} bytes, no backlog"),
            without,
            12.0,
        ),
        Figure::cost(
            format!("accepted, the first {some}, upstream down"),
            first,
            6.0,
        ),
        Figure::cost(format!("accepted, up to {most}, upstream down"), later, 6.0),
        Figure::cost(format!("drained, {most}, in order"), drained, 12.0),
        Figure::ratio(format!("no backlog to {most}"), all / without.cpu_us()),
        Figure::size(format!("resident with {most} waiting"), rss_most, RSS_MAX),
        Figure::size(
            format!("resident, {some} to {most} waiting"),
            rss_most - rss_some,
            RSS_GROWTH_MAX,
        ),
        Figure::size(
            format!("resident at most while {most} drain"),
            peak,
            RSS_MAX,
        ),
        Figure::wait(
            format!("ready again with {most} waiting"),
            ready,
            READY_WITHIN,
        ),
    ])
}

/// Where nobody listens.
fn nobody() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
