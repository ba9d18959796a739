//! A life: backends of several kinds, bad tokens that come and go, an upstream that hangs up, crashes at any point.

use std::collections::BTreeMap;
use std::time::Duration;

use apns_gateway::contract::Mode;
use apns_gateway::verdict::Outcome;
use apns_proto::server::Reply;

use crate::frames::{enhanced, framed, payload, simple, token};
use crate::world::World;

pub(crate) const BACKENDS: usize = 3;
pub(crate) const PHONES: u64 = 8;

#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A backend writes notifications to these phones; what it is left to say again comes first.
    Write {
        backend: usize,
        phones: Vec<u64>,
    },
    /// It writes something that is no notification.
    WriteMalformed {
        backend: usize,
    },
    /// It closes its side.
    Close {
        backend: usize,
    },
    Read {
        backend: usize,
        len: usize,
    },
    Answer {
        backend: usize,
    },
    /// Reads and answers all there is.
    Serve {
        backend: usize,
    },
    Push {
        rows: usize,
    },
    UpstreamReads {
        rows: usize,
    },
    Quiet,
    /// In mode `exact`: what is not settled has waited long enough.
    AnswerWait,
    /// Pushes and judges all there is.
    Dispatch,
    BareClose,
    /// A token dies, or lives again.
    Uninstall {
        phone: u64,
    },
    Reinstall {
        phone: u64,
    },
    /// The app is gone from a phone, as HTTP/2 can tell, or is there again.
    Gone {
        phone: u64,
        gone: bool,
    },
    /// Over HTTP/2: what becomes of the next pushes to a phone, or of all of them until it is over.
    Trouble {
        phone: Option<u64>,
        outcome: Option<Outcome>,
    },
    /// Upstream knows no token at all, or does again.
    Environment {
        wrong: bool,
    },
    HoursPass {
        hours: u64,
    },
    Requeue,
    Crash,
    ReadAndCrash {
        backend: usize,
        len: usize,
    },
}

/// A backend that does what the protocol tells it to: what is named by a packet is its own fault, what was behind that it sends
/// again. Backend 0 speaks command 2, backend 1 command 1, backend 2 command 0, which nobody answers.
pub(crate) struct Backend {
    pub(crate) connection: Option<u64>,
    /// What it has written on its connection, in order.
    pub(crate) written: Vec<Written>,
    /// What it has to send again.
    pub(crate) again: Vec<Written>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) number: u64,
    pub(crate) phone: u64,
}

pub(crate) struct Life {
    pub(crate) world: World,
    pub(crate) backends: Vec<Backend>,
    pub(crate) number: u64,
    /// Which connection and seq a number was written as, each time.
    pub(crate) places: BTreeMap<u64, Vec<(u64, u64)>>,
    pub(crate) phones: BTreeMap<u64, u64>,
    /// How many frames were written on a connection.
    pub(crate) frames: BTreeMap<u64, u64>,
    pub(crate) heard: usize,
    pub(crate) requeued: bool,
}

impl Life {
    pub(crate) async fn new(world: World) -> Self {
        let backends = (0..BACKENDS)
            .map(|_| Backend {
                connection: None,
                written: vec![],
                again: vec![],
            })
            .collect();
        Self {
            world,
            backends,
            number: 0,
            places: BTreeMap::new(),
            phones: BTreeMap::new(),
            frames: BTreeMap::new(),
            heard: 0,
            requeued: false,
        }
    }

    pub(crate) async fn act(&mut self, action: &Action) {
        match action {
            Action::Write { backend, phones } => self.write(*backend, phones),
            Action::WriteMalformed { backend } => {
                let id = self.connection(*backend);
                *self.frames.entry(id).or_default() += 1;
                self.backends[*backend].written.push(Written {
                    number: u64::MAX,
                    phone: 0,
                });
                self.world
                    .write(id, &frame(*backend, 4_000_000_000, &[7; 5], "{}"));
            }
            Action::Close { backend } => {
                if let Some(id) = self.backends[*backend].connection.take() {
                    self.world.fin(id);
                    // It does not wait for an answer: whatever it wrote is on its way.
                    self.backends[*backend].written.clear();
                    self.world.serve(id).await;
                }
            }
            Action::Read { backend, len } => {
                if let Some(id) = self.backends[*backend].connection {
                    self.world.read(id, *len).await;
                }
            }
            Action::Answer { backend } => {
                if let Some(id) = self.backends[*backend].connection {
                    self.world.answer(id).await;
                }
            }
            Action::Serve { backend } => {
                if let Some(id) = self.backends[*backend].connection {
                    self.world.serve(id).await;
                }
            }
            Action::Dispatch => self.world.dispatch().await,
            Action::Environment { wrong } => self.world.upstream.wrong_environment = *wrong,
            Action::Push { rows } => self.world.push(*rows).await,
            Action::UpstreamReads { rows } => self.world.upstream_reads(*rows).await,
            Action::Quiet => self.world.quiet().await,
            Action::AnswerWait => self.world.answer_wait_passes().await,
            Action::BareClose => self.world.bare_close(),
            Action::Uninstall { phone } => {
                self.world.upstream.bad.insert(token(*phone));
            }
            Action::Reinstall { phone } => {
                self.world.upstream.bad.remove(&token(*phone));
            }
            Action::Gone { phone, gone } => self.world.gone(&token(*phone), *gone),
            Action::Trouble { phone, outcome } => {
                let token = phone.map(token);
                self.world.trouble(token.as_ref(), outcome.clone());
            }
            Action::HoursPass { hours } => {
                self.world.now += Duration::from_secs(hours * 3600);
                self.world.time_comes();
            }
            Action::Requeue => {
                self.requeued = true;
                self.world.requeue().await;
            }
            Action::Crash => {
                self.world.crash().await;
                self.disconnected();
            }
            Action::ReadAndCrash { backend, len } => {
                if let Some(id) = self.backends[*backend].connection {
                    self.world.read_and_crash(id, *len).await;
                    self.disconnected();
                }
            }
        }
        self.listen();
    }

