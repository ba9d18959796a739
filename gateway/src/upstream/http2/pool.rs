//! The connections of one app: one that stays open, and more while the streams of all are in use.
//!
//! Each attempt looks the name up anew and waits its turn ([`Schedule`]). A connection that said goodbye takes nothing new; what is on it
//! comes to its end, and what the upstream did not look at is given back at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::connection::{Connection, Ended};
use super::pushes::{Done, Pushes, Sent};
use crate::call::Call;
use crate::config::Http2Upstream;
use crate::counters::Counters;
use crate::traffic::{Gauge, Part, Traffic};
use crate::upstream::connect::{ConnectError, Connector};
use crate::upstream::crowd::Crowd;
use crate::upstream::schedule::{self, Closed, Schedule};
use crate::verdict::Outcome;

/// A connection that lasted so long was no failure, even if nothing was sent on it.
const SURVIVED: Duration = Duration::from_secs(10);

/// An app's connections and what is on them.
pub(crate) struct Pool {
    connector: Connector,
    connections_max: usize,
    ping_interval: Duration,
    counters: Arc<Counters>,
    connections: Part,
    in_flight: Part,
    streams_max: Gauge,
    schedule: Schedule,
    members: Vec<Member>,
    /// The number of the next one.
    next: u64,
    attempt: Call<Result<Connection, ConnectError>>,
    /// Something waited when it began.
    wanted: bool,
    pushes: Pushes,
    /// What waits for a stream.
    crowd: Crowd,
}

/// The place of a connection with room.
pub(crate) struct Room(usize);

/// What happened.
pub(crate) enum Event {
    /// These pushes came to something.
    Done(Vec<Done>),
    /// There is another connection.
    Connected,
    /// There is none.
    Unreachable(ConnectError),
    /// One is over, and nothing is on it any more.
    Ended(Ended),
}

/// One connection.
struct Member {
    number: u64,
    connection: Connection,
    opened: Instant,
    in_flight: usize,
    /// Something was answered on it.
    answered: bool,
    /// And that was the end of a notification.
    progress: bool,
    /// Pushes that were lost with it.
    lost: usize,
    /// An answer on it was none of the provider API's.
    foreign: bool,
    /// It was made because something waited, or something was sent on it.
    wanted: bool,
    /// It takes nothing new.
    retired: bool,
    /// It takes nothing but a push that is to be alone on it.
    reserved: bool,
    ended: Option<Ended>,
}

impl Member {
    fn is_usable(&self) -> bool {
        !self.retired && self.ended.is_none() && self.connection.is_open()
    }

    fn has_room(&self) -> bool {
        !self.reserved && self.is_usable() && self.in_flight < self.connection.streams_max()
    }
}

impl Pool {
    pub(crate) fn new(
        config: &Http2Upstream,
        connector: Connector,
        counters: Arc<Counters>,
        traffic: &Traffic,
    ) -> Self {
        Self {
            connector,
            connections_max: config.connections_max,
            ping_interval: config.ping_interval,
            counters,
            connections: traffic.connections.part(),
            in_flight: traffic.in_flight.part(),
            streams_max: traffic.streams_max.clone(),
            schedule: Schedule::new(config.backoff_base, config.backoff_max),
            members: Vec::new(),
            next: 0,
            attempt: Call::none(),
            wanted: false,
            pushes: Pushes::new(config.answer_timeout),
            crowd: Crowd::default(),
        }
    }

