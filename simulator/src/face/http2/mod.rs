//! The HTTP/2 provider face [H-01]: requests in; `:status`, `apns-id` and a reason out.
//!
//! One task drives a connection and everything on it. What has arrived whole is judged together, under one lock of the world; `h2` gathers the
//! answers into as few writes as there can be.

mod answer;
mod exchange;
mod judge;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::h2tap::{Frame, GoAway, Setting, Tap, TapHandle};
use apns_net::linger::{Linger, linger};
use apns_net::listen::Accepted;
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason as Http2Reason, RecvStream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::server::TlsStream;
use tracing::{Instrument, debug, info_span, warn};

use self::exchange::Exchange;
use self::judge::Requests;
use super::{Door, Visit};
use crate::config::Timeouts;
use crate::connections::{Presence, Who};
use crate::io_step::until;
use crate::project::Projects;
use crate::provider_api::{Caller, Reason, Unverified};
use crate::shared::Shared;

/// Streams at once of a provider that has shown who it is [H-04].
const STREAMS_MAX: u32 = 1_000;
/// And of one that has not.
const STREAMS_MAX_UNKNOWN: u32 = 1;
/// Bytes of a request's headers, as HTTP/2 counts them [H-04].
const HEADER_LIST_LEN_MAX: u32 = 8_000;

/// Serves one provider until it closes or breaks the rules.
pub(crate) async fn serve(door: Door, accepted: Accepted) {
    let projects = door.projects.clone();
    let Some(visit) = door.caller(accepted).await else {
        return;
    };
    let Visit {
        shared,
        environment,
        timeouts,
        mut stream,
        peer,
        certificate,
    } = visit;
    let topic = certificate
        .as_ref()
        .and_then(|certificate| certificate.topic.clone());
    let span = info_span!("http2", %peer, topic, %environment);
    let serving = async {
        if certificate
            .as_ref()
            .is_some_and(|certificate| is_of_the_other(certificate, environment))
        {
            warn!(%environment, clause = "H-05", "a certificate of the other environment");
            let farewell = farewell(Reason::BadCertificateEnvironment);
            if let Err(error) = say(&mut stream, &farewell, timeouts.write).await {
                debug!(%error, "the farewell could not be written");
            }
        } else {
            let caller = Caller::new(environment, certificate.as_ref());
            // A certificate has said which project it is; a token is yet to say.
            let projects = certificate.is_none().then_some(projects);
            let who = Who::caller(topic);
            let presence = Presence::new(&shared, who, environment, peer);
            let connection = Connection::new(shared, presence, projects, timeouts, caller);
            connection.run(&mut stream).await;
        }
        let lingered = linger(&mut stream, Linger::default()).await;
        debug!(end = ?lingered.end, "closed");
    };
    Box::pin(serving.instrument(span)).await;
}

/// Whether a push certificate is for the other environment alone [H-05].
fn is_of_the_other(certificate: &CertificateInfo, environment: Environment) -> bool {
    certificate.topic.is_some() && !certificate.permits(environment)
}

/// All that a server says to whom it will not serve.
fn farewell(reason: Reason) -> BytesMut {
    let mut bytes = BytesMut::new();
    Frame::Settings(settings(STREAMS_MAX_UNKNOWN)).encode(&mut bytes);
    Frame::GoAway(GoAway {
        last_stream: 0,
        reason: Http2Reason::NO_ERROR,
        debug_data: answer::body(reason.into()),
    })
    .encode(&mut bytes);
    bytes
}

async fn say(stream: &mut TlsStream<TcpStream>, bytes: &[u8], within: Duration) -> io::Result<()> {
    let saying = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    timeout(within, saying).await?
}

/// What APNs announces first [H-04].
fn settings(streams_max: u32) -> Vec<(Setting, u32)> {
    vec![
        (Setting::HEADER_TABLE_SIZE, 4_096),
        (Setting::MAX_CONCURRENT_STREAMS, streams_max),
        (Setting::INITIAL_WINDOW_SIZE, 65_535),
        (Setting::MAX_FRAME_SIZE, 16_384),
        (Setting::MAX_HEADER_LIST_SIZE, HEADER_LIST_LEN_MAX),
    ]
}

