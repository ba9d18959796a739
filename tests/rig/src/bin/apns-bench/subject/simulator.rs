//! A simulator with virtual phones.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use apns_certs::Ca;
use apns_net::credentials::Environment;
use apns_proto::Token;
use apns_rig::certificates::{TOPIC, certificates};
use apns_rig::eventually::eventually_within;
use apns_rig::numbered::number;
use apns_simulator::event::{Page, What};
use apns_simulator::world::Bounds;
use apns_simulator::{Addresses, Config, Handle, Simulator};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use super::{Cost, Meter, PATIENCE, Process, Questions, Role, Rss};

/// Of every token that the simulator gives out.
pub(crate) const TOKEN_LEN: usize = 32;
/// A phone accepts a notification twice over: the events of its arrival and of its delivery.
const EVENTS_PER_NOTIFICATION: u64 = 2;
/// Events looked at in one go.
const EVENTS_PAGE_LEN: usize = 10_000;

/// How many events its world remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keeps {
    /// As many as usual.
    Little,
    /// So many that whoever looks at all of them has time.
    Much,
}

/// The simulator's process, as the bench sees it.
#[derive(Debug)]
pub(crate) struct SimulatorProcess {
    ports: Addresses,
    process: Process,
}

#[derive(Debug, Serialize, Deserialize)]
struct Start {
    ca: String,
    key: String,
    keeps: Keeps,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    /// So many more phones, please, with the app of this topic.
    Phones(usize, String),
    /// What comes over HTTP/2 arrives so many milliseconds later.
    Far(u64),
    /// What is resident.
    Rss,
    /// So many notifications will come.
    Expect(usize),
    /// What they took, once they have all been delivered.
    Cost,
    /// Where the events are.
    Newest,
    /// When a notification to each of these tokens has arrived since that event.
    Arrived(Vec<[u8; TOKEN_LEN]>, u64),
    /// Watches so many numbered notifications come, each token's in order and none twice, where the tokens take turns.
    Watch(usize),
}

impl SimulatorProcess {
    pub(crate) async fn start(keeps: Keeps) -> anyhow::Result<Self> {
        let ca = &certificates().ca;
        let start = Start {
            ca: ca.cert_pem().to_owned(),
            key: ca.key_pem(),
            keeps,
        };
        let (process, ports) = Process::start(Role::Simulator, &start).await?;
        Ok(Self { ports, process })
    }

    pub(crate) const fn ports(&self) -> Addresses {
        self.ports
    }

    /// Adds phones, and gives out their tokens.
    pub(crate) async fn phones(&mut self, count: usize) -> anyhow::Result<Vec<[u8; TOKEN_LEN]>> {
        self.phones_with(TOPIC, count).await
    }

    /// The same, with the app of this topic.
    pub(crate) async fn phones_with(
        &mut self,
        topic: &str,
        count: usize,
    ) -> anyhow::Result<Vec<[u8; TOKEN_LEN]>> {
        let question = Question::Phones(count, topic.to_owned());
        self.process.ask::<()>(&question).await?;
        let mut tokens = vec![[0; TOKEN_LEN]; count];
        let output = &mut self.process.output;
        output.read_exact(tokens.as_flattened_mut()).await?;
        Ok(tokens)
    }

    /// From now on what comes over HTTP/2 arrives later by this, as it does at a distance.
    pub(crate) async fn far(&mut self, delay: Duration) -> anyhow::Result<()> {
        let milliseconds = u64::try_from(delay.as_millis())?;
        self.process.ask(&Question::Far(milliseconds)).await
    }

    pub(crate) async fn rss(&mut self) -> anyhow::Result<i64> {
        let rss: Rss = self.process.ask(&Question::Rss).await?;
        Ok(rss.now)
    }

    /// Says how many notifications will come from now on.
    pub(crate) async fn expect(&mut self, count: usize) -> anyhow::Result<()> {
        self.process.ask(&Question::Expect(count)).await
    }

    /// What they took, once they have all been delivered.
    pub(crate) async fn cost(&mut self) -> anyhow::Result<Cost> {
        self.process.ask(&Question::Cost).await
    }

    /// The newest event.
    pub(crate) async fn newest(&mut self) -> anyhow::Result<u64> {
        self.process.ask(&Question::Newest).await
    }

    /// When a notification to each of these tokens has arrived since that event, by the machine's clock.
    pub(crate) async fn arrived(
        &mut self,
        tokens: &[[u8; TOKEN_LEN]],
        after: u64,
    ) -> anyhow::Result<SystemTime> {
        let question = Question::Arrived(tokens.to_vec(), after);
        let at: Option<SystemTime> = self.process.ask(&question).await?;
        at.context("events came too fast to be looked at")
    }

