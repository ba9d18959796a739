//! The accept loop: limits, deadlines, what it logs, how it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apns_net::credentials::{Environment, Identity};
use apns_net::listen::{self, Accepted, Limits};
use apns_net::tls::{self, ClientPolicy, Roots, TlsVersions};
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::support::{Authority, Leaf, Log, Server, alert, soon};

fn providers() -> (ClientPolicy, Identity) {
    let ca = Authority::new();
    let policy = ClientPolicy::providers(vec![ca.root()], Environment::Production);
    (policy, ca.issue(&Leaf::push()))
}

async fn until_closed(mut accepted: Accepted) {
    let _ = accepted.stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_byte_every_four_seconds_does_not_outlast_the_handshakes_deadline() {
    let (policy, _) = providers();
    let server = Server::start(policy, until_closed).await;
    let mut slow = server.connect_tcp().await;
    let peer = slow.local_addr().unwrap();
    let started = Instant::now();
    // The start of a ClientHello in a record of 512 bytes.
    for byte in [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03] {
        if slow.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(4)).await;
    }
    let end = slow.read(&mut [0; 64]).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    let elapsed = started.elapsed().as_secs();
    assert!((10..=40).contains(&elapsed), "{elapsed} s");
    let line = Log::capture().lines(&[&server.line_of(peer)]).concat();
    assert!(line.contains(" WARN "), "{line}");
    assert!(
        line.contains("reason=the handshake was not finished in 10s"),
        "{line}"
    );
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_nothing_meets_the_same_deadline() {
    let (policy, _) = providers();
    let server = Server::start(policy, until_closed).await;
    let mut silent = server.connect_tcp().await;
    let peer = silent.local_addr().unwrap();
    assert_eq!(silent.read(&mut [0; 64]).await.unwrap(), 0);
    let line = Log::capture().lines(&[&server.line_of(peer)]).concat();
    assert!(
        line.contains("reason=the handshake was not finished in 10s"),
        "{line}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_leaves_before_its_first_byte_is_no_more_than_a_debug_line() {
    let (policy, _) = providers();
    let server = Server::start(policy, until_closed).await;
    let scan = server.connect_tcp().await;
    let peer = scan.local_addr().unwrap();
    drop(scan);
    let line = Log::capture().line(&[&server.line_of(peer)]).await;
    assert!(line.contains(" DEBUG "), "{line}");
    let line = server.line_of(peer);
    server.stop().await;
    let lines = Log::capture().lines(&[&line]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[tokio::test]
async fn a_peer_that_leaves_in_the_middle_of_the_handshake_gets_a_line() {
    let (policy, _) = providers();
    let server = Server::start(policy, until_closed).await;
    let mut fickle = server.connect_tcp().await;
    let peer = fickle.local_addr().unwrap();
    fickle.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    drop(fickle);
    let line = Log::capture().line(&[&server.line_of(peer)]).await;
    assert!(line.contains(" WARN "), "{line}");
    assert!(
        line.contains("hung up in the middle of the handshake"),
        "{line}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_told_apart() {
    let (policy, _) = providers();
    let server = Server::start(policy, until_closed).await;
    let mut browser = server.connect_tcp().await;
    let peer = browser.local_addr().unwrap();
    browser
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let line = Log::capture().line(&[&server.line_of(peer)]).await;
    assert!(
        line.contains("reason=the peer does not speak TLS"),
        "{line}"
    );
    drop(browser);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_trust_us_is_named_with_what_to_do() {
    let (policy, identity) = providers();
    let server = Server::start(policy, until_closed).await;
    let other_roots = Roots::Certificates(vec![Authority::new().root()]);
    let config = tls::client_config(Some(&identity), other_roots).unwrap();
    let (peer, connected) = server.try_connect(config).await;
    connected.unwrap_err();
    let line = Log::capture().line(&[&server.line_of(peer)]).await;
    assert!(
        line.contains("ended the handshake with the alert UnknownCA; does it trust our CA?"),
        "{line}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_alert_is_read_though_four_megabytes_were_already_behind_the_handshake() {
    let (policy, _) = providers();
    let server = Server::start_with(
        policy,
        TlsVersions::Tls12And13,
        Limits::default(),
        until_closed,
    )
    .await;
    // Under 1.3 a client has finished, and writes, before the server has looked at its certificate.
    let stranger = Authority::new().issue(&Leaf::push());
    let (_, connected) = server
        .try_connect(server.client_config(Some(&stranger)))
        .await;
    let mut client = connected.unwrap();
    for _ in 0..64 {
        client.write_all(&[0xa5; 64 * 1024]).await.unwrap();
        client.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let error = soon("the alert", client.read(&mut [0; 64]))
        .await
        .unwrap_err();
    assert_eq!(alert(&error), Some(AlertDescription::UnknownCA), "{error}");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let (policy, identity) = providers();
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let counters = (Arc::clone(&open), Arc::clone(&most));
    let server = Server::start_with(policy, TlsVersions::Tls12, limits, move |accepted| {
        let (open, most) = counters.clone();
        async move {
            let now_open = open.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now_open, Ordering::SeqCst);
            until_closed(accepted).await;
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let first = server.connect(&identity).await;
    let _second = server.connect(&identity).await;
    Log::capture()
        .line(&["every connection is taken", "connections_max=2"])
        .await;
    let third = server.connect(&identity);
    tokio::pin!(third);
    // It has a TCP connection, from the kernel; its handshake waits for a permit.
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut third)
            .await
            .is_err()
    );
    drop(first);
    let _third = third.await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
    server.shutdown.cancel();
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_connection_down() {
    let (policy, identity) = providers();
    let calls = AtomicUsize::new(0);
    let server = Server::start(policy, move |mut accepted: Accepted| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call > 0, "the first handler panics, on purpose");
            accepted.stream.write_all(b"hello").await.unwrap();
            accepted.stream.shutdown().await.unwrap();
        }
    })
    .await;
    let mut unlucky = server.connect(&identity).await;
    let peer = unlucky.get_ref().0.local_addr().unwrap();
    unlucky.read(&mut [0; 8]).await.unwrap_err();
    let line = Log::capture().line(&[&server.line_of(peer)]).await;
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains("a connection's handler panicked"), "{line}");

    let mut next = server.connect(&identity).await;
    let mut all = Vec::new();
    next.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"hello");
    server.stop().await;
}

#[tokio::test]
async fn stopping_takes_no_new_connection_and_waits_for_the_handlers() {
    let (policy, identity) = providers();
    let gate = Arc::new(Semaphore::new(0));
    let entered = Arc::new(Semaphore::new(0));
    let gates = (Arc::clone(&entered), Arc::clone(&gate));
    let server = Server::start(policy, move |accepted| {
        let (entered, gate) = gates.clone();
        async move {
            entered.add_permits(1);
            let _ = gate.acquire().await.unwrap();
            drop(accepted);
        }
    })
    .await;
    let _client = server.connect(&identity).await;
    let _ = soon("the handler's start", entered.acquire())
        .await
        .unwrap();
    server.shutdown.cancel();
    soon("the end of the listener", async {
        while tokio::net::TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!server.is_finished(), "a handler is still at work");
    gate.add_permits(1);
    server.wait().await;
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_handshake() {
    let (policy, _) = providers();
    let limits = Limits {
        handshake_timeout: Duration::from_secs(24 * 60 * 60),
        ..Limits::default()
    };
    let server = Server::start_with(policy, TlsVersions::Tls12, limits, until_closed).await;
    let mut idle = server.connect_tcp().await;
    idle.write_all(&[0x16]).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn an_accepted_socket_has_no_delay_and_is_kept_alive() {
    let (policy, identity) = providers();
    let (send, mut seen) = tokio::sync::mpsc::channel(1);
    let server = Server::start(policy, move |accepted: Accepted| {
        let send = send.clone();
        async move {
            let socket = socket2::SockRef::from(accepted.stream.get_ref().0);
            let options = (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap());
            send.send(options).await.unwrap();
        }
    })
    .await;
    let _client = server.connect(&identity).await;
    assert_eq!(seen.recv().await, Some((true, true)));
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let first = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = listen::bind(address).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {address}: the port is in use; stop the other program or choose another port"
        )
    );
}
