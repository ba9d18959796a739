//! The last events there were.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::{Event, What};

/// The ring of events.
#[derive(Debug)]
pub struct Events {
    ring: VecDeque<Event>,
    /// The first there ever was here.
    first: u64,
    next: u64,
    frame_bytes: usize,
    len_max: usize,
    frame_bytes_max: usize,
}

/// Events that came after some sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<Event>,
    /// How many before them have left the ring unseen.
    pub missed: u64,
}

impl Events {
    /// Numbers on after `event`, which is forgotten.
    pub(crate) const fn after(event: u64, len_max: usize, frame_bytes_max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            first: event + 1,
            next: event + 1,
            frame_bytes: 0,
            len_max,
            frame_bytes_max,
        }
    }

    /// At most `max` events with a sequence number above `after`; 0 is before the first.
    #[must_use]
    pub fn since(&self, after: u64, max: usize) -> Page {
        let first = self.next - self.ring.len() as u64;
        // What was forgotten on purpose nobody missed.
        let wanted = after.saturating_add(1).max(self.first);
        let from = first.max(wanted);
        // Both ends are within the ring, whose length is a usize.
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        Page {
            events: self.ring.iter().skip(skip).take(max).cloned().collect(),
            missed: first.saturating_sub(wanted),
        }
    }

    /// The sequence number of the newest event; 0 when there is none.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.next - 1
    }

    /// Whether nothing was recorded.
    pub(crate) const fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Records what changed and says under which number.
    pub(crate) fn record(&mut self, at: SystemTime, what: What) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.frame_bytes += what.frame_len();
        self.ring.push_back(Event { seq, at, what });
        while self.ring.len() > self.len_max
            || (self.frame_bytes > self.frame_bytes_max && self.ring.len() > 1)
        {
            let Some(oldest) = self.ring.pop_front() else {
                break;
            };
            self.frame_bytes -= oldest.what.frame_len();
        }
        seq
    }
}

impl What {
    fn frame_len(&self) -> usize {
        let request = match self {
            Self::Accepted { request, .. }
            | Self::Refused { request, .. }
            | Self::Rejected { request, .. } => Some(request),
            Self::Injected { request, .. } => request.as_deref(),
            _ => None,
        };
        request.map_or(0, |request| request.sent.bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use apns_net::credentials::Environment;
    use apns_proto::{Command, Status};
    use bytes::Bytes;

    use super::super::{Request, Sent};
    use super::*;

    fn refused(name: &str) -> What {
        What::DeviceRefused { name: name.into() }
    }

    fn rejected(frame: &'static [u8]) -> What {
        What::Rejected {
            request: Request {
                topic: "com.example.Mail".into(),
                environment: Environment::Sandbox,
                token: None,
                sent: Sent::Frame {
                    command: Command::FRAMED,
                    identifier: None,
                    frame: Bytes::from_static(frame),
                },
            },
            status: Some(Status::INVALID_TOKEN),
            clause: "P-37",
            why: "unknown token".to_owned(),
        }
    }

    fn seqs(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn a_watcher_gets_what_came_after_what_it_saw() {
        let mut events = Events::after(0, 10, 1000);
        assert_eq!(
            events.since(0, 10),
            Page {
                events: Vec::new(),
                missed: 0
            }
        );
        for n in 1..=4 {
            assert_eq!(events.record(SystemTime::UNIX_EPOCH, refused("phone")), n);
        }
        assert_eq!(seqs(&events.since(0, 10)), [1, 2, 3, 4]);
        assert_eq!(seqs(&events.since(2, 1)), [3]);
        assert_eq!(seqs(&events.since(4, 10)), [0; 0]);
        assert_eq!(seqs(&events.since(99, 10)), [0; 0]);
        assert_eq!(seqs(&events.since(u64::MAX, 10)), [0; 0]);
        assert_eq!(events.newest(), 4);
    }

    #[test]
    fn a_slow_watcher_is_told_how_many_it_missed() {
        let mut events = Events::after(0, 3, 1000);
        for _ in 0..10 {
            events.record(SystemTime::UNIX_EPOCH, refused("phone"));
        }
        let page = events.since(2, 10);
        assert_eq!((seqs(&page), page.missed), (vec![8, 9, 10], 5));
        assert_eq!(events.since(7, 10).missed, 0);
    }

    #[test]
    fn what_was_forgotten_on_purpose_is_not_missed() {
        let mut events = Events::after(7, 2, 1000);
        assert!(events.is_empty());
        assert_eq!((events.since(3, 10).missed, events.newest()), (0, 7));
        for seq in 8..=10 {
            assert_eq!(events.record(SystemTime::UNIX_EPOCH, refused("phone")), seq);
        }
        let page = events.since(3, 10);
        assert_eq!((seqs(&page), page.missed), (vec![9, 10], 1));
    }

    #[test]
    fn the_ring_is_bounded_by_the_bytes_of_its_frames_too() {
        let mut events = Events::after(0, 1000, 8);
        for _ in 0..5 {
            events.record(SystemTime::UNIX_EPOCH, rejected(&[0; 4]));
        }
        assert_eq!(seqs(&events.since(0, 10)), [4, 5]);
        events.record(SystemTime::UNIX_EPOCH, rejected(&[0; 100]));
        assert_eq!(seqs(&events.since(0, 10)), [6]);
    }
}
