//! Bad input, against gateway and simulator: each kind gets its status, alert or deadline, a log line that names the reason, and
//! costs nothing of what was accepted before it on that connection.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::time::{Duration, Instant};

use apns_rig::certificates::{Certificates, certificates, login};
use apns_rig::eventually::{eventually, paced};
use apns_rig::frames::{enhanced, error_packet, framed, items, simple};
use apns_rig::numbered::{each_once, payload, payload_of_len};
use apns_rig::provider::{Ending, Farewell, Login, Provider, alert};
use apns_rig::{Knobs, Rig, log, unknown_token};
use tokio_rustls::rustls::AlertDescription;

/// Who is given the bad input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Gateway,
    Simulator,
}

const SUBJECTS: [Subject; 2] = [Subject::Gateway, Subject::Simulator];

impl Subject {
    async fn connect(self, rig: &Rig) -> Provider {
        match self {
            Self::Gateway => rig.backend().await,
            Self::Simulator => rig.direct().await,
        }
    }

    fn address(self, rig: &Rig) -> std::net::SocketAddr {
        match self {
            Self::Gateway => rig.backend_address(),
            Self::Simulator => rig.simulator.binary(),
        }
    }
}

/// What has to come of a row: a packet with status and identifier, or a close without one.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Packet(u8, u32),
    BareClose,
}

impl Answer {
    fn farewell(self) -> Farewell {
        let bytes = match self {
            Self::Packet(status, identifier) => error_packet(status, identifier).to_vec(),
            Self::BareClose => Vec::new(),
        };
        Farewell {
            bytes,
            ending: Ending::CloseNotify,
        }
    }
}