    /// Pushes on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.pushes.len()
    }

    /// How many there may be. Where it is one, it goes alone.
    pub(crate) const fn in_flight_max(&self) -> usize {
        self.schedule.in_flight_max()
    }

    /// Where another push can be sent now: on the connection with the fewest. [`Pool::send`] goes by it until the next await; should the
    /// connection end before that, the push is one that was never looked at.
    pub(crate) fn room(&self) -> Option<Room> {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| member.has_room())
            .min_by_key(|(_, member)| member.in_flight)
            .map(|(place, _)| Room(place))
    }

    /// Begins to connect, if it is time to. `waiting`: there are pushes that could be sent if there were room; where the last connection
    /// came to nothing for want of them, they are what is waited for.
    pub(crate) fn grow(&mut self, waiting: bool, now: Instant) {
        let waits = waiting && self.room().is_none();
        let crowded = self.crowd.waits(waits, now);
        if self.attempt.is_under_way() {
            return;
        }
        let usable = self.members.iter().filter(|member| member.is_usable());
        // One that has not answered yet may be about to take more streams: its peer first wants to know who we are.
        let (count, news) = usable.fold((0, false), |(count, news), member| {
            (count + 1, news || !member.answered)
        });
        let lonely = count == 0 && (waiting || !self.schedule.is_idle());
        if lonely || (crowded && !news && count < self.connections_max) {
            self.wanted = waiting;
            let pause = self.schedule.pause(fastrand::f64());
            let (connector, ping_interval) = (self.connector.clone(), self.ping_interval);
            let streams_max = self.streams_max.part();
            self.attempt.start(async move {
                sleep(pause).await;
                let stream = connector.connect().await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(ConnectError::NotHttp2);
                }
                Connection::start(stream, ping_interval, streams_max)
                    .await
                    .map_err(ConnectError::Http2)
            });
        }
    }

    /// When [`Pool::grow`] may have something to do although nothing happens.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.crowd.wake().filter(|_| !self.attempt.is_under_way())
    }

    /// The same for a push that is to be alone on its connection, which takes others when that one is done. If there is none, one
    /// is kept free for it.
    pub(crate) fn room_alone(&mut self) -> Option<Room> {
        let members = self.members.iter_mut().enumerate();
        let (place, member) = members
            .filter(|(_, member)| member.is_usable())
            .min_by_key(|(_, member)| (!member.reserved, member.in_flight))?;
        member.reserved = true;
        (member.in_flight == 0).then_some(Room(place))
    }

    /// Sends a push.
    pub(crate) fn send(&mut self, room: Room, request: Request<()>, sent: Sent, now: Instant) {
        let member = &mut self.members[room.0];
        member.in_flight += 1;
        member.wanted = true;
        let exchange = member.connection.send(request, sent.row.payload.clone());
        self.pushes.add(exchange, sent, member.number, now);
    }

    /// No connection is kept free for a push that is to be alone on it.
    pub(crate) fn keep_none_free(&mut self) {
        let free = self
            .members
            .iter_mut()
            .filter(|member| member.in_flight == 0);
        free.for_each(|member| member.reserved = false);
    }

    /// What came of a push on this connection was the end of a notification.
    pub(crate) fn progress(&mut self, number: u64) {
        self.schedule.progress(1);
        if let Some(member) = self.member(number) {
            member.progress = true;
        }
    }

    /// A connection takes nothing new.
    pub(crate) fn retire(&mut self, number: u64) {
        if let Some(member) = self.member(number)
            && !member.retired
        {
            debug!(connection = number, "retired");
            member.retired = true;
        }
    }

    /// No connection that is open takes anything new. What is on them is waited for.
    pub(crate) fn retire_all(&mut self) {
        self.members
            .iter_mut()
            .for_each(|member| member.retired = true);
    }

    fn member(&mut self, number: u64) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.number == number)
    }

    /// What happens next. Can be dropped and called again.
    pub(crate) async fn next(&mut self) -> Event {
        self.connections.set(self.members.len());
        self.in_flight.set(self.pushes.len());
        let Self {
            attempt,
            pushes,
            members,
            ..
        } = self;
        let happened = tokio::select! {
            biased;
            member = poll_fn(|cx| poll_over(members, cx)) => Happened::Over(member),
            done = pushes.next() => Happened::Done(done),
            attempted = attempt.answer() => Happened::Attempted(attempted),
        };
        match happened {
            Happened::Done(mut done) => {
                done.iter_mut().for_each(|done| self.note(done));
                Event::Done(done)
            }
            Happened::Over(member) => {
                let member = self.members.swap_remove(member);
                Event::Ended(self.over(member))
            }
            Happened::Attempted(Ok(connection)) => {
                info!(connection = self.next, "connected");
                self.counters.upstream_connections.add(1);
                self.members.push(Member {
                    number: self.next,
                    connection,
                    opened: Instant::now(),
                    in_flight: 0,
                    answered: false,
                    progress: false,
                    lost: 0,
                    foreign: false,
                    wanted: self.wanted,
                    retired: false,
                    reserved: false,
                    ended: None,
                });
                self.next += 1;
                self.crowd.clear();
                Event::Connected
            }
            Happened::Attempted(Err(error)) => {
                self.counters.unreachable(&error);
                self.schedule.ended(schedule::Ended::Unreachable);
                Event::Unreachable(error)
            }
        }
    }

    /// Takes note of what became of a push.
    fn note(&mut self, done: &mut Done) {
        let number = done.member;
        if done.outcome.is_foreign() {
            self.counters.upstream_protocol_errors.add(1);
        }
        let member = self
            .member(number)
            .expect("a connection outlives what is on it");
        member.in_flight -= 1;
        member.reserved = false;
        if done.outcome.is_foreign() && !std::mem::replace(&mut member.foreign, true) {
            warn!(
                connection = number,
                answer = %done.outcome,
                "an answer that is none of the provider API's, and the last one that is logged of this connection: is \
                 app.upstream.address APNs?"
            );
        }
        match &mut done.outcome {
            Outcome::Answered(_) => member.answered = true,
            Outcome::Lost { alone } => {
                *alone = member.lost == 0 && member.in_flight == 0;
                member.lost += 1;
            }
            Outcome::Reset(_)
            | Outcome::Unprocessed { .. }
            | Outcome::Unanswered
            | Outcome::Garbled
            | Outcome::NoPreface => {}
        }
    }

    /// A connection is over.
    fn over(&mut self, member: Member) -> Ended {
        let ended = member.ended.unwrap_or_else(|| {
            // It was retired; its goodbye is waited for, but not here.
            tokio::spawn(member.connection.close());
            Ended::Closed
        });
        if matches!(ended, Ended::Gibberish(_) | Ended::NoPreface) {
            self.counters.upstream_protocol_errors.add(1);
        }
        self.schedule.ended(schedule::Ended::Closed(Closed {
            answered: matches!(ended, Ended::Goodbye(_) | Ended::Closed),
            progress: member.progress,
            in_flight: member.lost,
            survived: member.opened.elapsed() >= SURVIVED,
            wanted: member.wanted,
        }));
        ended
    }

    /// Ends everything. Returns how many pushes had no answer.
    pub(crate) async fn close(mut self) -> usize {
        let unanswered = self.pushes.len();
        // Resets their streams.
        self.pushes.clear();
        for member in self.members.drain(..) {
            member.connection.close().await;
        }
        unanswered
    }
}

enum Happened {
    Done(Vec<Done>),
    /// The connection at this place.
    Over(usize),
    Attempted(Result<Connection, ConnectError>),
}

/// Drives the connections. The place of one that is over and has nothing on it.
fn poll_over(members: &mut [Member], cx: &mut Context<'_>) -> Poll<usize> {
    for (place, member) in members.iter_mut().enumerate() {
        if member.ended.is_none()
            && let Poll::Ready(ended) = member.connection.poll_ended(cx)
        {
            member.ended = Some(ended);
        }
        let idle = member.in_flight == 0;
        if idle && (member.ended.is_some() || member.retired) {
            return Poll::Ready(place);
        }
    }
    Poll::Pending
}
