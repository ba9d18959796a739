//! Today's APNs, as far as it says 200 to everything.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::server::TlsStream;

use super::soon;

/// One connection of the gateway to it; dropped, it is closed.
pub(crate) struct Apns {
    tokens: mpsc::Receiver<u8>,
    answers: watch::Sender<bool>,
}

impl Apns {
    /// Streams it takes at once.
    pub(crate) const STREAMS_MAX: u32 = 100;

    pub(super) fn start(stream: TlsStream<TcpStream>) -> Self {
        let (taken, tokens) = mpsc::channel(1_000);
        let (answers, seen) = watch::channel(true);
        tokio::spawn(async move {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(Self::STREAMS_MAX);
            let mut server = builder.handshake::<_, Bytes>(stream).await.unwrap();
            loop {
                tokio::select! {
                    asked = server.accept() => match asked {
                        Some(Ok((request, respond))) => {
                            taken.send(name(&request)).await.ok();
                            tokio::spawn(answer(respond, seen.clone()));
                        }
                        _ => return,
                    },
                    () = taken.closed() => return,
                }
            }
        });
        Self { tokens, answers }
    }

    /// Whether it answers; what it has not answered meanwhile it does then.
    pub(crate) fn answers(&self, whether: bool) {
        self.answers.send_replace(whether);
    }

    /// The names of the next notifications.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<u8> {
        let mut names = Vec::new();
        for _ in 0..count {
            let name = soon("a notification upstream", self.tokens.recv()).await;
            names.push(name.expect("the gateway closed"));
        }
        names
    }

    /// Answers until the gateway closes.
    pub(crate) async fn rest(mut self) {
        while self.tokens.recv().await.is_some() {}
    }
}

/// The first byte of the token.
fn name(request: &Request<RecvStream>) -> u8 {
    let token = request.uri().path().rsplit('/').next().unwrap();
    u8::from_str_radix(&token[..2], 16).unwrap()
}

async fn answer(mut respond: SendResponse<Bytes>, mut answers: watch::Receiver<bool>) {
    if answers.wait_for(|answers| *answers).await.is_ok() {
        // The gateway may be gone already.
        drop(respond.send_response(Response::new(()), true));
    }
}
