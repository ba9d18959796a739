//! What a case finds out with: connections to the server, tokens, payloads of its own, and the questions most cases ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, interval, sleep};

use super::target::{Acceptance, Port, Target};
use crate::bytes::framed;
use crate::case::Failed;
use crate::link::{Answer, Ending, Heard, Hello, Link, Login, NoLink, Packet};
use crate::transcript::Transcript;

/// The identifier of the probe; no case uses it for anything else.
pub(super) const PROBE: u32 = 0x6672_6565;

/// What a delivery may take besides, where there are many.
const DELIVERY_EACH: Duration = Duration::from_millis(20);

/// One case's look at the server.
#[derive(Debug)]
pub struct Trial {
    target: Arc<Target>,
    transcript: Transcript,
    random: Mutex<fastrand::Rng>,
    connections: AtomicU32,
    payloads: AtomicU32,
    tag: String,
}

impl Trial {
    pub(super) fn new(target: Arc<Target>, transcript: Transcript, seed: u64, tag: String) -> Self {
        Self {
            target,
            transcript,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            connections: AtomicU32::new(0),
            payloads: AtomicU32::new(0),
            tag,
        }
    }

    /// The server.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Something random that `--seed` repeats.
    pub(super) fn random<T>(&self, choose: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        choose(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A token the server accepts; another one each time, if there are several.
    pub(super) fn good(&self) -> Result<&[u8], Failed> {
        self.target.good_token()
    }

    /// A token the server refuses.
    pub(super) fn bad(&self) -> Result<Vec<u8>, Failed> {
        self.target
            .bad_token(|| self.random(|random| (0..32).map(|_| random.u8(..)).collect()))
    }

    /// A payload that no other case sends, and this one only once.
    pub(super) fn payload(&self) -> Vec<u8> {
        self.numbered().1
    }

    /// The same, and the number an observer knows it by.
    pub(super) fn numbered(&self) -> (u32, Vec<u8>) {
        let number = self.payloads.fetch_add(1, Ordering::Relaxed);
        let text = format!(r#"{{"aps":{{"alert":"{} {number}"}}}}"#, self.tag);
        (number, text.into_bytes())
    }

    /// The same, filled up to `len` bytes.
    pub(super) fn payload_of(&self, len: usize) -> Vec<u8> {
        let mut payload = self.payload();
        let end = payload.len() - r#""}}"#.len();
        let missing = len.saturating_sub(payload.len());
        payload.splice(end..end, std::iter::repeat_n(b' ', missing));
        payload
    }

    /// A token whose app is not on its phone any more.
    pub(super) async fn gone_token(&self) -> Result<Vec<u8>, Failed> {
        let topic = self.target.topic.as_deref().unwrap_or_default();
        let number = self.payloads.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-{}-{number}", self.tag);
        self.target.observer.gone_token(topic, &name).await
    }

    /// Waits until this clock says `time`.
    pub(super) async fn until(&self, time: SystemTime) {
        sleep(time.duration_since(SystemTime::now()).unwrap_or_default()).await;
    }

    /// A connection that is logged in.
    pub(super) async fn connect(&self) -> Result<Link, Failed> {
        self.reach(&Hello::with(&self.target.papers.login)).await
    }

    /// A connection that begins with `hello`.
    pub(super) async fn reach(&self, hello: &Hello<'_>) -> Result<Link, Failed> {
        self.connect_to(Port::Binary, hello)
            .await
            .map_err(|error| Failed(error.to_string()))
    }

    /// A connection with this login.
    pub(super) async fn connect_as(&self, login: &Login) -> Result<Link, NoLink> {
        self.connect_to(Port::Binary, &Hello::with(login)).await
    }

    /// A connection to one of the server's ports.
    pub(super) async fn connect_to(&self, port: Port, hello: &Hello<'_>) -> Result<Link, NoLink> {
        let number = 1 + self.connections.fetch_add(1, Ordering::Relaxed);
        let transcript = self.transcript.clone();
        self.target.connect(port, hello, transcript, number).await
    }

    /// A connection to the feedback service.
    pub(super) async fn connect_to_feedback(&self) -> Result<Link, Failed> {
        self.connect_to_feedback_as(&self.target.papers.login).await
    }

    /// A connection to the feedback service with this login.
    pub(super) async fn connect_to_feedback_as(&self, login: &Login) -> Result<Link, Failed> {
        self.connect_to(Port::Feedback, &Hello::with(login))
            .await
            .map_err(|error| Failed(error.to_string()))
    }

    /// Expects the feedback service to refuse this login.
    pub(super) async fn gets_no_feedback(&self, login: &Login) -> Result<(), Failed> {
        let hello = Hello::with(login);
        let mut link = match self.connect_to(Port::Feedback, &hello).await {
            Ok(link) => link,
            Err(NoLink::Refused(_)) => return Ok(()),
            Err(error) => return Err(Failed(error.to_string())),
        };
        match link.hear().await? {
            Heard::End(Ending::Alert(_) | Ending::Reset) => Ok(()),
            Heard::End(_) => Err(Failed::because("it was shown an empty list")),
            Heard::Record(_) => Err(Failed::because("it was shown a list")),
            Heard::Nothing => Err(Failed::because("the connection stayed open")),
        }
    }

    /// Expects this login to be refused: in the handshake, or behind it and before anything is answered.
    pub(super) async fn not_let_in(&self, login: &Login) -> Result<(), Failed> {
        let mut link = match self.connect_as(login).await {
            Ok(link) => link,
            Err(NoLink::Refused(_)) => return Ok(()),
            Err(error) => return Err(Failed(error.to_string())),
        };
        if link.try_send(&probe()).await?.is_some() {
            return Ok(());
        }
        match link.hear().await? {
            Heard::End(_) => Ok(()),
            Heard::Record(_) => Err(Failed::because("it was served")),
            Heard::Nothing => Err(Failed::because("the connection stayed open")),
        }
    }

    /// Expects all of `bytes` to be accepted.
    pub(super) async fn accepted(&self, bytes: &[u8]) -> Result<(), Failed> {
        self.pushes(bytes).await?;
        // All payloads of this trial were in `bytes`.
        let all: Vec<_> = (0..self.payloads.load(Ordering::Relaxed)).collect();
        self.delivered(&all).await.map(|_| ())
    }

    /// Expects all of `bytes` to be accepted, whatever becomes of it.
    pub(super) async fn pushes(&self, bytes: &[u8]) -> Result<(), Failed> {
        self.pushes_as(&self.target.papers.login, bytes).await
    }

    /// The same, with this login.
    pub(super) async fn pushes_as(&self, login: &Login, bytes: &[u8]) -> Result<(), Failed> {
        let mut link = self.reach(&Hello::with(login)).await?;
        link.send(bytes).await?;
        self.all_accepted(&mut link).await
    }

    /// Expects everything sent on `link` so far to be accepted: what is sent behind it is the first that is refused, or, with a server
    /// that does not answer that, nothing is heard. Nothing can be sent on `link` any more.
    pub(super) async fn all_accepted(&self, link: &mut Link) -> Result<(), Failed> {
        match self.first_refusal(link).await? {
            None => Ok(()),
            Some(answer) => Err(Failed(format!("not accepted: {answer}"))),
        }
    }

    /// What was answered to everything sent on `link` so far; none: all of it was accepted, as in [`Self::all_accepted`].
    pub(super) async fn first_refusal(&self, link: &mut Link) -> Result<Option<Answer>, Failed> {
        let answer = match self.target.acceptance {
            Acceptance::Probe => {
                link.try_send(&probe()).await?;
                link.refusal().await?
            }
            Acceptance::Silence => loop {
                match link.answer_within(self.target.quiet).await? {
                    Answer::Packet(Packet { status: 0, .. }) => {}
                    Answer::Nothing => return Ok(None),
                    answer => break answer,
                }
            },
        };
        match answer {
            Answer::Packet(Packet {
                identifier: PROBE, ..
            }) => Ok(None),
            Answer::Nothing => Err(Failed::because(
                "the server took something for an incomplete frame: it does not see the one behind it",
            )),
            answer => Ok(Some(answer)),
        }
    }

    /// Waits until the server has judged everything on `link`, whatever it makes of it.
    pub(super) async fn settled(&self, link: &mut Link) -> Result<(), Failed> {
        link.try_send(&probe()).await?;
        link.refusal().await.map(|_| ())
    }

    /// Expects `bytes` to end the connection, and no packet before that.
    pub(super) async fn ends_without_a_packet(&self, bytes: &[u8]) -> Result<(), Failed> {
        let mut link = self.connect().await?;
        link.send(bytes).await?;
        match link.refusal().await? {
            Answer::End(_) => Ok(()),
            Answer::Packet(packet) => Err(Failed(format!("the server answered {packet}"))),
            Answer::Nothing => Err(Failed::because("the connection stayed open")),
        }
    }

    /// Expects `bytes` not to be answered, and nothing of it to be delivered when the client closes.
    pub(super) async fn never_answered(&self, bytes: &[u8]) -> Result<(), Failed> {
        let mut link = self.connect().await?;
        link.send(bytes).await?;
        match link.answer_within(self.target.quiet).await? {
            Answer::Nothing => {}
            answer => return Err(Failed(answer.to_string())),
        }
        link.half_close().await?;
        if let answer @ Answer::Packet(_) = link.refusal().await? {
            return Err(Failed(answer.to_string()));
        }
        self.delivered_exactly(&[]).await
    }

    /// Expects an observer, if there is one, to see each of `expected` once.
    async fn delivered(&self, expected: &[u32]) -> Result<BTreeMap<u32, u32>, Failed> {
        if !self.target.observer.sees() || expected.is_empty() {
            return Ok(BTreeMap::new());
        }
        let deadline = Instant::now()
            + self.target.timeout
            + DELIVERY_EACH * u32::try_from(expected.len()).unwrap_or(u32::MAX);
        let mut pause = interval(Duration::from_millis(150));
        loop {
            pause.tick().await;
            let seen = self.target.observer.delivered(&self.tag).await?;
            if let Some((number, count)) = seen.iter().find(|(_, count)| **count > 1) {
                return Err(Failed(format!(
                    "payload {number} was delivered {count} times"
                )));
            }
            let missing = expected.iter().filter(|number| !seen.contains_key(number));
            match missing.clone().next() {
                None => return Ok(seen),
                Some(first) if Instant::now() > deadline => {
                    return Err(Failed(format!(
                        "accepted, but {} of {} were not delivered: payload {first} first",
                        missing.count(),
                        expected.len()
                    )));
                }
                Some(_) => {}
            }
        }
    }

    /// Expects an observer, if there is one, to see each of `expected` once, and nothing else of this trial.
    pub(super) async fn delivered_exactly(&self, expected: &[u32]) -> Result<(), Failed> {
        if !self.target.observer.sees() {
            return Ok(());
        }
        // When what is sent now has been delivered, so has everything that ever will be.
        let (last, payload) = self.numbered();
        let mut link = self.connect().await?;
        link.send(&framed(1, self.good()?, &payload)).await?;
        self.all_accepted(&mut link).await?;
        let all = [expected, &[last]].concat();
        let seen = self.delivered(&all).await?;
        let unexpected: Vec<_> = seen.keys().filter(|number| !all.contains(number)).collect();
        match unexpected.first() {
            None => Ok(()),
            Some(first) => Err(Failed(format!(
                "{} were delivered that should not be: payload {first} first",
                unexpected.len()
            ))),
        }
    }

    /// Expects the answer to `bytes` to be this status and identifier.
    pub(super) async fn refused(
        &self,
        bytes: &[u8],
        status: u8,
        identifier: u32,
    ) -> Result<(), Failed> {
        let mut link = self.connect().await?;
        link.send(bytes).await?;
        self.answered(&mut link, status, identifier).await
    }

    /// Expects the next answer on `link` to be this status and identifier.
    pub(super) async fn answered(
        &self,
        link: &mut Link,
        status: u8,
        identifier: u32,
    ) -> Result<(), Failed> {
        match link.refusal().await? {
            Answer::Packet(packet)
                if packet.status == status && packet.identifier == identifier =>
            {
                Ok(())
            }
            answer => Err(Failed(format!(
                "expected 08 {status:02x} {identifier:08x}: {answer}"
            ))),
        }
    }
}

/// A notification with neither token nor payload, which every server refuses [P-44].
pub(super) fn probe() -> Vec<u8> {
    framed(PROBE, &[], &[])
}
