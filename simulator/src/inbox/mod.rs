//! The inbox: every push a world was sent, with what became of it, put together from the world's events. Bounded; the newest are kept.
//!
//! ```text
//! world ──events──▶ Inbox::take ──▶ Push { request, payload, fate } ◀── Filter (what a test looks for) ── nearest miss
//! ```
//!
//! Pure: it is given pages of events. Whoever looks into it lets it catch up first; nobody waits for it.

mod expectation;
mod fate;
mod filter;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use apns_proto::{Expiry, Limits, Priority};
use bytes::{Bytes, BytesMut};

pub use self::expectation::{Counted, Expectation, ExpectationError};
pub use self::fate::{Fate, Outcome};
pub(crate) use self::filter::EnvironmentName;
pub use self::filter::{Face, Filter, Mismatch, Miss, TokenStart};
use crate::event::{Event, Page, Request, Route, Sent, What};

/// Pushes kept. The oldest makes room.
pub const PUSHES_MAX: usize = 10_000;
/// Bytes of frames kept with them.
pub const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A notification as it came to APNs, and what became of it.
#[derive(Debug, Clone)]
pub struct Push {
    /// The sequence number of the event of its arrival.
    pub id: u64,
    /// When it arrived.
    pub at: SystemTime,
    /// What came.
    pub request: Request,
    /// Its payload; empty where the frame was none.
    pub payload: Bytes,
    /// Until when it may be stored, if it says.
    pub expiry: Option<Expiry>,
    /// Its priority, if it says.
    pub priority: Option<Priority>,
    /// The phone it was for, where the token is known.
    pub phone: Option<Arc<str>>,
    /// What became of it.
    pub fate: Fate,
    /// When that was known.
    pub settled_at: Option<SystemTime>,
}

impl Push {
    /// Where it came in.
    #[must_use]
    pub const fn face(&self) -> Face {
        match self.request.sent {
            Sent::Frame { .. } => Face::Binary,
            Sent::Post(_) => Face::Http2,
            Sent::File { .. } => Face::Rest,
        }
    }

    /// The status it was refused with: that of the error packet, or HTTP's.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.fate {
            Fate::Refused { reason, .. } => Some(reason.status()),
            Fate::Rejected { status, .. } => status.map(|status| status.0.into()),
            Fate::Injected { status, .. } => status,
            _ => None,
        }
    }

    /// The reason it was refused with over HTTP/2.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match &self.fate {
            Fate::Refused { reason, .. } => Some(reason.to_string()),
            Fate::Injected { reason, .. } => reason.as_deref().map(str::to_owned),
            _ => None,
        }
    }

    /// The fault that decided what became of it, by its name.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        match &self.fate {
            Fate::Injected { fault, .. } => Some(fault),
            _ => None,
        }
    }

    /// The payload as JSON, where it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.payload).ok()
    }
}

/// The pushes of one world. See the [module](self).
#[derive(Debug, Default)]
pub struct Inbox {
    pushes: VecDeque<Push>,
    frame_bytes: usize,
    seen: u64,
    total: u64,
    missed_events: u64,
}

impl Inbox {
    /// The newest event it has taken: the next page is to begin after it.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes a page of events, which must follow what it has [`seen`](Self::seen).
    pub fn take(&mut self, page: Page) {
        self.missed_events += page.missed;
        for event in page.events {
            self.seen = event.seq;
            self.note(event);
        }
    }

    /// The pushes, oldest first.
    pub fn pushes(&self) -> impl DoubleEndedIterator<Item = &Push> + ExactSizeIterator {
        self.pushes.iter()
    }

    /// One of them, while it is kept.
    #[must_use]
    pub fn push(&self, id: u64) -> Option<&Push> {
        let at = self.pushes.binary_search_by_key(&id, |push| push.id).ok()?;
        self.pushes.get(at)
    }