struct Connection {
    shared: Arc<Shared>,
    presence: Presence,
    /// Among these the first provider token chooses.
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
}

impl Connection {
    fn new(
        shared: Arc<Shared>,
        presence: Presence,
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
            requests: Requests::default(),
            blocked: None,
        }
    }

    async fn run(mut self, stream: &mut TlsStream<TcpStream>) {
        let stop = self.presence.stop().clone();
        let streams_max = if self.caller.is_known() {
            STREAMS_MAX
        } else {
            STREAMS_MAX_UNKNOWN
        };
        let (io, tap) = Tap::server(stream, settings(streams_max));
        // The library goes by the greatest of the limits; what the tap announces is never more.
        let mut builder = h2::server::Builder::new();
        builder
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_LEN_MAX);
        let handshake = timeout(self.timeouts.frame, builder.handshake(io));
        let mut h2 = tokio::select! {
            handshake = handshake => match handshake {
                Ok(Ok(h2)) => h2,
                Ok(Err(error)) => return debug!(%error, "no HTTP/2 came about"),
                Err(_) => return warn!(after = ?self.timeouts.frame, "the provider did not begin to speak HTTP/2"),
            },
            () = stop.cancelled() => return,
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
        }
    }

    /// Reads, judges and answers, to the end.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        tap: &TapHandle,
    ) -> Result<Infallible, Ended> {
        let mut room = self.shared.room();
        let mut stop = self.presence.stop().clone();
        loop {
            if self.choose_project() {
                room = self.shared.room();
                self.presence.move_to(&self.shared);
                stop = self.presence.stop().clone();
            }
            room.mark_unchanged();
            let was_known = self.caller.is_known();
            self.requests
                .judge(&self.shared, self.timeouts, &mut self.caller);
            if !was_known && self.caller.is_known() {
                allow_more_streams(tap);
            }
            let deadline = self.deadline();
            let waits = !self.requests.waiting.is_empty();
            tokio::select! {
                arrived = self.arrivals(h2, tap) => arrived?,
                // The world outlives its faces, so this does not fail.
                _ = room.changed(), if waits => {
                    self.requests.try_again(&self.shared, self.timeouts, &self.caller);
                }
                () = until(deadline) => self.overdue(tap)?,
                () = stop.cancelled() => return Err(Ended::Stopped),
            }
        }
    }

    /// Goes to the project of the team that the next provider token names, as long as none has been valid; whether it is another. A team that has no
    /// project has no key either, so the token is refused wherever it is looked at.
    fn choose_project(&mut self) -> bool {
        let Some(projects) = &self.projects else {
            return false;
        };
        if self.caller.is_known() {
            self.projects = None;
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
        !Arc::ptr_eq(
            &std::mem::replace(&mut self.shared, shared.clone()),
            &shared,
        )
    }

    /// Drives the connection until there is something to do. Safe to cancel.
    async fn arrivals<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        h2: &mut h2::server::Connection<S, Bytes>,
        tap: &TapHandle,
    ) -> Result<(), Ended> {
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
        if self.caller.is_known() || open < STREAMS_MAX_UNKNOWN as usize || !tap.is_settled() {
            self.open.push(exchange);
        } else {
            warn!(stream = ?exchange.stream(), clause = "H-04", "refused a stream: no valid provider token has been seen, and one is open");
            exchange.reset(Http2Reason::REFUSED_STREAM);
        }
    }

    /// When something will be overdue.
    fn deadline(&self) -> Option<Instant> {
        let body = self.open.first().map(|exchange| exchange.until);
        let room = self.requests.waiting.first().map(|waits| waits.until);
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
                .refuse(&self.shared, &self.caller, Reason::Shutdown);
            if self.arrivals(h2, tap).await.is_err() {
                return;
            }
        }
    }
}

fn allow_more_streams(tap: &TapHandle) {
    let more = Frame::Settings(vec![(Setting::MAX_CONCURRENT_STREAMS, STREAMS_MAX)]);
    if let Err(error) = tap.inject(&more) {
        warn!(reason = %error, "the provider will not hear that it may open more streams");
    }
}
