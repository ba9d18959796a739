//! A TCP proxy that stands between two parties, sees their TLS records, and misbehaves on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::eventually::eventually;

/// The header of a TLS record as it crossed the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// 20 change_cipher_spec, 21 alert, 22 handshake, 23 application data.
    pub content_type: u8,
    /// Bytes behind the header. TLS 1.2 with AES-GCM adds 24 to the plaintext.
    pub len: u16,
}

impl Record {
    /// The record that holds `plaintext_len` bytes of application data under TLS 1.2 with AES-GCM.
    #[must_use]
    pub fn data(plaintext_len: u16) -> Self {
        Self {
            content_type: 23,
            len: plaintext_len + 24,
        }
    }
}

/// What crossed one connection.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// Records from who connected to the proxy.
    pub to_target: Vec<Record>,
    /// Records from whom the proxy connected to.
    pub to_client: Vec<Record>,
}

impl Capture {
    /// The application data records towards the client.
    #[must_use]
    pub fn data_to_client(&self) -> Vec<Record> {
        self.to_client
            .iter()
            .copied()
            .filter(|record| record.content_type == 23)
            .collect()
    }
}

/// What the proxy is doing at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Passes everything on.
    Forward,
    /// Reads nothing more and keeps the connections.
    Stall,
    /// Does not listen.
    Down,
}

/// A running proxy; dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    reset: watch::Sender<u64>,
    captures: Arc<Mutex<Vec<Capture>>>,
    _stop: DropGuard,
}

/// What every connection of a proxy shares.
#[derive(Clone)]
struct Shared {
    target: SocketAddr,
    receive_buffer: Option<u32>,
    mood: watch::Receiver<Mood>,
    reset: watch::Receiver<u64>,
    captures: Arc<Mutex<Vec<Capture>>>,
    stop: CancellationToken,
}

impl Proxy {
    /// A proxy in front of `target`.
    pub async fn start(target: SocketAddr) -> Self {
        Self::start_with(target, None).await
    }

    /// A proxy in front of `target` whose accepted sockets have a receive buffer of `receive_buffer` bytes.
    pub async fn start_with(target: SocketAddr, receive_buffer: Option<u32>) -> Self {
        let (mood, mood_seen) = watch::channel(Mood::Forward);
        let (reset, reset_seen) = watch::channel(0);
        let captures = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let shared = Shared {
            target,
            receive_buffer,
            mood: mood_seen,
            reset: reset_seen,
            captures: Arc::clone(&captures),
            stop: stop.clone(),
        };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), receive_buffer)
            .expect("a free loopback port");
        let address = listener.local_addr().expect("a listener has an address");
        tokio::spawn(accept(listener, address, shared));
        Self {
            address,
            mood,
            reset,
            captures,
            _stop: stop.drop_guard(),
        }
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads nothing more, on any connection, in any direction, until [`resume`](Self::resume). New connections are accepted and wait too.
    pub fn stall(&self) {
        self.mood.send_replace(Mood::Stall);
    }

    /// Passes everything on again, and listens again.
    pub fn resume(&self) {
        self.mood.send_replace(Mood::Forward);
    }

    /// Tears every connection down with an RST and keeps listening.
    pub fn reset(&self) {
        self.reset.send_modify(|generation| *generation += 1);
    }

    /// Tears every connection down and refuses new ones until [`resume`](Self::resume).
    pub async fn take_down(&self) {
        self.mood.send_replace(Mood::Down);
        self.reset();
        eventually(
            "the proxy to refuse connections",
            async || match TcpStream::connect(self.address).await {
                Ok(_) => Err("connected"),
                Err(_) => Ok(()),
            },
        )
        .await;
    }

    /// What crossed each connection so far, oldest connection first.
    #[must_use]
    pub fn captures(&self) -> Vec<Capture> {
        self.captures.lock().expect("no holder panics").clone()
    }
}

fn listen(address: SocketAddr, receive_buffer: Option<u32>) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?; // accepted sockets inherit it
    }
    socket.bind(address)?;
    socket.listen(128)
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Shared) {
    let mut mood = shared.mood.clone();
    let mut listener = Some(listener);
    while !shared.stop.is_cancelled() {
        let Some(bound) = &listener else {
            tokio::select! {
                () = shared.stop.cancelled() => return,
                changed = mood.wait_for(|mood| *mood != Mood::Down) => if changed.is_err() { return },
            }
            let receive_buffer = shared.receive_buffer;
            let again =
                async move || listen(address, receive_buffer).map_err(|error| error.to_string());
            listener = Some(eventually("the proxy's port to be free again", again).await);
            continue;
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            changed = mood.wait_for(|mood| *mood == Mood::Down) => {
                if changed.is_err() { return }
                listener = None;
            }
            accepted = bound.accept() => if let Ok((client, _)) = accepted {
                tokio::spawn(connection(client, shared.clone()));
            }
        }
    }
}