    /// How many pushes it was ever shown.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many of them have made room for newer ones.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.total - self.pushes.len() as u64
    }

    /// How many events were over before it looked: pushes among them are not in [`total`](Self::total).
    #[must_use]
    pub const fn missed_events(&self) -> u64 {
        self.missed_events
    }

    fn note(&mut self, event: Event) {
        let Event { seq, at, what } = event;
        match what {
            What::Accepted { request, route } => {
                let (phone, fate) = match route {
                    Route::Queued(phone) => (phone, Fate::OnItsWay),
                    Route::Stored(phone) => (phone, Fate::Stored),
                    Route::Dropped(phone, why) => (phone, Fate::Dropped(why)),
                    Route::AppGone(phone) => (phone, Fate::AppGone),
                };
                self.arrived(seq, at, request, Some(phone.name), fate);
            }
            What::Refused {
                request,
                reason,
                why,
            } => self.arrived(seq, at, request, None, Fate::Refused { reason, why }),
            What::Rejected {
                request,
                status,
                clause,
                why,
            } => {
                let fate = Fate::Rejected {
                    status,
                    clause,
                    why,
                };
                self.arrived(seq, at, request, None, fate);
            }
            What::Injected {
                fault,
                action,
                request: Some(request),
                ..
            } => {
                if let Some(fate) = Fate::injected(fault, &action, &request) {
                    self.arrived(seq, at, *request, None, fate);
                }
            }
            What::Delivered { push, .. } => self.settle(push, at, Fate::Delivered),
            What::Dropped { push, why, .. } => self.settle(push, at, Fate::Dropped(why)),
            What::Overwritten { push, by, .. } => self.settle(push, at, Fate::Overwritten { by }),
            What::AppGone { push, .. } => self.settle(push, at, Fate::AppGone),
            _ => {}
        }
    }

    fn arrived(
        &mut self,
        id: u64,
        at: SystemTime,
        request: Request,
        phone: Option<Arc<str>>,
        fate: Fate,
    ) {
        let (payload, expiry, priority) = contents(&request);
        let settled = !matches!(fate, Fate::OnItsWay | Fate::Stored);
        self.frame_bytes += request.sent.bytes().len();
        self.pushes.push_back(Push {
            id,
            at,
            request,
            payload,
            expiry,
            priority,
            phone,
            fate,
            settled_at: settled.then_some(at),
        });
        self.total += 1;
        while self.pushes.len() > PUSHES_MAX
            || (self.frame_bytes > FRAME_BYTES_MAX && self.pushes.len() > 1)
        {
            let Some(oldest) = self.pushes.pop_front() else {
                break;
            };
            self.frame_bytes -= oldest.request.sent.bytes().len();
        }
    }

    /// A push that has left the inbox has no fate to change.
    fn settle(&mut self, id: u64, at: SystemTime, fate: Fate) {
        if let Ok(index) = self.pushes.binary_search_by_key(&id, |push| push.id)
            && let Some(push) = self.pushes.get_mut(index)
        {
            push.fate = fate;
            push.settled_at = Some(at);
        }
    }
}

/// What a request carries. A frame is read again: the event keeps it alone.
fn contents(request: &Request) -> (Bytes, Option<Expiry>, Option<Priority>) {
    let frame = match &request.sent {
        Sent::Frame { frame, .. } => frame,
        Sent::Post(post) => return (post.body.clone(), post.expiry, post.priority),
        Sent::File { payload, priority } => return (payload.clone(), None, Some(*priority)),
    };
    // What was over its certificate's limit is shown all the same.
    let limits = Limits {
        payload_len_max: usize::from(u16::MAX),
    };
    let mut frame = BytesMut::from(&frame[..]);
    match apns_proto::decode(&mut frame, &limits) {
        Some(Ok(notification)) => (
            notification.payload,
            notification.expiry,
            notification.priority,
        ),
        _ => (Bytes::new(), None, None),
    }
}
