//! The bridge: binary in, HTTP/2 out, to the simulator's provider API and on to the phones.
//!
//! The promise: whatever is good is shown, in order and once — twice at most where the connection ended, or the answer did not come, before
//! anybody could know.

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use apns_certs::pkcs12;
use apns_gateway::config::AdminConfig;
use apns_net::credentials::{Environment, private_key_from_pem};
use apns_rig::certificates::{TOPIC, certificates};
use apns_rig::eventually::{eventually, let_pass};
use apns_rig::numbered::{each_once, number, payload, tally};
use apns_rig::{Knobs, Rig, Upstream, frames, unknown_token};
use apns_simulator::event::{Sent, What};
use apns_simulator::faults::Faults;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A rig with a few phones, so that a few pushes can be under way at once.
async fn prepare(upstream: Upstream) -> Rig {
    let mut rig = Rig::prepare(Knobs {
        phones: 6,
        upstream,
        ..Knobs::default()
    })
    .await;
    rig.config.apps[0].probe_interval = Duration::from_millis(50);
    rig
}

async fn rig() -> Rig {
    let mut rig = prepare(Upstream::Http2Token).await;
    rig.start_gateway().await;
    rig
}

/// The phone of a number.
fn phone(rig: &Rig, n: u32) -> usize {
    n as usize % rig.phones.len()
}

/// Frames for `numbers`, one phone after the other.
fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers
        .into_iter()
        .flat_map(|n| frames::framed(n, &rig.phones[phone(rig, n)].token, &payload(n)))
        .collect()
}

async fn send(rig: &Rig, numbers: RangeInclusive<u32>) {
    let mut backend = rig.backend().await;
    backend.send(&batch(rig, numbers)).await.unwrap();
}

/// All numbers on all phones, each phone's in its order.
fn shown(rig: &Rig) -> Vec<u32> {
    rig.phones
        .iter()
        .flat_map(apns_rig::phone::RigPhone::numbers)
        .collect()
}

/// Waits until all of `numbers` are shown, none of them more than `times_max` times, and each phone's in order.
async fn all_shown(rig: &Rig, case: &str, numbers: RangeInclusive<u32>, times_max: usize) {
    let len = u64::from(numbers.end() - numbers.start() + 1);
    eventually(case, async || match rig.counts() {
        counts if counts.delivered == len && counts.queued == 0 => Ok(()),
        counts => Err(format!("{counts:?}")),
    })
    .await;
    eventually(case, async || {
        let tally = tally(shown(rig));
        let odd: Vec<_> = numbers
            .clone()
            .map(|n| (n, tally.get(&n).copied().unwrap_or(0)))
            .filter(|(_, times)| !(1..=times_max).contains(times))
            .collect();
        if odd.is_empty() {
            Ok(())
        } else {
            Err(format!("shown so often: {odd:?}"))
        }
    })
    .await;
    for phone in &rig.phones {
        let mut first = phone.numbers();
        let mut seen = BTreeSet::new();
        first.retain(|n| seen.insert(*n));
        assert!(
            first.is_sorted(),
            "{case}: in the order accepted: {first:?}"
        );
    }
}

