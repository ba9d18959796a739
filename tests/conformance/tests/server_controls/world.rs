//! What a little server knows: one phone with its apps, what is on its way to it, and the feedback list.

use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::bug::Bug;
use super::courier::{NOTIFICATION, frame};

/// A token of an app on a phone that nobody looks at.
const GOOD: [u8; 32] = [0xaa; 32];

/// Tokens that begin so are of apps that are gone.
pub(crate) const GONE: [u8; 4] = [0xdd; 4];

pub(crate) struct World {
    pub(crate) bug: Option<Bug>,
    state: Mutex<State>,
}

/// What became of a push.
pub(crate) enum Pushed {
    Taken,
    Unknown,
}

#[derive(Default)]
pub(crate) struct State {
    /// The phone's base token.
    pub(crate) base: Option<Vec<u8>>,
    /// Hashes of topics that the user does not want.
    pub(crate) ignored: Vec<Vec<u8>>,
    /// Device tokens, and the hashes of their topics.
    apps: Vec<(Vec<u8>, Vec<u8>)>,
    /// The phone's connection.
    line: Option<mpsc::Sender<Vec<u8>>>,
    kept: Vec<Note>,
    /// Written, and not acknowledged.
    sent: Vec<Note>,
    numbers: u32,
    list: Vec<(u32, Vec<u8>)>,
}

#[derive(Clone)]
struct Note {
    id: [u8; 4],
    token: Vec<u8>,
    topic: Vec<u8>,
    payload: Vec<u8>,
    expiry: Option<i32>,
}

impl Note {
    fn may_be_kept(&self) -> bool {
        self.expiry
            .is_none_or(|expiry| i64::from(expiry) > i64::from(now()))
    }

    fn frame(&self) -> Vec<u8> {
        let fields: [(u8, &[u8]); 4] = [
            (1, &self.token),
            (2, &self.topic),
            (3, &self.payload),
            (4, &self.id),
        ];
        frame(NOTIFICATION, &fields)
    }
}

impl World {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Self {
            bug,
            state: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A provider pushes; its topic is `hash`ed.
    pub(crate) fn push(&self, token: &[u8], payload: &[u8], expiry: Option<i32>) -> Pushed {
        let mut state = self.state();
        if token == GOOD {
            return Pushed::Taken;
        }
        if token.starts_with(&GONE) {
            state.report(token);
            return Pushed::Taken;
        }
        let topic = super::courier::hash(super::TOPIC.as_bytes());
        let own = |(known, of): &&(Vec<u8>, Vec<u8>)| known == token && *of == topic;
        if state.apps.iter().find(own).is_none() {
            return Pushed::Unknown;
        }
        let note = Note {
            id: state.number().to_be_bytes(),
            token: token.to_vec(),
            topic,
            payload: payload.to_vec(),
            expiry,
        };
        if state.ignored.contains(&note.topic) {
            return Pushed::Taken;
        }
        if state.line.is_some() {
            state.send(note, self.bug);
        } else {
            state.keep(note, self.bug);
        }
        Pushed::Taken
    }

    pub(crate) fn list(&self) -> Vec<(u32, Vec<u8>)> {
        self.state().list.clone()
    }

    /// What was read is gone.
    pub(crate) fn clear(&self, read: &[(u32, Vec<u8>)]) {
        self.state().list.retain(|tuple| !read.contains(tuple));
    }
}

impl State {
    pub(crate) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// 32 bytes that were never given out.
    pub(crate) fn token(&mut self) -> Vec<u8> {
        self.number().to_be_bytes().repeat(8)
    }

    pub(crate) fn new_base(&mut self) -> Vec<u8> {
        let base = self.token();
        self.base = Some(base.clone());
        self.ignored.clear();
        base
    }

    /// The device token of an app.
    pub(crate) fn install(&mut self, topic: &[u8]) -> Vec<u8> {
        let token = self.token();
        self.apps.push((token.clone(), topic.to_vec()));
        token
    }

    /// The phone is there: what was kept for it is on its way.
    pub(crate) fn online(&mut self, line: mpsc::Sender<Vec<u8>>, bug: Option<Bug>) {
        self.keep_what_was_sent(bug);
        self.line = Some(line);
        for note in std::mem::take(&mut self.kept) {
            if note.may_be_kept() {
                self.send(note, bug);
            }
        }
    }

    /// A connection is gone, which may have been replaced long since.
    pub(crate) fn offline(&mut self, line: &mpsc::Sender<Vec<u8>>, bug: Option<Bug>) {
        if self.line.take_if(|own| own.same_channel(line)).is_some() {
            self.keep_what_was_sent(bug);
        }
    }

    /// What the phone has not acknowledged when its connection ends.
    fn keep_what_was_sent(&mut self, bug: Option<Bug>) {
        for note in std::mem::take(&mut self.sent) {
            self.keep(note, bug);
        }
    }

    /// Whether there was such a notification.
    pub(crate) fn acknowledged(&mut self, id: &[u8], status: u8) -> bool {
        let Some(at) = self.sent.iter().position(|note| note.id == id) else {
            return false;
        };
        let note = self.sent.remove(at);
        if status == 3 {
            self.report(&note.token);
        }
        true
    }

    fn report(&mut self, token: &[u8]) {
        if self.list.iter().all(|(_, listed)| listed != token) {
            self.list.push((now(), token.to_vec()));
        }
    }

    fn send(&mut self, note: Note, bug: Option<Bug>) {
        if let Some(line) = &self.line {
            line.try_send(note.frame()).unwrap();
        }
        if bug != Some(Bug::SettlesWhenSent) {
            self.sent.push(note);
        }
    }

    fn keep(&mut self, note: Note, bug: Option<Bug>) {
        if !note.may_be_kept() {
            return;
        }
        if bug != Some(Bug::KeepsAll) {
            self.kept.retain(|older| older.token != note.token);
        }
        self.kept.push(note);
    }
}

fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u32::try_from(since.as_secs()).unwrap()
}
