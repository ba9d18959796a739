//! A connection, from its settings to its end: one task that reads, has judged and answers.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apns_net::h2tap::{Frame, Setting, Tap, TapHandle};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason as Http2Reason, RecvStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::breakage::End;
use super::exchange::Exchange;
use super::judge::Requests;
use super::paced::Paced;
use super::settings::{HEADER_LIST_LEN_MAX, STREAMS_MAX, STREAMS_MAX_UNKNOWN, farewell, settings};
use crate::config::Timeouts;
use crate::connections::{Presence, Who};
use crate::face::breakage::Break;
use crate::faults::{Action, Face, Injection, STALL_MAX};
use crate::io_step::until;
use crate::project::Projects;
use crate::provider_api::{Caller, Reason, Unverified};
use crate::shared::Shared;

pub(super) struct Connection {
    shared: Arc<Shared>,
    presence: Presence,
    /// Among these the first provider token chooses; none beside a certificate.
    projects: Option<Arc<Projects>>,
    timeouts: Timeouts,
    caller: Caller,
    /// Requests whose body is still arriving, in their order.
    open: Vec<Exchange>,
    requests: Requests,
    /// How much the provider had taken when it stopped taking, and when that was noticed.
    blocked: Option<(u64, Instant)>,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the provider closed")]
    Closed,
    #[error("the provider broke the rules of HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    #[error("the provider took nothing for {0:?}")]
    Stalled(Duration),
    #[error("the simulator stops")]
    Stopped,
    #[error("a fault has said goodbye")]
    GoneAway,
    #[error("a fault breaks it")]
    Broken(Break),
}

impl Connection {
    /// `number` is its own among those of this face, for faults.
    pub(super) fn new(
        shared: Arc<Shared>,
        presence: Presence,
        number: u64,
        projects: Option<Arc<Projects>>,
        timeouts: Timeouts,
        caller: Caller,
    ) -> Self {
        Self {
            shared,
            presence,
            projects,
            timeouts,
            caller,
            open: Vec::new(),
            requests: Requests::new(number),
            blocked: None,
        }
    }

    /// Is cancelled when it is to end.
    pub(super) fn stop(&self) -> &CancellationToken {
        self.presence.stop()
    }

    /// Serves it to the end; says how it is to be broken, if it is not to be closed in good order. `topic` is the certificate's, empty where it names none.
    pub(super) async fn run(
        &mut self,
        stream: &mut TlsStream<TcpStream>,
        topic: Option<&str>,
        fault: Option<Injection>,
    ) -> Option<Break> {
        let (shared, number) = (self.shared.clone(), self.requests.connection);
        let refused = async {
            match topic {
                Some(topic) => shared.certificate_refused(topic, number).await,
                None => pending().await,
            }
        };
        tokio::select! {
            broken = self.open(stream, fault) => broken,
            () = refused => Some(Break::Close),
        }
    }

    /// Begins as a fault will have it, and serves.
    async fn open(
        &mut self,
        stream: &mut TlsStream<TcpStream>,
        fault: Option<Injection>,
    ) -> Option<Break> {
        let mut bytes_per_second = None;
        if let Some(Injection { fault, action }) = fault {
            let (fault, name) = (&*fault, action.name());
            info!(fault, action = name, "a fault acts on the connection");
            let course = self.requests.breakage.course(&action, 0);
            let delay = sleep(course.delay);
            self.stop().run_until_cancelled(delay).await?;
            if let Some(goaway) = self.requests.breakage.take_goaway() {
                if let Err(error) = farewell(stream, goaway, self.timeouts.write).await {
                    debug!(%error, "the farewell could not be written");
                }
                return None;
            }
            if let End::Break(how) = course.end {
                return Some(how);
            }
            if let Action::Bandwidth {
                bytes_per_second: rate,
            } = action
            {
                bytes_per_second = Some(rate);
                // It is not the provider that is slow.
                self.timeouts.frame = STALL_MAX;
            }
        }
        self.serve(stream, bytes_per_second).await
    }