/// One connection, from its first byte to its end.
async fn connection(mut client: TcpStream, mut shared: Shared) {
    shared.reset.mark_unchanged();
    let Ok(mut target) = TcpStream::connect(shared.target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), target.set_nodelay(true));
    let index = {
        let mut captures = shared.captures.lock().expect("no holder panics");
        captures.push(Capture::default());
        captures.len() - 1
    };
    let mut reset = shared.reset.clone();
    {
        let (client_read, client_write) = client.split();
        let (target_read, target_write) = target.split();
        let to_target =
            |captures: &mut Vec<Capture>, record| captures[index].to_target.push(record);
        let to_client =
            |captures: &mut Vec<Capture>, record| captures[index].to_client.push(record);
        let up = pump(client_read, target_write, &shared, to_target);
        let down = pump(target_read, client_write, &shared, to_client);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => if both.is_ok() { return },
            _ = reset.changed() => {}
            () = shared.stop.cancelled() => {}
        }
    }
    // What is left unread in either socket is gone, as when a cable is cut.
    let _ = (client.set_zero_linger(), target.set_zero_linger());
}

/// Passes bytes on in one direction until their end, and says which records went by.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    seen: impl Fn(&mut Vec<Capture>, Record),
) -> std::io::Result<()> {
    let mut mood = shared.mood.clone();
    let mut records = Records::default();
    let mut buffer = vec![
        0;
        if shared.receive_buffer.is_some() {
            4096
        } else {
            65536
        }
    ];
    loop {
        if mood.wait_for(|mood| *mood == Mood::Forward).await.is_err() {
            return Ok(());
        }
        from.readable().await?;
        if *mood.borrow() != Mood::Forward {
            continue;
        }
        let len = from.read(&mut buffer).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        for record in records.of(&buffer[..len]) {
            seen(
                &mut shared.captures.lock().expect("no holder panics"),
                record,
            );
        }
        to.write_all(&buffer[..len]).await?;
    }
}

/// Finds record headers in a stream that is cut anywhere.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    body_left: usize,
}

impl Records {
    fn of(&mut self, mut bytes: &[u8]) -> Vec<Record> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let skipped = self.body_left.min(bytes.len());
            self.body_left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (5 - self.header.len()).min(bytes.len());
            self.header.extend(&bytes[..taken]);
            bytes = &bytes[taken..];
            if let [content_type, _, _, high, low] = *self.header.as_slice() {
                let len = u16::from_be_bytes([high, low]);
                found.push(Record { content_type, len });
                self.body_left = len.into();
                self.header.clear();
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_headers_are_found_however_the_stream_is_cut() {
        let stream = [
            &[22, 3, 3, 0, 3, 1, 2, 3][..],
            &[21, 3, 3, 0, 0],
            &[23, 3, 3, 1, 0],
            &[0; 256],
            &[20, 3, 3, 0, 1, 1],
        ]
        .concat();
        let expected = [(22, 3), (21, 0), (23, 256), (20, 1)]
            .map(|(content_type, len)| Record { content_type, len });
        for chunk in 1..stream.len() {
            let mut records = Records::default();
            let found: Vec<_> = stream
                .chunks(chunk)
                .flat_map(|chunk| records.of(chunk))
                .collect();
            assert_eq!(found, expected, "cut every {chunk} bytes");
        }
    }

    /// A server that gives every connection's bytes back.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    let _ = write.shutdown().await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn everything_passes_until_the_proxy_is_told_otherwise() {
        let proxy = Proxy::start_with(echo().await, Some(4096)).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let mut back = [0; 6];
        stream.write_all(&[23, 3, 3, 0, 1, 9]).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [23, 3, 3, 0, 1, 9]);
        assert_eq!(
            proxy.captures()[0].to_target,
            [Record {
                content_type: 23,
                len: 1
            }]
        );
        assert_eq!(
            proxy.captures()[0].to_client,
            [Record {
                content_type: 23,
                len: 1
            }]
        );

        proxy.reset();
        let error = stream.read(&mut back).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

        proxy.take_down().await;
        proxy.resume();
        let connect = async || {
            TcpStream::connect(proxy.address())
                .await
                .map_err(|error| error.to_string())
        };
        let mut stream = eventually("the proxy to listen again", connect).await;
        stream.write_all(b"x").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"x");
    }

    #[tokio::test]
    async fn a_stalled_proxy_holds_bytes_back_and_a_resumed_one_passes_them_on() {
        let proxy = Proxy::start(echo().await).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        proxy.stall();
        stream.write_all(b"b").await.unwrap();
        let early =
            tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_u8()).await;
        assert!(early.is_err(), "a stalled proxy passed {early:?} on");
        proxy.resume();
        assert_eq!(stream.read_u8().await.unwrap(), b'b');
    }
}