/// The `apns-id`s under which each number came in.
fn apns_ids(rig: &Rig) -> BTreeMap<u32, Vec<String>> {
    let mut ids: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for event in rig.simulator.events(0, usize::MAX).events {
        let (What::Accepted { request, .. } | What::Refused { request, .. }) = event.what else {
            continue;
        };
        if let Sent::Post(post) = request.sent {
            let id = post.id.to_string();
            ids.entry(number(&post.body)).or_default().push(id);
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_with_bad_tokens_in_the_middle_show_each_good_one_once_whatever_the_login() {
    for upstream in [Upstream::Http2Token, Upstream::Http2Certificate] {
        let mut rig = prepare(upstream).await;
        rig.start_gateway().await;
        let bad = BTreeSet::from([700, 701, 1_500, 2_999]);
        let frames: Vec<u8> = (1..=3_000)
            .flat_map(|n| match bad.contains(&n) {
                true => frames::framed(n, &unknown_token(n), &payload(n)),
                false => batch(&rig, [n]),
            })
            .collect();
        let mut backend = rig.backend().await;
        backend.send(&frames).await.unwrap();
        rig.settled(|counts| counts.accepted == 3_000 && counts.queued == 0)
            .await;
        let good = (1..=3_000).filter(|n| !bad.contains(n));
        eventually("each good one once", async || {
            each_once(shown(&rig), good.clone())
        })
        .await;
        for phone in &rig.phones {
            assert!(phone.numbers().is_sorted(), "in the order accepted");
        }
        let counts = rig.counts();
        assert_eq!(
            (counts.delivered, counts.rejected),
            (2_996, 4),
            "{upstream:?}"
        );
        let letters = rig.ledger.dead_letters();
        let dead: BTreeSet<_> = letters
            .iter()
            .map(|letter| number(&letter.payload))
            .collect();
        assert_eq!(dead, bad);
        assert!(
            backend.hears_nothing_for(Duration::from_millis(50)).await,
            "nothing is answered at first sight"
        );
        let connections = rig.gateway().counters().upstream_connections.read();
        assert!(connections <= 4, "{connections} connections");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_apns_does_to_streams_and_connections_every_push_is_shown() {
    // What is done while 600 pushes come; how often one may be shown; connections at most.
    let table: &[(&str, usize, u64)] = &[
        // Goodbyes say what was looked at: nothing is in doubt.
        ("action=goaway,every=100", 1, 14),
        ("action=goaway,every=100,taken=true", 1, 14),
        (
            "action=goaway,every=100,error_code=11,debug={\"reason\":\"Shutdown\"}",
            1,
            14,
        ),
        ("action=goaway,at=connect,limit=3", 1, 8),
        // The limit is followed down to one.
        ("action=max_streams,streams=1,limit=1", 1, 4),
        ("action=max_streams,streams=1,at=connect", 1, 4),
        // Streams end without an answer.
        ("action=rst_stream,every=7", 1, 4),
        ("action=rst_stream,every=50,error_code=8", 1, 4),
        ("action=rst_stream,nth=50,error_code=2,taken=true", 2, 4),
        // APNs is out of order, or wants less.
        ("action=reason,reason=ServiceUnavailable,limit=100", 1, 4),
        ("action=reason,reason=InternalServerError,limit=20", 1, 4),
        ("action=reason,reason=TooManyRequests,every=30", 1, 4),
        ("action=reason,reason=Shutdown,limit=3", 1, 8),
        ("action=latency,ms=30,every=5", 1, 4),
        // Connections end without a word.
        ("action=reset_peer,every=100", 3, 14),
        ("action=close,every=100,taken=true", 3, 14),
        ("action=half_close,every=200", 3, 14),
    ];
    for (rule, times_max, connections_max) in table {
        let mut rig = prepare(Upstream::Http2Token).await;
        rig.fault(rule);
        rig.start_gateway().await;
        send(&rig, 1..=600).await;
        all_shown(&rig, rule, 1..=600, *times_max).await;
        let connections = rig.gateway().counters().upstream_connections.read();
        assert!(
            connections <= *connections_max,
            "{rule}: {connections} connections"
        );
        assert_eq!(rig.ledger.held(), None, "{rule}");
        let ids = apns_ids(&rig);
        assert!(
            ids.values().all(|ids| ids.iter().all(|id| *id == ids[0])),
            "{rule}: one id, however often"
        );
        let injected = rig
            .simulator
            .faults(|faults| faults.rules().iter().map(|rule| rule.injected).sum::<u64>());
        assert!(injected > 0, "{rule}: a fault that did not act");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_falls_silent_is_given_up_and_what_was_on_it_goes_elsewhere_under_the_same_id()
{
    let mut rig = prepare(Upstream::Http2Token).await;
    rig.http2_upstream().ping_interval = Duration::from_millis(100);
    rig.start_gateway().await;
    send(&rig, 1..=10).await;
    all_shown(&rig, "before", 1..=10, 1).await;
    rig.fault("action=timeout,taken=true,limit=1,alert=number 15");
    send(&rig, 11..=40).await;
    all_shown(&rig, "after", 1..=40, 2).await;
    assert!(rig.gateway().counters().unknown_outcomes.read() > 0);
    let ids = &apns_ids(&rig)[&15];
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_without_an_answer_is_sent_again_under_the_same_id_and_holds_back_only_its_token() {
    let mut rig = prepare(Upstream::Http2Token).await;
    rig.http2_upstream().answer_timeout = Duration::from_millis(500);
    rig.start_gateway().await;
    rig.fault("action=latency,ms=5000,limit=1,alert=number 6");
    send(&rig, 1..=60).await;
    let others = (1..=60).filter(|n| phone(&rig, *n) != phone(&rig, 6));
    eventually("the others", async || {
        let theirs = shown(&rig)
            .into_iter()
            .filter(|n| phone(&rig, *n) != phone(&rig, 6));
        each_once(theirs, others.clone())
    })
    .await;
    all_shown(&rig, "all of them", 1..=60, 2).await;
    assert_eq!(rig.gateway().counters().unknown_outcomes.read(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_thousands_of_pushes_that_is_tried_again_holds_back_only_itself_and_keeps_its_order()
 {
    let rig = rig().await;
    let slow = &rig.phones[0].token;
    let prefix: String = slow.iter().map(|byte| format!("{byte:02x}")).collect();
    rig.fault(&format!(
        "action=reason,reason=ServiceUnavailable,token={prefix}"
    ));
    let mut backend = rig.backend().await;
    let frames: Vec<u8> = (1..=2_500)
        .flat_map(|n| frames::framed(n, slow, &payload(n)))
        .collect();
    backend.send(&frames).await.unwrap();
    let others = (2_501..=2_600).filter(|n| phone(&rig, *n) != 0);
    backend.send(&batch(&rig, others.clone())).await.unwrap();
    eventually("the others", async || {
        each_once(shown(&rig), others.clone())
    })
    .await;
    rig.settled(|counts| counts.accepted > 2_500 && counts.queued == 2_500)
        .await;
    rig.simulator.faults(Faults::clear);
    eventually("the slow one's too", async || {
        each_once(rig.phones[0].numbers(), 1..=2_500)
    })
    .await;
    assert!(rig.phones[0].numbers().is_sorted(), "in the order accepted");
    assert_eq!(rig.phones[0].numbers().len(), 2_500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_backends_twenty_thousand_anothers_ten_are_shown_while_nearly_all_of_those_wait() {
    const MANY: u32 = 20_000;
    let mut rig = prepare(Upstream::Http2Token).await;
    rig.http2_upstream().window = 10;
    rig.fault("action=latency,ms=5");
    rig.start_gateway().await;
    let backend = certificates();
    let mut other = rig.backend_as(&backend.second_backend).await.unwrap();
    let (mine, others) = rig.phones.split_last().unwrap();
    let frames: Vec<u8> = (1..=MANY)
        .zip(others.iter().cycle())
        .flat_map(|(n, phone)| frames::framed(n, &phone.token, &payload(n)))
        .collect();
    rig.backend().await.send(&frames).await.unwrap();
    rig.settled(|counts| counts.accepted == u64::from(MANY))
        .await;
    let ten = MANY + 1..=MANY + 10;
    let frames: Vec<u8> = ten
        .clone()
        .flat_map(|n| frames::framed(n, &mine.token, &payload(n)))
        .collect();
    other.send(&frames).await.unwrap();
    eventually("the ten", async || each_once(mine.numbers(), ten.clone())).await;
    assert!(mine.numbers().is_sorted(), "in the order accepted");
    let queued = rig.counts().queued;
    assert!(queued > u64::from(MANY) / 2, "only {queued} wait");
    for phone in others {
        assert!(phone.numbers().is_sorted(), "in the order accepted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_middle_sends_what_was_under_way_again_under_the_same_id() {
    let mut rig = rig().await;
    rig.fault("action=timeout,taken=true,limit=1,alert=number 6");
    send(&rig, 1..=60).await;
    eventually(
        "the one that APNs took and is silent about",
        async || match rig.phones[phone(&rig, 6)].numbers().contains(&6) {
            true => Ok(()),
            false => Err("not yet"),
        },
    )
    .await;
    rig.break_off_gateway().await;
    all_shown(&rig, "after the restart", 1..=60, 2).await;
    let ids = &apns_ids(&rig)[&6];
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert!(
        apns_ids(&rig)
            .values()
            .all(|ids| ids.iter().all(|id| *id == ids[0]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uninstalled_app_is_in_the_feedback_list_within_seconds_and_its_backend_hears_nothing() {
    let rig = rig().await;
    let gone = &rig.phones[3];
    gone.link.with(|phone| phone.uninstall(TOPIC)).unwrap();
    // APNs learns it when it tries.
    let mut backend = rig.backend().await;
    let mut n = 0;
    eventually("a 410", async || {
        n += 1;
        backend
            .send(&frames::framed(n, &gone.token, &payload(n)))
            .await
            .unwrap();
        rig.ledger.has_feedback(1)
    })
    .await;
    let list = rig
        .feedback_at(rig.feedback_address(), &certificates().backend)
        .await;
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].token, gone.token);
    assert!(backend.hears_nothing_for(Duration::from_millis(50)).await);
    assert_eq!(
        rig.ledger.dead_tokens(),
        [[0; 0]; 0],
        "it may be installed again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_login_holds_the_app_and_the_first_delivery_ends_that() {
    let table = [
        (
            Upstream::Http2Token,
            "action=reason,reason=InvalidProviderToken",
        ),
        (
            Upstream::Http2Token,
            "action=reason,reason=ExpiredProviderToken",
        ),
        (Upstream::Http2Token, "action=reason,reason=TopicDisallowed"),
        (
            Upstream::Http2Certificate,
            "action=reason,reason=BadCertificate",
        ),
        (
            Upstream::Http2Certificate,
            "action=goaway,at=connect,debug={\"reason\":\"BadCertificateEnvironment\"}",
        ),
        (
            Upstream::Http2Certificate,
            "action=certificate_revoked,topic=com.example.Mail",
        ),
    ];
    for (upstream, rule) in table {
        let mut rig = prepare(upstream).await;
        rig.fault(rule);
        rig.start_gateway().await;
        send(&rig, 1..=60).await;
        rig.settled(|counts| counts.accepted == 60).await;
        eventually(rule, async || rig.ledger.held().ok_or("not held")).await;
        // Many probes later nothing is lost, nobody is told, and nothing turned in circles.
        let failures = || {
            let counters = rig.gateway().counters();
            counters.upstream_connections.read() + counters.upstream_failures.read()
        };
        let before = failures();
        let_pass(10, Duration::from_millis(50)).await;
        assert!(
            failures() - before <= 40,
            "{rule}: {} attempts in half a second",
            failures() - before
        );
        assert_eq!(rig.counts().queued, 60, "{rule}");
        rig.simulator.faults(Faults::clear);
        all_shown(&rig, rule, 1..=60, 1).await;
        assert_eq!(rig.ledger.held(), None, "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_alone_is_said_to_be_of_the_wrong_topic_is_given_up_in_the_end_and_keeps_no_other_waiting()
 {
    let mut rig = prepare(Upstream::Http2Certificate).await;
    rig.http2_upstream().backoff_max = Duration::from_millis(20);
    rig.fault("action=reason,reason=TopicDisallowed,alert=number 7");
    rig.start_gateway().await;
    send(&rig, 1..=60).await;
    rig.settled(|counts| counts.given_up == 1 && counts.delivered == 59)
        .await;
    assert_eq!(rig.ledger.held(), None);
    let letters = rig.ledger.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].reason, "tried 60 times: 400 TopicDisallowed");
    let shown = rig.simulator.events(0, usize::MAX).events;
    let shown = shown.into_iter().filter_map(|event| match event.what {
        What::Accepted { request, .. } => Some(number(request.sent.bytes())),
        _ => None,
    });
    each_once(shown, (1..=60).filter(|number| *number != 7)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_gets_more_connections_up_to_as_many_as_may_be_and_one_push_gets_one() {
    for (crowd, connections) in [(300, 3), (1, 1)] {
        let mut rig = prepare(Upstream::Http2Token).await;
        rig.http2_upstream().connections_max = 3;
        rig.fault("action=max_streams,streams=1,at=connect");
        rig.fault("action=latency,ms=20");
        rig.start_gateway().await;
        send(&rig, 1..=crowd).await;
        all_shown(&rig, "all of them", 1..=crowd, 1).await;
        let made = rig.gateway().counters().upstream_connections.read();
        assert_eq!(made, connections, "for {crowd}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apns_that_shuts_down_all_the_time_is_not_connected_to_all_the_time() {
    for rule in [
        "action=reason,reason=Shutdown",
        "action=goaway,at=connect",
        "action=goaway",
        "action=close,at=connect",
    ] {
        let mut rig = prepare(Upstream::Http2Token).await;
        rig.http2_upstream().backoff_max = Duration::from_millis(1_000);
        rig.fault(rule);
        rig.start_gateway().await;
        send(&rig, 1..=60).await;
        rig.settled(|counts| counts.accepted == 60).await;
        let connections = || rig.gateway().counters().upstream_connections.read();
        eventually("the pauses to have grown", async || match connections() {
            few @ 0..6 => Err(few),
            _ => Ok(()),
        })
        .await;
        let before = connections();
        let_pass(10, Duration::from_millis(100)).await;
        let more = connections() - before;
        assert!(more <= 10, "{rule}: {more} connections in a second");
        assert_eq!(rig.counts().queued, 60, "{rule}");
        rig.simulator.faults(Faults::clear);
        all_shown(&rig, rule, 1..=60, 1).await;
    }
}

/// Asks the gateway's admin port for something.
async fn order(rig: &Rig, order: &str, body: &str) {
    let admin = rig.gateway().ready_file().admin.unwrap();
    let mut socket = TcpStream::connect(admin).await.unwrap();
    let request = format!(
        "POST /v1/apps/production/{TOPIC}/{order} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_hold_sends_nothing_and_when_it_ends_everything_goes_once() {
    let mut rig = prepare(Upstream::Http2Token).await;
    rig.config.admin = Some(AdminConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
    });
    rig.start_gateway().await;
    rig.fault("action=latency,ms=100");
    send(&rig, 1..=60).await;
    rig.settled(|counts| counts.accepted == 60).await;
    // In the middle of it, twice.
    for _ in 0..2 {
        order(&rig, "hold", r#"{"reason":"moving house"}"#).await;
        eventually("the hold", async || rig.ledger.held().ok_or("not held")).await;
        // What was under way may still arrive; after that nothing does, not even a probe.
        let_pass(4, Duration::from_millis(100)).await;
        let before = shown(&rig).len();
        let_pass(4, Duration::from_millis(100)).await;
        assert_eq!(shown(&rig).len(), before);
        order(&rig, "resume", "").await;
        eventually("more", async || match shown(&rig).len() {
            len if len > before => Ok(()),
            len => Err(len),
        })
        .await;
    }
    all_shown(&rig, "in the end", 1..=60, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_differs_by_hours_holds_the_app_until_it_is_right() {
    let rig = rig().await;
    let project = rig.simulator.default_project();
    project.advance(Duration::from_secs(2 * 3_600)).unwrap();
    send(&rig, 1..=10).await;
    let reason = eventually("the app to be held", async || {
        rig.ledger.held().ok_or("not held")
    })
    .await;
    assert!(reason.contains("clock"), "{reason}");
    assert_eq!(rig.counts().queued, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pkcs12_certificate_with_its_password_in_a_file_is_a_login() {
    let mut rig = prepare(Upstream::Http2Certificate).await;
    let minted = &certificates().upstream;
    let store = pkcs12::write(
        &pkcs12::Contents {
            key: &private_key_from_pem(&minted.key_pem, None).unwrap(),
            certificates: std::slice::from_ref(&minted.certificate_der),
            friendly_name: None,
        },
        "open sesame",
        pkcs12::Profile::Compat,
    )
    .unwrap();
    let file = |name: &str, contents: &[u8]| {
        let path = rig.folder().join(name);
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let certificate = file("push.p12", &store);
    let right = file("right", b"open sesame\n");
    let wrong = file("wrong", b"close sesame\n");
    let config = rig.http2_upstream();
    config.certificate = Some(certificate);
    config.key = None;
    config.password_file = Some(wrong);
    let refused = apns_gateway::check(&rig.config).unwrap_err();
    let chain: Vec<_> = anyhow::Chain::new(&refused)
        .map(ToString::to_string)
        .collect();
    assert!(chain.join(": ").contains("password"), "{chain:?}");
    rig.http2_upstream().password_file = Some(right);
    rig.start_gateway().await;
    send(&rig, 1..=10).await;
    all_shown(&rig, "with a .p12", 1..=10, 1).await;
}

/// A proxy that opens a tunnel for whoever asks as `wanted`, and answers everybody else with 407.
async fn connect_proxy(wanted: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let asked = format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n");
                if !String::from_utf8_lossy(&head).starts_with(&asked) {
                    let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                    client.write_all(refusal).await.unwrap();
                    return;
                }
                let mut target = TcpStream::connect(wanted).await.unwrap();
                let opened = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 rig\r\n\r\n";
                client.write_all(opened).await.unwrap();
                drop(copy_bidirectional(&mut client, &mut target).await);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_go_through_a_proxy_where_there_is_one_and_wait_where_it_refuses() {
    for tunnels in [true, false] {
        let mut rig = prepare(Upstream::Http2Token).await;
        let upstream = rig.simulator.http2();
        let wanted = if tunnels {
            upstream
        } else {
            rig.simulator.binary()
        };
        let proxy = connect_proxy(wanted).await;
        let config = rig.http2_upstream();
        config.address = Some(upstream.into());
        config.proxy = Some(format!("http://{proxy}").parse().unwrap());
        rig.start_gateway().await;
        send(&rig, 1..=10).await;
        if tunnels {
            all_shown(&rig, "through the proxy", 1..=10, 1).await;
        } else {
            rig.settled(|counts| counts.queued == 10).await;
            eventually("attempts", async || {
                match rig.gateway().counters().upstream_failures.read() {
                    failures @ 0..3 => Err(failures),
                    _ => Ok(()),
                }
            })
            .await;
            let held = rig.gateway().held(TOPIC, Environment::Production);
            assert_eq!(held, None, "that is not the app's fault");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_answers_and_leaves_nothing_in_doubt() {
    let mut rig = rig().await;
    rig.fault("action=latency,ms=300,every=3");
    send(&rig, 1..=60).await;
    rig.settled(|counts| counts.accepted == 60).await;
    rig.restart_gateway().await;
    all_shown(&rig, "over the restart", 1..=60, 1).await;
}
