//! What a push costs the simulator, and what an idle phone does.

use anyhow::Context;
use apns_rig::certificates::certificates;
use apns_rig::phone::RigPhone;
use apns_simulator::world::Bounds;

use crate::load::{Protocol, Senders, Writes};
use crate::plan::Plan;
use crate::report::Figure;
use crate::subject::Cost;
use crate::subject::simulator::{Keeps, SimulatorProcess};

pub(crate) async fn figures(plan: &Plan) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let (connections, phones) = (plan.connections.get(), plan.phones.get());
    for (protocol, target, notifications) in [
        (Protocol::Binary, 1.5, plan.notifications()),
        (Protocol::Http2, 9.0, plan.notifications_fewer()),
    ] {
        let name = protocol.name();
        let one = cost(protocol, 1, 1, notifications).await?;
        let many = cost(protocol, connections, 1, notifications).await?;
        let crowd = cost(protocol, 1, phones, notifications).await?;
        figures.extend([
            Figure::cost(format!("{name}, 1 connection, 1 phone"), one, target),
            Figure::cost(format!("{name}, {connections} connections"), many, target),
            Figure::cost(format!("{name}, {phones} phones"), crowd, target),
            Figure::ratio(
                format!("{name}, 1 to {connections} connections"),
                many.cpu_us() / one.cpu_us(),
            ),
            Figure::ratio(
                format!("{name}, 1 to {phones} phones"),
                crowd.cpu_us() / one.cpu_us(),
            ),
        ]);
    }
    figures.push(idle_phone(plan.idle_phones.get()).await?);
    figures.push(idle_courier(plan.couriers.get()).await?);
    Ok(figures)
}

async fn idle_phone(count: usize) -> anyhow::Result<Figure> {
    let mut subject = SimulatorProcess::start(Keeps::Little).await?;
    // Until the world remembers as many events as it ever will.
    subject.phones(count.div_ceil(2)).await?;
    let before = subject.rss().await?;
    subject.phones(count).await?;
    let bytes = (subject.rss().await? - before) as f64 / count as f64;
    let what = format!("an idle virtual phone with an app, of {count}");
    Ok(Figure::size(what, bytes, 512.0))
}

async fn idle_courier(count: usize) -> anyhow::Result<Figure> {
    let mut subject = SimulatorProcess::start(Keeps::Little).await?;
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

/// What a notification costs. The phones take turns, in the order in which they came.
async fn cost(
    protocol: Protocol,
    connections: usize,
    phones: usize,
    notifications: usize,
) -> anyhow::Result<Cost> {
    let mut subject = SimulatorProcess::start(Keeps::Little).await?;
    let tokens = subject.phones(phones).await?;
    let address = protocol.port(subject.ports());
    let provider = &certificates().backend;
    let mut senders = Senders::connect(protocol, address, provider, connections, tokens).await?;
    // Until its phones remember as much as they ever will.
    let before = notifications
        .div_ceil(5)
        .max(Bounds::default().remembered_max);
    let mut cost = Cost::default();
    for numbers in [0..before, before..before + notifications] {
        let count = numbers.len();
        subject.expect(count).await?;
        senders
            .send(numbers, Writes::Coalesced)
            .await
            .with_context(|| format!("sending over {}", protocol.name()))?;
        cost = subject.cost().await?;
    }
    Ok(cost)
}