/// Bytes nobody should send, the answer, and a word of the log line about it.
fn rows(token: &[u8]) -> Vec<(&'static str, Vec<u8>, Answer, &'static str)> {
    let identifier: &[u8] = &[0xde, 0xad, 0xbe, 0xef];
    let number = 0xdead_beef;
    let good = payload(1);
    let past_the_frame = {
        let mut frame = items(&[(3, identifier), (1, token), (2, &good)]);
        let payload_len_at = 5 + 7 + 35 + 1;
        frame[payload_len_at..payload_len_at + 2].copy_from_slice(&[0xff, 0xff]);
        frame
    };
    let trailing = {
        let mut frame = framed(7, token, &good);
        frame[4] += 2;
        frame.extend([3, 0]);
        frame
    };
    let farewell = data_encoding::HEXLOWER
        .decode(b"020000001803000400000005010000020000040004000000000500010a")
        .unwrap();
    vec![
        (
            "an unknown command",
            vec![9; 300],
            Answer::BareClose,
            "P-18",
        ),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            Answer::BareClose,
            "P-18",
        ),
        (
            "an item past the frame",
            past_the_frame,
            Answer::Packet(128, number),
            "P-16",
        ),
        (
            "bytes behind the last item",
            trailing,
            Answer::Packet(128, 7),
            "P-16",
        ),
        (
            "an identifier of three bytes",
            items(&[(3, &[1, 2, 3]), (1, token), (2, &good)]),
            Answer::Packet(128, 0),
            "P-16",
        ),
        (
            "a token twice",
            items(&[(3, identifier), (1, token), (1, token), (2, &good)]),
            Answer::Packet(128, number),
            "P-14",
        ),
        (
            "a frame of 4 GiB",
            vec![2, 0xff, 0xff, 0xff, 0xff],
            Answer::Packet(128, 0),
            "P-17",
        ),
        (
            "a frame of 16 KiB and one",
            vec![2, 0, 0, 0x40, 1],
            Answer::Packet(128, 0),
            "P-17",
        ),
        (
            "no token",
            enhanced(5, 0, &[], &good),
            Answer::Packet(2, 5),
            "P-33",
        ),
        (
            "no token item",
            items(&[(2, &good), (3, identifier)]),
            Answer::Packet(2, number),
            "P-33",
        ),
        ("Pushy's farewell", farewell, Answer::Packet(2, 5), "P-44"),
        (
            "a token of 31 bytes",
            framed(5, &token[..31], &good),
            Answer::Packet(5, 5),
            "P-34",
        ),
        (
            "a token of 101 bytes",
            framed(5, &[7; 101], &good),
            Answer::Packet(5, 5),
            "P-34",
        ),
        (
            "java-apns' probe",
            enhanced(0, 0, &[0], &[0]),
            Answer::Packet(5, 0),
            "P-34",
        ),
        (
            "no payload",
            framed(u32::MAX, token, &[]),
            Answer::Packet(4, u32::MAX),
            "P-35",
        ),
        (
            "a payload of 2049 bytes",
            framed(5, token, &payload_of_len(1, 2049)),
            Answer::Packet(7, 5),
            "P-36",
        ),
        (
            "a payload of 65535 bytes",
            enhanced(5, 0, token, &payload_of_len(1, 65535)),
            Answer::Packet(7, 5),
            "P-36",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_malformed_notification_gets_its_answer_its_log_line_and_costs_nothing_before_it() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    let mut expected = Vec::new();
    for (index, (what, bytes, answer, clause)) in rows(&phone.token).into_iter().enumerate() {
        for subject in SUBJECTS {
            let n = u32::try_from(1000 + 10 * index).unwrap() + subject as u32;
            let mut backend = subject.connect(&rig).await;
            let before = framed(n, &phone.token, &payload(n));
            let behind = framed(n, &phone.token, &payload(999));
            backend
                .send(&[before, bytes.clone(), behind].concat())
                .await
                .unwrap();
            assert_eq!(
                backend.farewell().await.unwrap(),
                answer.farewell(),
                "{what} at the {subject:?}"
            );
            expected.push(n);
            log::about(backend.address(), &[clause]).await;
        }
    }
    // Everything accepted before the bad input, and nothing of what came behind it.
    eventually("what was accepted before", async || {
        each_once(phone.numbers(), expected.clone())
    })
    .await;
    rig.settled(|counts| counts.queued == 0 && counts.delivered == rows(&phone.token).len() as u64)
        .await;
    assert_eq!(each_once(phone.numbers(), expected), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_command_0_closes_the_simulators_connection_without_a_packet() {
    let rig = Rig::prepare(Knobs::default()).await;
    let phone = &rig.phones[0];
    for bad in [
        simple(&[], &payload(2)),
        simple(&phone.token, &[]),
        simple(&unknown_token(1), &payload(2)),
    ] {
        let mut backend = rig.direct().await;
        backend.send(&bad).await.unwrap();
        assert_eq!(
            backend.farewell().await.unwrap(),
            Answer::BareClose.farewell()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_frame_before_the_end_is_lost_and_logged_and_what_came_before_it_is_not() {
    let rig = Rig::start().await;
    let phone = &rig.phones[0];
    for (subject, n) in [(Subject::Gateway, 1), (Subject::Simulator, 2)] {
        let mut backend = subject.connect(&rig).await;
        let address = backend.address();
        let half = framed(9, &phone.token, &payload(9));
        backend
            .send(&[framed(n, &phone.token, &payload(n)), half[..40].to_vec()].concat())
            .await
            .unwrap();
        backend.close().await.unwrap();
        assert_eq!(
            backend.farewell().await.unwrap(),
            Answer::BareClose.farewell(),
            "{subject:?}"
        );
        log::about(address, &["40"]).await;
    }
    eventually("what came before", async || {
        each_once(phone.numbers(), [1, 2])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_do_not_fit_are_refused_inside_the_handshake_with_the_alert_that_says_why()
 {
    let rig = Rig::start().await;
    let all: &Certificates = certificates();
    // The rig serves production.
    let refused = [
        (
            "nothing",
            Login::Nobody,
            AlertDescription::CertificateRequired,
        ),
        (
            "another CA's certificate",
            login(&all.foreign),
            AlertDescription::UnknownCA,
        ),
        (
            "an expired certificate",
            login(&all.expired),
            AlertDescription::CertificateExpired,
        ),
        (
            "a sandbox certificate",
            login(&all.sandbox),
            AlertDescription::CertificateRevoked,
        ),
        (
            "a phone's certificate",
            login(&all.device),
            AlertDescription::CertificateUnknown,
        ),
    ];
    for subject in SUBJECTS {
        for (what, login, expected) in refused {
            let socket = tokio::net::TcpStream::connect(subject.address(&rig))
                .await
                .unwrap();
            let address = socket.local_addr().unwrap();
            let error = Provider::over(socket, rig.ca(), login).await.unwrap_err();
            assert_eq!(
                alert(&error),
                Some(expected),
                "{what} at the {subject:?}: {error}"
            );
            log::about(address, &[]).await;
        }
        let accepted =
            Provider::connect(subject.address(&rig), rig.ca(), login(&all.production)).await;
        assert!(
            accepted.is_ok(),
            "a production certificate at the {subject:?}: {accepted:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_that_is_pinned_is_taken_by_the_gateway() {
    let mut rig = Rig::prepare(Knobs::default()).await;
    rig.pin(&certificates().expired, "old");
    rig.start_gateway().await;
    let phone = &rig.phones[0];
    let mut backend = rig.backend_as(&certificates().expired).await.unwrap();
    backend
        .send(&framed(1, &phone.token, &payload(1)))
        .await
        .unwrap();
    eventually("its push", async || each_once(phone.numbers(), [1])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_trickles_its_handshake_or_its_frame_is_cut_off_at_the_deadline() {
    let deadline = Duration::from_millis(600);
    let rig = Rig::start_with(Knobs {
        handshake_timeout: deadline,
        frame_timeout: deadline,
        ..Knobs::default()
    })
    .await;
    let phone = &rig.phones[0];
    for (subject, n) in [(Subject::Gateway, 1), (Subject::Simulator, 2)] {
        // A handshake record announced, and its bytes one at a time.
        let start = Instant::now();
        let mut socket = tokio::net::TcpStream::connect(subject.address(&rig))
            .await
            .unwrap();
        let address = socket.local_addr().unwrap();
        let mut bytes = [22, 3, 1, 2, 0].into_iter().chain(std::iter::repeat(1));
        paced(deadline / 10, async || {
            cut_off(&mut socket, bytes.next().unwrap())
                .await
                .then_some(())
        })
        .await;
        within(start, deadline, "the handshake");
        log::about(address, &["handshake"]).await;

        // A whole frame, then one that trickles.
        let mut backend = subject.connect(&rig).await;
        backend
            .send(&framed(n, &phone.token, &payload(n)))
            .await
            .unwrap();
        let slow = framed(9, &phone.token, &payload_of_len(9, 2048));
        let start = Instant::now();
        let mut bytes = slow.iter();
        let heard = paced(deadline / 10, async || {
            let sent = backend.send(&[*bytes.next().unwrap()]).await;
            let heard = backend.hears_nothing_for(Duration::from_millis(1)).await;
            (sent.is_err() || !heard).then_some(())
        });
        heard.await;
        within(start, deadline, "the frame");
        log::about(backend.address(), &["P-19"]).await;
    }
    eventually("what came before", async || {
        each_once(phone.numbers(), [1, 2])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_idle_between_frames_is_not_cut_off() {
    let deadline = Duration::from_millis(200);
    let rig = Rig::start_with(Knobs {
        handshake_timeout: deadline,
        frame_timeout: deadline,
        ..Knobs::default()
    })
    .await;
    let phone = &rig.phones[0];
    for (subject, n) in [(Subject::Gateway, 1), (Subject::Simulator, 2)] {
        let mut backend = subject.connect(&rig).await;
        assert!(backend.hears_nothing_for(3 * deadline).await, "{subject:?}");
        backend
            .send(&framed(n, &phone.token, &payload(n)))
            .await
            .unwrap();
    }
    eventually("both", async || each_once(phone.numbers(), [1, 2])).await;
}

/// Writes one byte; whether the other side has ended the connection.
async fn cut_off(socket: &mut tokio::net::TcpStream, byte: u8) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    if socket.write_all(&[byte]).await.is_err() {
        return true;
    }
    let mut rest = [0; 64];
    match tokio::time::timeout(Duration::from_millis(1), socket.read(&mut rest)).await {
        Ok(Ok(len)) => len == 0,
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

/// That what took from `start` until now was cut off at its deadline, not before and not much later.
fn within(start: Instant, deadline: Duration, what: &str) {
    let took = start.elapsed();
    assert!(took >= deadline, "{what} was cut off after {took:?}");
    assert!(
        took < deadline + Duration::from_secs(5),
        "{what} was cut off only after {took:?}"
    );
}
