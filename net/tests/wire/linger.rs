//! The last words of a connection are read, whatever the peer was still sending [P-41].

use std::time::Duration;

use apns_net::credentials::{Environment, Identity};
use apns_net::linger::{Linger, LingerEnd, Lingered, linger};
use apns_net::listen::Accepted;
use apns_net::tls::ClientPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::{Authority, Leaf, Server, soon};

/// Status 8 for identifier 7, from the specification's test vectors.
const ERROR_PACKET: [u8; 6] = [0x08, 0x08, 0x00, 0x00, 0x00, 0x07];

/// A listener that reads once, answers with the error packet and lingers; and how the lingers went.
async fn start(times: Linger) -> (Server, Identity, mpsc::Receiver<Lingered>) {
    let ca = Authority::new();
    let policy = ClientPolicy::providers(vec![ca.root()], Environment::Production);
    let (send, lingered) = mpsc::channel(1);
    let server = Server::start(policy, move |Accepted { mut stream, .. }| {
        let send = send.clone();
        async move {
            stream.read_u8().await.unwrap();
            stream.write_all(&ERROR_PACKET).await.unwrap();
            let outcome = linger(&mut stream, times).await;
            drop(stream);
            send.send(outcome).await.unwrap();
        }
    })
    .await;
    (server, ca.issue(&Leaf::push()), lingered)
}

#[tokio::test]
async fn six_bytes_survive_three_thousand_unread_frames_behind() {
    let (server, identity, mut lingered) = start(Linger::default()).await;
    let mut client = server.connect(&identity).await;
    client.write_all(&[0x02; 3000 * 212]).await.unwrap();
    client.flush().await.unwrap();
    let mut answer = Vec::new();
    soon("the answer", client.read_to_end(&mut answer))
        .await
        .expect("close_notify after the packet, no reset");
    assert_eq!(answer, ERROR_PACKET);
    drop(client);
    let lingered = lingered.recv().await.unwrap();
    assert_eq!(lingered.end, LingerEnd::PeerClosed);
    assert!(lingered.dropped_len > 2900 * 212, "{lingered:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_writes_four_megabytes_before_it_reads_gets_its_packet() {
    let (server, identity, mut lingered) = start(Linger::default()).await;
    let mut client = server.connect(&identity).await;
    for _ in 0..64 {
        client.write_all(&[0x02; 64 * 1024]).await.unwrap();
        client.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, ERROR_PACKET);
    client.shutdown().await.unwrap();
    let lingered = lingered.recv().await.unwrap();
    assert_eq!(lingered.end, LingerEnd::PeerClosed);
    server.stop().await;
}

#[tokio::test]
async fn a_silent_peer_is_left_after_the_idle_time() {
    let times = Linger {
        idle: Duration::from_millis(80),
        ..Linger::default()
    };
    let (server, identity, mut lingered) = start(times).await;
    let mut client = server.connect(&identity).await;
    let started = Instant::now();
    client.write_all(b"a frame").await.unwrap();
    let outcome = lingered.recv().await.unwrap();
    assert_eq!(outcome.end, LingerEnd::Idle);
    assert!(started.elapsed() >= times.idle);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_never_stops_sending_is_left_when_the_time_is_up() {
    let times = Linger {
        idle: Duration::from_secs(10),
        total: Duration::from_millis(150),
    };
    let (server, identity, mut lingered) = start(times).await;
    let mut client = server.connect(&identity).await;
    let writing = async {
        // Ends with a reset, when the listener has gone.
        while client.write_all(&[0x02; 4096]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let ((), outcome) = tokio::join!(writing, lingered.recv());
    assert_eq!(outcome.unwrap().end, LingerEnd::Total);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_resets_the_connection_ends_the_linger() {
    let (server, identity, mut lingered) = start(Linger::default()).await;
    let mut client = server.connect(&identity).await;
    client.write_all(b"a frame").await.unwrap();
    client.flush().await.unwrap();
    client.read_exact(&mut [0; 6]).await.unwrap();
    let (socket, _) = client.into_inner();
    socket2::SockRef::from(&socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(socket);
    assert_eq!(lingered.recv().await.unwrap().end, LingerEnd::Reset);
    server.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_tls_do_not_end_a_linger() {
    let (server, identity, mut lingered) = start(Linger::default()).await;
    let mut client = server.connect(&identity).await;
    client.write_all(b"a frame").await.unwrap();
    client.flush().await.unwrap();
    client.read_exact(&mut [0; 6]).await.unwrap();
    let (mut socket, _) = client.into_inner();
    socket.write_all(&[0xff; 5000]).await.unwrap();
    drop(socket);
    let outcome = lingered.recv().await.unwrap();
    assert_eq!(
        outcome,
        Lingered {
            end: LingerEnd::PeerClosed,
            dropped_len: 5000
        }
    );
    server.stop().await;
}