    pub(crate) fn connection(&mut self, backend: usize) -> u64 {
        *self.backends[backend]
            .connection
            .get_or_insert_with(|| self.world.connect())
    }

    pub(crate) fn write(&mut self, backend: usize, phones: &[u64]) {
        let id = self.connection(backend);
        let mut all = std::mem::take(&mut self.backends[backend].again);
        for phone in phones {
            self.number += 1;
            all.push(Written {
                number: self.number,
                phone: *phone,
            });
        }
        for written in all {
            let Written { number, phone } = written;
            self.backends[backend].written.push(written);
            let seq = self.backends[backend].written.len() as u64;
            self.places.entry(number).or_default().push((id, seq));
            self.phones.insert(number, phone);
            *self.frames.entry(id).or_default() += 1;
            let identifier = u32::try_from(number).unwrap();
            self.world.write(
                id,
                &frame(
                    backend,
                    identifier,
                    token(phone).as_bytes(),
                    &payload(number),
                ),
            );
        }
    }

    /// The gateway is gone, and the connections with it. Like most real clients these take what they wrote for sent.
    fn disconnected(&mut self) {
        for backend in &mut self.backends {
            backend.connection = None;
            backend.written.clear();
        }
    }

    /// Backends read what they were told.
    pub(crate) fn listen(&mut self) {
        for told in &self.world.told[self.heard..] {
            let Some(backend) = self
                .backends
                .iter_mut()
                .find(|backend| backend.connection == Some(told.connection))
            else {
                // It has closed, and the packet crossed its close.
                continue;
            };
            let Reply::Packet(packet) = told.reply else {
                let exact = matches!(self.world.options.mode, Mode::Exact { .. });
                assert!(exact, "a bare close: {told:?}");
                // Command 0: nobody knows what was behind it.
                backend.written.clear();
                backend.connection = None;
                continue;
            };
            let at = usize::try_from(told.seq).unwrap();
            let named = backend.written[at - 1];
            if named.number < u64::MAX {
                assert_eq!(
                    u64::from(packet.identifier.to_u32()),
                    named.number,
                    "another one was named"
                );
            }
            backend.again = backend
                .written
                .split_off(at)
                .into_iter()
                .filter(|written| written.number < u64::MAX)
                .collect();
            backend.written.clear();
            backend.connection = None;
        }
        self.heard = self.world.told.len();
    }

    /// The backends go, upstream is repaired, and everything runs dry.
    pub(crate) async fn end(&mut self) {
        let open: Vec<u64> = self
            .world
            .connections
            .iter()
            .filter(|(_, connection)| !connection.ended)
            .map(|(id, _)| *id)
            .collect();
        for id in open {
            self.world.serve(id).await;
        }
        self.listen();
        self.world.trouble(None, None);
        self.world.quiet().await;
        for _ in 0..10_000 {
            self.world.time_comes();
            self.world.dispatch().await;
            self.listen();
            let accepted = self.world.counts().accepted;
            self.world.answer_wait_passes().await;
            if self.world.counts().accepted > accepted {
                continue;
            }
            if self.world.counts().queued == 0 {
                return;
            }
            assert!(
                self.world.contract.held().is_some(),
                "rows are left and nothing holds them"
            );
            self.world.upstream.bad.clear();
            self.world.upstream.wrong_environment = false;
            self.world.bare_close();
            self.world.probe().await;
        }
        panic!("the queue does not run dry: {:?}", self.world.counts());
    }
}

fn frame(backend: usize, identifier: u32, token: &[u8], payload: &str) -> Vec<u8> {
    match backend {
        0 => framed(Some(identifier), token, payload),
        1 => enhanced(identifier, 0, token, payload),
        _ => simple(token, payload),
    }
}
