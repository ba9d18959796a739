//! How long a few notifications take beside many of somebody else's.
//!
//! ```text
//! many ──▶ gateway ──▶ simulator        beside that, one after the other: a few of another backend of its app, a few of another app,
//!                                       and a few to a gateway of their own, which is idle on the same busy machine
//! ```

use std::time::{Duration, SystemTime};

use apns_certs::Minted;
use apns_rig::certificates::{SECOND_TOPIC, TOPIC, certificates};

use crate::gateway::{Folder, PHONES};
use crate::load::{Protocol, Says, Senders, Writes};
use crate::report::Figure;
use crate::subject::gateway::{GatewayProcess, Stage};
use crate::subject::simulator::{Keeps, SimulatorProcess, TOKEN_LEN};

/// Notifications of one who sends little, each to another phone.
const FEW: usize = 10;

/// Tries, of which the median is the figure.
const TRIES: usize = 21;

/// Tries that go before, and are not counted.
const TRIES_BEFORE: usize = 3;

/// How long a push is on its way to an upstream that is as far as Apple's may be.
const FAR: Duration = Duration::from_millis(50);

/// How much longer they may take than beside nobody.
const RATIO_MAX: f64 = 2.0;

/// Beside so many, to each kind of upstream.
pub(crate) async fn figures(many: usize) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (upstream, distance) in [
        (Protocol::Binary, Duration::ZERO),
        (Protocol::Http2, Duration::ZERO),
        (Protocol::Http2, FAR),
    ] {
        figures.extend(beside(upstream, distance, many).await?);
    }
    Ok(figures)
}

async fn beside(
    upstream: Protocol,
    distance: Duration,
    many: usize,
) -> anyhow::Result<Vec<Figure>> {
    let mut busy = House::start(upstream, distance).await?;
    let mut idle = House::start(upstream, distance).await?;
    let all = certificates();
    let mut own = busy.neighbour(TOPIC, &all.second_backend).await?;
    let mut other = busy.neighbour(SECOND_TOPIC, &all.other_topic).await?;
    let mut alone = idle.neighbour(TOPIC, &all.second_backend).await?;
    let mut undisturbed = Vec::new();
    for _ in 0..TRIES_BEFORE + TRIES {
        for neighbour in [&mut own, &mut other] {
            undisturbed.push(neighbour.push(&mut busy).await?);
            busy.settled(0).await?;
        }
        alone.push(&mut idle).await?;
    }
    let undisturbed = median(undisturbed.split_off(2 * TRIES_BEFORE));

    let tokens = busy.simulator.phones(PHONES.min(many)).await?;
    let mut backend = busy
        .folder
        .backends(&busy.gateway, 1, tokens, Says::Usual)
        .await?;
    let sending = tokio::spawn(async move { backend.send(0..many, Writes::Coalesced).await });
    let (mut with_own, mut with_other, mut with_none) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=TRIES {
        busy.settled(many * n / (TRIES + 1)).await?;
        with_own.push(own.push(&mut busy).await?);
        with_other.push(other.push(&mut busy).await?);
        with_none.push(alone.push(&mut idle).await?);
    }
    sending.await??;

    let with_none = median(with_none);
    let there = match distance {
        Duration::ZERO => upstream.name().to_owned(),
        far => format!("{} {far:?} away", upstream.name()),
    };
    let what = |whose: &str| format!("{FEW} to {there}, {whose}");
    let mut figures = vec![
        Figure::latency(what("beside nobody"), undisturbed),
        Figure::latency(what("the machine busy, the gateway idle"), with_none),
    ];
    for (whose, took) in [("its app's", with_own), ("another app's", with_other)] {
        let took = median(took);
        let ratio = took.as_secs_f64() / with_none.as_secs_f64();
        figures.extend([
            Figure::latency(what(&format!("beside {many} of {whose}")), took),
            Figure::slower(
                what(&format!("beside {many} of {whose}, to idle")),
                ratio,
                RATIO_MAX,
            ),
        ]);
    }
    Ok(figures)
}

/// A simulator and a gateway with two apps.
struct House {
    simulator: SimulatorProcess,
    gateway: GatewayProcess,
    folder: Folder,
    /// Notifications of those who send little.
    few: usize,
}

impl House {
    async fn start(upstream: Protocol, distance: Duration) -> anyhow::Result<Self> {
        let mut simulator = SimulatorProcess::start(Keeps::Much).await?;
        if !distance.is_zero() {
            simulator.far(distance).await?;
        }
        let folder = Folder::new()?;
        let config = folder.config_of_two(upstream, upstream.port(simulator.ports()));
        let gateway = GatewayProcess::start(&config).await?;
        Ok(Self {
            simulator,
            gateway,
            folder,
            few: 0,
        })
    }

    async fn neighbour(&mut self, topic: &str, certificate: &Minted) -> anyhow::Result<Neighbour> {
        let tokens = self.simulator.phones_with(topic, FEW).await?;
        let (protocol, address) = (Protocol::Binary, self.gateway.address());
        let sender = Senders::connect(protocol, address, certificate, 1, tokens.clone()).await?;
        Ok(Neighbour { sender, tokens })
    }

    /// Waits until so many have been delivered, besides the few.
    async fn settled(&mut self, many: usize) -> anyhow::Result<()> {
        let all = self.few + many;
        self.gateway.cost(0..all, Stage::Delivered).await?;
        Ok(())
    }
}

/// A backend that sends little.
struct Neighbour {
    sender: Senders,
    tokens: Vec<[u8; TOKEN_LEN]>,
}

impl Neighbour {
    /// One try: from the first byte to the arrival of the last notification.
    async fn push(&mut self, house: &mut House) -> anyhow::Result<Duration> {
        let newest = house.simulator.newest().await?;
        house.few += FEW;
        let start = SystemTime::now();
        self.sender.send(0..FEW, Writes::Coalesced).await?;
        let arrived = house.simulator.arrived(&self.tokens, newest).await?;
        Ok(arrived.duration_since(start)?)
    }
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}
