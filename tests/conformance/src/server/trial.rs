//! What a case finds out with: connections to the server, tokens, payloads of its own, and the questions most cases ask.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::target::{Acceptance, Target};
use crate::bytes;
use crate::case::Failed;
use crate::link::{Answer, Heard, Link, Login, NoLink, Packet};
use crate::transcript::Transcript;

/// The identifier of the probe; no case uses it for anything else.
pub(super) const PROBE: u32 = 0x6672_6565;

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

    /// A token the server accepts.
    pub(super) fn good(&self) -> Result<&[u8], Failed> {
        self.target
            .good_tokens
            .first()
            .map(Vec::as_slice)
            .ok_or_else(|| Failed::because("no good token was given"))
    }

    /// A token the server refuses.
    pub(super) fn bad(&self) -> Result<Vec<u8>, Failed> {
        self.target
            .bad_token(|| self.random(|random| (0..32).map(|_| random.u8(..)).collect()))
    }

    /// A payload that no other case sends, and this one only once.
    pub(super) fn payload(&self) -> Vec<u8> {
        let number = self.payloads.fetch_add(1, Ordering::Relaxed);
        format!(r#"{{"aps":{{"alert":"{} {number}"}}}}"#, self.tag).into_bytes()
    }

    /// A connection that is logged in.
    pub(super) async fn connect(&self) -> Result<Link, Failed> {
        self.connect_as(&self.target.login)
            .await
            .map_err(|error| Failed(error.to_string()))
    }

    /// A connection with this login.
    pub(super) async fn connect_as(&self, login: &Login) -> Result<Link, NoLink> {
        let number = 1 + self.connections.fetch_add(1, Ordering::Relaxed);
        let transcript = self.transcript.clone();
        self.target
            .connect(self.target.address, login, transcript, number)
            .await
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
        let mut link = self.connect().await?;
        link.send(bytes).await?;
        self.all_accepted(&mut link).await
    }

    /// Expects everything sent on `link` so far to be accepted: what is sent behind it is the first that is refused, or, with a server
    /// that does not answer that, nothing is heard. Nothing can be sent on `link` any more.
    pub(super) async fn all_accepted(&self, link: &mut Link) -> Result<(), Failed> {
        let answer = match self.target.acceptance {
            Acceptance::Probe => {
                link.try_send(&probe()).await?;
                link.refusal().await?
            }
            Acceptance::Silence => loop {
                match link.answer_within(self.target.quiet).await? {
                    Answer::Packet(Packet { status: 0, .. }) => {}
                    Answer::Nothing => return Ok(()),
                    answer => break answer,
                }
            },
        };
        match answer {
            Answer::Packet(Packet {
                identifier: PROBE, ..
            }) => Ok(()),
            Answer::Nothing => Err(Failed::because(
                "the server took something for an incomplete frame: it does not see the one behind it",
            )),
            answer => Err(Failed(format!("not accepted: {answer}"))),
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
    bytes::framed(PROBE, &[], &[])
}
