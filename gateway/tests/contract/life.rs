//! A life: backends of several kinds, bad tokens that come and go, an upstream that hangs up, crashes at any point.

use std::collections::{BTreeMap, BTreeSet};
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

/// What a backend does about answers. Real ones were of every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// As the protocol tells it to: what is named is its own fault, what was behind that it sends again.
    SendsAgain,
    /// It reads the answer, connects again, and what was behind is forgotten.
    Forgets,
    /// It never reads. A write into a connection that is gone is lost, and only then does it connect again.
    NeverReads,
    /// A connection for each write, closed at once.
    WritesAndCloses,
    /// It waits for a word after each notification.
    OneAtATime,
}

/// A backend. Number 0 speaks command 2, number 1 command 1, number 2 command 0, which nobody answers.
pub(crate) struct Backend {
    pub(crate) manners: Manners,
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
    /// Numbers of which a backend that sends again knows that they were taken, or is told that they were not.
    pub(crate) promised: BTreeSet<u64>,
}

impl Life {
    pub(crate) fn new(world: World, manners: [Manners; BACKENDS]) -> Self {
        let backends = manners
            .into_iter()
            .map(|manners| Backend {
                manners,
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
            promised: BTreeSet::new(),
        }
    }

    pub(crate) async fn act(&mut self, action: &Action) {
        match action {
            Action::Write { backend, phones } => match self.backends[*backend].manners {
                Manners::OneAtATime => {
                    for phone in phones {
                        self.write(*backend, &[*phone]);
                        let id = self.connection(*backend);
                        self.world.serve(id).await;
                        self.world.dispatch().await;
                        self.listen();
                    }
                }
                Manners::WritesAndCloses => {
                    self.write(*backend, phones);
                    self.close(*backend).await;
                }
                _ => self.write(*backend, phones),
            },
            Action::WriteMalformed { backend } => {
                // What it is left to say again comes first.
                self.write(*backend, &[]);
                let id = self.connection(*backend);
                *self.frames.entry(id).or_default() += 1;
                self.backends[*backend].written.push(Written {
                    number: u64::MAX,
                    phone: 0,
                });
                self.world
                    .write(id, &frame(*backend, 4_000_000_000, &[7; 5], "{}"));
            }
            Action::Close { backend } => self.close(*backend).await,
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
        let manners = self.backends[backend].manners;
        let is_gone = manners == Manners::NeverReads && self.world.connections[&id].ended;
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
            if manners == Manners::SendsAgain {
                self.promised.insert(number);
            }
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
        if is_gone {
            self.let_go(backend);
        }
    }

    /// The backend closes its side. It does not wait for an answer: whatever it wrote is on its way.
    async fn close(&mut self, backend: usize) {
        if let Some(id) = self.let_go(backend) {
            self.world.fin(id);
            self.world.serve(id).await;
        }
    }

    /// The backend has no connection any more. Like most real ones it takes what it wrote for sent.
    fn let_go(&mut self, backend: usize) -> Option<u64> {
        let backend = &mut self.backends[backend];
        for written in backend.written.drain(..) {
            self.promised.remove(&written.number);
        }
        backend.connection.take()
    }

    /// The gateway is gone, and the connections with it.
    fn disconnected(&mut self) {
        for backend in 0..BACKENDS {
            self.let_go(backend);
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
            if backend.manners == Manners::NeverReads {
                continue;
            }
            let Reply::Packet(packet) = told.reply else {
                let exact = matches!(self.world.options.mode, Mode::Exact { .. });
                assert!(exact, "a bare close: {told:?}");
                // Command 0: nobody knows what was behind it.
                for written in backend.written.drain(..) {
                    self.promised.remove(&written.number);
                }
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
                .filter(|_| backend.manners == Manners::SendsAgain)
                .collect();
            backend.written.clear();
            backend.connection = None;
        }
        self.heard = self.world.told.len();
    }

    /// What was written is read, and what is to be sent again is.
    async fn serve_all(&mut self) {
        for backend in 0..BACKENDS {
            if !self.backends[backend].again.is_empty() {
                self.write(backend, &[]);
            }
        }
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
    }

    /// Upstream is repaired, and everything runs dry.
    pub(crate) async fn end(&mut self) {
        self.world.trouble(None, None);
        self.world.quiet().await;
        for _ in 0..10_000 {
            self.serve_all().await;
            self.world.time_comes();
            self.world.dispatch().await;
            self.listen();
            let accepted = self.world.counts().accepted;
            self.world.answer_wait_passes().await;
            self.listen();
            let again = self
                .backends
                .iter()
                .any(|backend| !backend.again.is_empty());
            if again || self.world.counts().accepted > accepted {
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
