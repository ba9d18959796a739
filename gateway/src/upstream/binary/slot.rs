//! The place of one connection among several: it comes and goes, what was on it stays to be sent again.

use std::collections::VecDeque;
use std::future::pending;

use apns_proto::Token;
use tokio::time::Instant;

use super::link::{Confirmation, Event, Link};
use crate::call::Call;
use crate::store::{Row, RowId};
use crate::upstream::connect::ConnectError;
use crate::upstream::schedule::Schedule;

/// One of an app's.
pub(super) struct Slot {
    pub(super) state: State,
    pub(super) schedule: Schedule,
    /// To be sent again here, before anything else, in this order.
    pub(super) again: VecDeque<Row>,
    /// What has the connection to itself.
    pub(super) alone: Option<Alone>,
    /// Tokens of which something waits for room here.
    pub(super) waiting: Vec<Token>,
    /// Something on the connection came to its end.
    pub(super) progress: bool,
    /// It was made because something waited, or something was sent on it.
    pub(super) wanted: bool,
}

pub(super) enum State {
    Down,
    /// First comes the pause that is due.
    Connecting(Call<Result<Box<Link>, ConnectError>>),
    Up(Box<Link>),
}

/// A notification that is sent alone, on a connection that was quiet before.
#[derive(Debug)]
pub(super) enum Alone {
    Waiting(Lone),
    Sent { row: RowId, probe: bool },
}

/// A notification that waits for that.
#[derive(Debug)]
pub(crate) struct Lone {
    pub(crate) row: Row,
    /// For an app on hold: the outcome is not held against the notification.
    pub(crate) probe: bool,
}

/// What happened on a slot.
pub(super) enum Happened {
    Attempted(Result<Box<Link>, ConnectError>),
    On(Event),
}

impl Slot {
    pub(super) const fn new(schedule: Schedule) -> Self {
        Self {
            state: State::Down,
            schedule,
            again: VecDeque::new(),
            alone: None,
            waiting: Vec::new(),
            progress: false,
            wanted: false,
        }
    }

    pub(super) const fn link(&self) -> Option<&Link> {
        match &self.state {
            State::Up(link) => Some(link),
            State::Down | State::Connecting(_) => None,
        }
    }

    pub(super) const fn link_mut(&mut self) -> Option<&mut Link> {
        match &mut self.state {
            State::Up(link) => Some(link),
            State::Down | State::Connecting(_) => None,
        }
    }

    pub(super) const fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Whether it is connecting, and not for the first time.
    pub(super) const fn is_in_trouble(&self) -> bool {
        matches!(self.state, State::Connecting(_)) && self.schedule.is_failing()
    }

    /// Whether something more can be sent now, of what is to be sent again or, if there is none, of anything.
    pub(super) fn has_room(&self) -> bool {
        let room = |link: &Link| link.room() && link.pending_len() < self.schedule.in_flight_max();
        self.alone.is_none() && self.link().is_some_and(room)
    }

    /// Whether it can send something new.
    pub(super) fn takes_new(&self) -> bool {
        self.again.is_empty() && self.has_room()
    }

    /// Whether it can have something new for itself, as soon as all else is done.
    pub(super) fn takes_lone(&self) -> bool {
        let stays = |link: &Link| !link.has_asked();
        self.alone.is_none() && self.again.is_empty() && self.link().is_some_and(stays)
    }

    /// What is on it, or to be sent again, or waits to be sent alone.
    pub(super) fn len(&self) -> usize {
        let on_it = self.link().map_or(0, Link::pending_len);
        on_it + self.again.len() + usize::from(matches!(self.alone, Some(Alone::Waiting(_))))
    }

    /// When what waits to be sent alone can be sent.
    pub(super) fn lone_at(&self, confirmation: Confirmation) -> Option<Instant> {
        let idle_since = self.link()?.idle_since()?;
        matches!(self.alone, Some(Alone::Waiting(_))).then(|| idle_since + confirmation.quiet)
    }

    /// The one that waits to be sent alone, out of line.
    pub(super) fn take_lone(&mut self) -> Option<Lone> {
        match self.alone.take() {
            Some(Alone::Waiting(lone)) => Some(lone),
            sent => {
                self.alone = sent;
                None
            }
        }
    }

    /// What happens next. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Happened {
        match &mut self.state {
            State::Down => pending().await,
            State::Connecting(call) => Happened::Attempted(call.answer().await),
            State::Up(link) => Happened::On(link.next().await),
        }
    }
}