    async fn serve(
        &mut self,
        stream: &mut TlsStream<TcpStream>,
        bytes_per_second: Option<NonZeroU32>,
    ) -> Option<Break> {
        let (io, tap) = Tap::server(
            Paced::new(stream, bytes_per_second),
            settings(self.streams_max()),
        );
        // The library goes by the greatest of the limits; what the tap announces is never more.
        let mut builder = h2::server::Builder::new();
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_LEN_MAX);
        let handshake = timeout(self.timeouts.frame, builder.handshake(io));
        let handshake = self.stop().run_until_cancelled(handshake).await?;
        let mut h2 = match handshake {
            Ok(Ok(h2)) => h2,
            Ok(Err(error)) => {
                debug!(%error, "no HTTP/2 came about");
                return None;
            }
            Err(_) => {
                warn!(after = ?self.timeouts.frame, "the provider did not begin to speak HTTP/2");
                return None;
            }
        };
        debug!("a provider connected");
        let Err(ended) = self.converse(&mut h2, &tap).await;
        match &ended {
            Ended::Closed => debug!("the provider closed"),
            Ended::Http2(error) if error.is_io() => debug!(%error, "the connection broke"),
            Ended::Http2(_) | Ended::Stalled(_) => warn!(reason = %ended, "hung up on a provider"),
            Ended::Stopped => {
                let within = self.timeouts.stop;
                let shutting_down = self.shut_down(&mut h2, &tap);
                if timeout(within, shutting_down).await.is_err() {
                    debug!("the provider did not let go of its streams");
                }
            }
            Ended::GoneAway | Ended::Broken(_) => {
                info!(reason = %ended, "a fault ends the connection");
                // What was decided before is said before.
                let within = self.timeouts.write;
                if timeout(within, flush(&mut h2, &tap)).await.is_err() {
                    debug!("the provider did not take its last answers");
                }
            }
        }
        match ended {
            Ended::Broken(how) => Some(how),
            // It would not take a goodbye either.
            Ended::Stalled(_) => Some(Break::Reset),
            _ => None,
        }
    }

    /// Reads, judges and answers, to the end.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        tap: &TapHandle,
    ) -> Result<Infallible, Ended> {
        let mut room = self.shared.room();
        let mut stop = self.stop().clone();
        loop {
            if self.choose_project() {
                room = self.shared.room();
                stop = self.stop().clone();
            }
            room.mark_unchanged();
            let streams_max = self.streams_max();
            let projects = self.projects.as_deref();
            self.requests
                .judge(&self.shared, projects, self.timeouts, &mut self.caller);
            self.presence.carried(self.requests.take_carried());
            if self.streams_max() != streams_max {
                let setting = (Setting::MAX_CONCURRENT_STREAMS, self.streams_max());
                put_in(tap, &Frame::Settings(vec![setting]));
            }
            self.heed_faults(tap)?;
            let deadline = self.deadline();
            tokio::select! {
                arrived = self.arrivals(h2, tap) => arrived?,
                // The world outlives its faces, so this does not fail.
                _ = room.changed(), if self.requests.wait() => {
                    self.requests.try_again(&self.shared, self.timeouts, &self.caller);
                }
                () = until(deadline) => self.overdue(tap)?,
                () = stop.cancelled() => return Err(Ended::Stopped),
            }
        }
    }

    /// Streams the provider may have at once.
    fn streams_max(&self) -> u32 {
        let own = if self.caller.is_known() {
            STREAMS_MAX
        } else {
            STREAMS_MAX_UNKNOWN
        };
        self.requests.breakage.streams_max().unwrap_or(own)
    }

    /// Says the GOAWAY of a fault, and ends what faults have ended.
    fn heed_faults(&mut self, tap: &TapHandle) -> Result<(), Ended> {
        let breakage = &mut self.requests.breakage;
        if let Some(goaway) = breakage.take_goaway() {
            put_in(tap, &Frame::GoAway(goaway));
        }
        if let Some(how) = breakage.broken() {
            return Err(Ended::Broken(how));
        }
        let over = breakage.last_stream().is_some_and(|last| {
            let mut open = self.open.iter();
            !self.requests.wait() && !open.any(|exchange| u32::from(exchange.stream()) <= last)
        });
        if over { Err(Ended::GoneAway) } else { Ok(()) }
    }

    /// Goes to the project of the team that the next provider token names, as long as none has been valid; whether it is another. A team that has no
    /// project has no key either, so the token is refused wherever it is looked at.
    fn choose_project(&mut self) -> bool {
        let Some(projects) = &self.projects else {
            return false;
        };
        if self.caller.is_known() {
            return false;
        }
        let project = self
            .requests
            .whole
            .front()
            .and_then(|first| self.caller.unverified(first.request.authorization()))
            .and_then(|text| Unverified::parse(text).ok())
            .and_then(|token| projects.known(Some(token.team())));
        let Some(shared) = project.map(|project| project.shared()) else {
            return false;
        };
        if Arc::ptr_eq(&self.shared, &shared) {
            return false;
        }
        let number = shared.with(|world, _| world.faults_mut().opened(Face::Http2));
        self.presence.move_to(&shared, Who::caller(None, number));
        self.requests.connection = number;
        self.shared = shared;
        true
    }

    /// Drives the connection until there is something to do. Safe to cancel.
    async fn arrivals<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        tap: &TapHandle,
    ) -> Result<(), Ended> {
        let had_none_open = self.open.is_empty();
        poll_fn(|cx| {
            let ended = loop {
                match h2.poll_accept(cx) {
                    Poll::Ready(Some(Ok((request, respond)))) => self.opened(request, respond, tap),
                    Poll::Ready(Some(Err(error))) => break Some(Ended::Http2(error)),
                    Poll::Ready(None) => break Some(Ended::Closed),
                    Poll::Pending => break None,
                }
            };
            let ready = self
                .open
                .extract_if(.., |exchange| exchange.poll_body(cx).is_ready())
                .filter(|exchange| !exchange.is_lost());
            self.requests.whole.extend(ready);
            if !self.requests.whole.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(ended) = ended {
                return Poll::Ready(Err(ended));
            }
            // From now on there is one that can be overdue.
            if had_none_open && !self.open.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let blocked_at = tap.blocked_at();
            if blocked_at != self.blocked.map(|(at, _)| at) {
                self.blocked = blocked_at.map(|at| (at, Instant::now()));
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    }

    /// A stream opened. Only a provider that has acknowledged the limit can break it [H-04].
    fn opened(
        &mut self,
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        tap: &TapHandle,
    ) {
        let exchange = Exchange::new(request, respond, Instant::now() + self.timeouts.frame);
        let open = self.open.len() + self.requests.len();
        let streams_max = if self.caller.is_known() || !tap.is_settled() {
            STREAMS_MAX
        } else {
            self.streams_max()
        };
        if open < streams_max as usize {
            self.open.push(exchange);
        } else {
            warn!(stream = ?exchange.stream(), open, clause = "H-04", "refused a stream: there are as many as may be open");
            exchange.reset(Http2Reason::REFUSED_STREAM);
        }
    }

    /// When something will be overdue.
    fn deadline(&self) -> Option<Instant> {
        let body = self.open.first().map(|exchange| exchange.until);
        let room = self.requests.deadline();
        let blocked = self.blocked.map(|(_, since)| since + self.timeouts.write);
        [body, room, blocked].into_iter().flatten().min()
    }

    /// Something is overdue.
    fn overdue(&mut self, tap: &TapHandle) -> Result<(), Ended> {
        let now = Instant::now();
        let blocked = self.blocked.filter(|(at, since)| {
            tap.blocked_at() == Some(*at) && *since + self.timeouts.write <= now
        });
        if blocked.is_some() {
            return Err(Ended::Stalled(self.timeouts.write));
        }
        self.blocked = None;
        for exchange in self.open.extract_if(.., |exchange| exchange.until <= now) {
            warn!(stream = ?exchange.stream(), after = ?self.timeouts.frame, clause = "H-02", "a request was not completed");
            exchange.reset(Http2Reason::CANCEL);
        }
        self.requests
            .try_again(&self.shared, self.timeouts, &self.caller);
        Ok(())
    }

    /// Takes no more, and says so to what is there [H-06].
    async fn shut_down<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        tap: &TapHandle,
    ) {
        h2.graceful_shutdown();
        loop {
            self.requests.whole.extend(self.open.drain(..));
            self.requests
                .refuse(&self.shared, self.timeouts, &self.caller, Reason::Shutdown);
            if self.arrivals(h2, tap).await.is_err() {
                return;
            }
        }
    }
}

/// Writes what has been said so far, as soon as the provider takes it.
async fn flush<S: AsyncRead + AsyncWrite + Unpin>(
    h2: &mut h2::server::Connection<S, Bytes>,
    tap: &TapHandle,
) {
    poll_fn(|cx| match h2.poll_closed(cx) {
        Poll::Pending if tap.blocked_at().is_some() => Poll::Pending,
        Poll::Pending | Poll::Ready(_) => Poll::Ready(()),
    })
    .await;
}

fn put_in(tap: &TapHandle, frame: &Frame) {
    if let Err(error) = tap.inject(frame) {
        warn!(reason = %error, "the provider will not hear of its new limits");
    }
}