    /// Waits until the notifications 0 to `count` have come, the tokens having taken turns.
    ///
    /// # Errors
    ///
    /// When one of a token's comes before an earlier one, a second time, or not at all.
    pub(crate) async fn watch(&mut self, count: usize) -> anyhow::Result<()> {
        let trouble: Option<String> = self.process.ask(&Question::Watch(count)).await?;
        trouble.map_or(Ok(()), |trouble| Err(anyhow::Error::msg(trouble)))
    }
}

/// The other side.
pub(super) async fn serve(mut questions: Questions) -> anyhow::Result<()> {
    let Start { ca, key, keeps } = questions.next()?.context("no CA")?;
    let mut config = Config::with_ca(&Ca::from_pem(&ca, &key)?)?;
    config.bounds.devices_max = 2_000_000;
    if keeps == Keeps::Much {
        config.bounds = Bounds {
            events_max: 1_000_000,
            event_frame_bytes_max: 1 << 30,
            ..config.bounds
        };
    }
    let simulator = Simulator::start(config).await?;
    questions.answer(&simulator.addresses(Environment::Sandbox), &[])?;
    let (mut phones, mut count, mut expected, mut meter) = (0, 0, 0, Meter::start());
    while let Some(question) = questions.next()? {
        match question {
            Question::Phones(count, topic) => {
                let mut tokens = Vec::with_capacity(count * TOKEN_LEN);
                for _ in 0..count {
                    phones += 1;
                    let name = format!("iPhone {phones}");
                    let project = simulator.default_project();
                    let token = project.add_phone(&name, &topic, Environment::Sandbox)?;
                    tokens.extend_from_slice(token.as_bytes());
                }
                questions.answer(&(), &tokens)?;
            }
            Question::Far(milliseconds) => {
                let rule = format!("face=http2,action=latency,ms={milliseconds}").parse()?;
                simulator
                    .default_project()
                    .faults(|faults| faults.add(rule))?;
                questions.answer(&(), &[])?;
            }
            Question::Rss => questions.answer(&Rss::read()?, &[])?,
            Question::Expect(notifications) => {
                count = notifications;
                expected = newest(&simulator) + EVENTS_PER_NOTIFICATION * count as u64;
                meter = Meter::start();
                questions.answer(&(), &[])?;
            }
            Question::Cost => {
                eventually_within(PATIENCE, "every notification", async || {
                    let newest = newest(&simulator);
                    (newest >= expected).then_some(()).ok_or(newest)
                })
                .await;
                questions.answer(&meter.read(count), &[])?;
            }
            Question::Newest => questions.answer(&newest(&simulator), &[])?,
            Question::Arrived(tokens, after) => {
                questions.answer(&arrived(&simulator, &tokens, after).await, &[])?;
            }
            Question::Watch(count) => {
                let watched = watch(&simulator, count, phones).await;
                let trouble = watched.err().map(|error| error.to_string());
                questions.answer(&trouble, &[])?;
            }
        }
    }
    Ok(())
}

fn newest(simulator: &Handle) -> u64 {
    simulator.world(|world, _| world.newest_event())
}

/// When the last of a notification to each of these tokens arrived; `None`: it cannot be told any more.
async fn arrived(simulator: &Handle, tokens: &[[u8; TOKEN_LEN]], after: u64) -> Option<SystemTime> {
    let mut missing: HashSet<&[u8]> = tokens.iter().map(<[u8; TOKEN_LEN]>::as_slice).collect();
    let mut newest = after;
    loop {
        let page = next_page(simulator, newest).await;
        if page.missed > 0 {
            return None;
        }
        for event in page.events {
            newest = event.seq;
            if let What::Accepted { request, .. } = event.what
                && let Some(token) = request.token
                && missing.remove(token.as_bytes())
                && missing.is_empty()
            {
                return Some(event.at);
            }
        }
    }
}

/// The next events, once there are any.
async fn next_page(simulator: &Handle, after: u64) -> Page {
    eventually_within(PATIENCE, "the next notification", async || {
        let page = simulator.events(after, EVENTS_PAGE_LEN);
        let is_empty = page.events.is_empty();
        if is_empty { Err(after) } else { Ok(page) }
    })
    .await
}

/// Sees `count` notifications arrive: of each token's, the numbers go up by the number of phones.
async fn watch(simulator: &Handle, count: usize, phones: usize) -> anyhow::Result<()> {
    let mut due: HashMap<Token, usize> = HashMap::with_capacity(phones);
    let (mut seen, mut newest) = (0, 0);
    while seen < count {
        let page = next_page(simulator, newest).await;
        ensure!(
            newest == 0 || page.missed == 0,
            "events came too fast to be looked at"
        );
        for event in page.events {
            newest = event.seq;
            let What::Accepted { request, .. } = event.what else {
                continue;
            };
            let token = request.token.context("what was accepted has a token")?;
            let number = number(request.sent.bytes()) as usize;
            let due = due.entry(token).or_insert(number % phones);
            ensure!(
                *due == number,
                "number {number} came when number {due} of the same token was due"
            );
            *due += phones;
            seen += 1;
        }
    }
    Ok(())
}
