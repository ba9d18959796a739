//! Today's APNs, as far as it says 200 to everything.

use http::Response;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::soon;

/// One connection of the gateway to it.
pub(crate) struct Apns {
    tokens: mpsc::Receiver<u8>,
}

impl Apns {
    pub(super) fn start(stream: TlsStream<TcpStream>) -> Self {
        let (taken, tokens) = mpsc::channel(1_000);
        tokio::spawn(async move {
            let mut server = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = server.accept().await {
                let token = request.uri().path().rsplit('/').next().unwrap().to_owned();
                let name = u8::from_str_radix(&token[..2], 16).unwrap();
                let _: Result<_, h2::Error> = respond.send_response(Response::new(()), true);
                if taken.send(name).await.is_err() {
                    return;
                }
            }
        });
        Self { tokens }
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
}
