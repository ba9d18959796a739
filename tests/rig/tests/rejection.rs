//! What a backend is told about a bad notification, when, and what becomes of the rest (order contract).

#![expect(clippy::unwrap_used, reason = "in a test that is the message")]

use std::time::{Duration, Instant};

use apns_gateway::store::Requeue;
use apns_net::credentials::Environment;
use apns_rig::certificates::TOPIC;
use apns_rig::eventually::{eventually, paced};
use apns_rig::frames::{error_packet, framed, simple};
use apns_rig::numbered::{each_once, payload, payload_of_len};
use apns_rig::provider::{Ending, Farewell};
use apns_rig::proxy::{Proxy, Record};
use apns_rig::{Knobs, Rig, log, unknown_token};

/// From the moment an answer may leave to its arrival: some clients look no longer.
const AT_ONCE: Duration = Duration::from_millis(200);

fn packet_and_close(status: u8, identifier: u32) -> Farewell {
    Farewell {
        bytes: error_packet(status, identifier).to_vec(),
        ending: Ending::CloseNotify,
    }
}

/// The frames numbered `numbers`, the ones in `bad` to unknown tokens, identifiers as numbered.
fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u32>, bad: &[u32]) -> Vec<u8> {
    let frame = |n| {
        let token = if bad.contains(&n) {
            unknown_token(n)
        } else {
            rig.phones[0].token.clone()
        };
        framed(n, &token, &payload(n))
    };
    numbers.into_iter().flat_map(frame).collect()
}

/// Lets the gateway learn that the tokens of `bad` are bad: sends them with good ones behind, and waits until all have ended.
async fn teach(rig: &Rig, bad: &[u32]) -> u32 {
    let before = rig.counts();
    let mut backend = rig.backend().await;
    let vouching = 1_000_000;
    for n in bad {
        backend
            .send(&batch(rig, [*n, vouching + n], bad))
            .await
            .unwrap();
    }
    let taught = u32::try_from(bad.len()).unwrap();
    rig.settled(|counts| {
        counts.queued == 0
            && counts.rejected == before.rejected + u64::from(taught)
            && counts.delivered == before.delivered + u64::from(taught)
    })
    .await;
    taught
}

/// The numbers on the phone that are not [`teach`]'s.
fn numbers(rig: &Rig) -> Vec<u32> {
    rig.phones[0]
        .numbers()
        .into_iter()
        .filter(|n| *n < 1_000_000)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_is_silent_at_first_sight_and_answered_with_its_identifier_at_the_second() {
    let rig = Rig::start().await;
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 1..=3000, &[1500])).await.unwrap();
    rig.settled(|counts| counts.delivered == 2999 && counts.rejected == 1 && counts.queued == 0)
        .await;
    eventually("every good one", async || {
        each_once(numbers(&rig), (1..=3000).filter(|n| *n != 1500))
    })
    .await;
    assert!(
        backend.hears_nothing_for(Duration::from_millis(50)).await,
        "accepted is never taken back"
    );
    let letters = rig.ledger.dead_letters();
    assert_eq!(
        letters
            .iter()
            .map(|letter| (letter.status, letter.payload.clone()))
            .collect::<Vec<_>>(),
        [(Some(8), payload(1500))]
    );
    drop(backend);

    // The same token again, in the middle of another batch.
    let bad = framed(5000, &unknown_token(1500), &payload(5000));
    let mut backend = rig.backend().await;
    backend
        .send(
            &[
                batch(&rig, 4001..=4999, &[]),
                bad,
                batch(&rig, 5001..=7000, &[]),
            ]
            .concat(),
        )
        .await
        .unwrap();
    assert_eq!(backend.farewell().await.unwrap(), packet_and_close(8, 5000));
    eventually("what came before it", async || {
        each_once(numbers(&rig).into_iter().filter(|n| *n > 4000), 4001..=4999)
    })
    .await;
    // What came behind it was never accepted: the client sends it again.
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 5001..=7000, &[])).await.unwrap();
    let good = (1..=3000)
        .chain(4001..=7000)
        .filter(|n| ![1500, 5000].contains(n));
    eventually("every good one", async || {
        each_once(numbers(&rig), good.clone())
    })
    .await;
    rig.settled(|counts| counts.rejected == 2 && counts.queued == 0)
        .await;
    assert_eq!(each_once(numbers(&rig), good), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_is_six_bytes_in_one_record_and_comes_at_once() {
    let rig = Rig::start().await;
    teach(&rig, &[1]).await;
    let mut fastest = Duration::MAX;
    for identifier in [7, 0, u32::MAX] {
        let proxy = Proxy::start(rig.backend_address()).await;
        let mut backend = rig.backend_at(proxy.address()).await;
        let sent = Instant::now();
        let stream = [
            framed(identifier, &unknown_token(1), &payload(1)),
            batch(&rig, 2..=100, &[]),
        ]
        .concat();
        backend.send(&stream).await.unwrap();
        assert_eq!(backend.packet().await.unwrap(), error_packet(8, identifier));
        fastest = fastest.min(sent.elapsed());
        assert_eq!(
            backend.farewell().await.unwrap(),
            Farewell {
                bytes: Vec::new(),
                ending: Ending::CloseNotify
            }
        );
        assert_eq!(
            proxy.captures()[0].data_to_client(),
            [Record::data(6)],
            "six bytes in one TLS record [P-31]"
        );
    }
    assert!(fastest < AT_ONCE, "the packet took {fastest:?} at best");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_known_bad_tokens_in_one_batch_are_two_packets_on_two_connections() {
    let rig = Rig::start().await;
    let bad = [101, 201];
    teach(&rig, &bad).await;
    let mut next = 1;
    for identifier in bad {
        let mut backend = rig.backend().await;
        backend.send(&batch(&rig, next..=300, &bad)).await.unwrap();
        assert_eq!(
            backend.farewell().await.unwrap(),
            packet_and_close(8, identifier)
        );
        next = identifier + 1;
    }
    rig.backend()
        .await
        .send(&batch(&rig, next..=300, &bad))
        .await
        .unwrap();
    eventually("each good one once", async || {
        each_once(numbers(&rig), (1..=300).filter(|n| !bad.contains(n)))
    })
    .await;
    rig.settled(|counts| counts.queued == 0).await;
    assert_eq!(
        each_once(numbers(&rig), (1..=300).filter(|n| !bad.contains(n))),
        Ok(())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_pushes_one_at_a_time_sees_the_bad_token_at_first_sight() {
    let rig = Rig::start().await;
    let mut fastest = Duration::MAX;
    for identifier in [10, 20, 30] {
        let mut backend = rig.backend().await;
        backend
            .send(&batch(&rig, [identifier - 1], &[]))
            .await
            .unwrap();
        eventually("the good one", async || {
            each_once(numbers(&rig).into_iter().rev().take(1), [identifier - 1])
        })
        .await;
        let sent = Instant::now();
        backend
            .send(&batch(&rig, [identifier], &[identifier]))
            .await
            .unwrap();
        assert_eq!(backend.packet().await.unwrap(), error_packet(8, identifier));
        fastest = fastest.min(sent.elapsed());
        assert_eq!(
            backend.farewell().await.unwrap(),
            Farewell {
                bytes: Vec::new(),
                ending: Ending::CloseNotify
            }
        );
    }
    assert!(fastest < AT_ONCE, "the packet took {fastest:?} at best");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_writes_and_closes_loses_nothing_behind_a_known_bad_token() {
    let rig = Rig::start().await;
    let bad = 300;
    teach(&rig, &[bad]).await;
    let before = rig.counts();
    let frame = |n| {
        let token = if n == bad {
            unknown_token(n)
        } else {
            rig.phones[0].token.clone()
        };
        framed(n, &token, &payload_of_len(n, 950))
    };
    let stream: Vec<u8> = (1..=600).flat_map(frame).collect();
    assert!(stream.len() > 590_000);
    let mut backend = rig.backend().await;
    backend.send(&stream).await.unwrap();
    backend.close().await.unwrap();
    drop(backend);
    eventually("everything else", async || {
        each_once(numbers(&rig), (1..=600).filter(|n| *n != bad))
    })
    .await;
    rig.settled(|counts| {
        counts.accepted == before.accepted + 600
            && counts.rejected == before.rejected + 1
            && counts.queued == 0
    })
    .await;
    let letters = rig.ledger.dead_letters();
    assert_eq!(
        letters
            .last()
            .map(|letter| (letter.status, letter.payload.clone())),
        Some((Some(8), payload_of_len(bad, 950)))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_writes_four_megabytes_slowly_before_it_reads_still_gets_its_packet() {
    let rig = Rig::start().await;
    teach(&rig, &[1]).await;
    let before = rig.counts();
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, [1], &[1])).await.unwrap();
    let piece: Vec<u8> = framed(2, &rig.phones[0].token, &payload_of_len(2, 2048)).repeat(20);
    let mut written = 0;
    paced(Duration::from_millis(20), async || {
        backend.send(&piece).await.unwrap();
        written += piece.len();
        (written > 4 * 1024 * 1024).then_some(())
    })
    .await;
    assert_eq!(backend.farewell().await.unwrap(), packet_and_close(8, 1));
    drop(backend);
    rig.settled(|counts| counts.accepted == before.accepted + 1 && counts.queued == 0)
        .await;
    assert_eq!(
        numbers(&rig),
        [] as [u32; 0],
        "what comes behind the bad one is dropped"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_that_nobody_reads_costs_nothing_that_was_accepted() {
    let rig = Rig::start().await;
    teach(&rig, &[50]).await;
    let proxy = Proxy::start(rig.backend_address()).await;
    let mut backend = rig.backend_at(proxy.address()).await;
    backend.send(&batch(&rig, 1..=100, &[50])).await.unwrap();
    eventually("the packet", async || {
        match proxy.captures()[0].data_to_client().len() {
            0 => Err("none yet"),
            _ => Ok(()),
        }
    })
    .await;
    backend.reset().unwrap();
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 51..=100, &[])).await.unwrap();
    let good = (1..=100).filter(|n| *n != 50);
    eventually("each good one once", async || {
        each_once(numbers(&rig), good.clone())
    })
    .await;
    rig.settled(|counts| counts.queued == 0).await;
    assert_eq!(each_once(numbers(&rig), good), Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_command_0_has_no_answer_and_the_rest_is_accepted() {
    let rig = Rig::start().await;
    teach(&rig, &[1]).await;
    let token = &rig.phones[0].token;
    let before = rig.counts();
    let mut backend = rig.backend().await;
    let stream = [
        framed(0, token, &payload(10)),
        simple(&unknown_token(1), &payload(11)), // known to be bad
        simple(token, &payload(12)),
        simple(token, &[]),                 // no payload
        simple(&token[..31], &payload(13)), // too short a token
        framed(0, token, &payload(14)),
    ];
    backend.send(&stream.concat()).await.unwrap();
    eventually("the good ones", async || {
        each_once(numbers(&rig), [10, 12, 14])
    })
    .await;
    rig.settled(|counts| counts.rejected == before.rejected + 3 && counts.queued == 0)
        .await;
    assert!(backend.hears_nothing_for(Duration::from_millis(50)).await);
    let statuses: Vec<_> = rig
        .ledger
        .dead_letters()
        .iter()
        .map(|letter| letter.status)
        .collect();
    assert_eq!(statuses[statuses.len() - 3..], [Some(8), Some(4), Some(5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identifier_of_zero_is_an_identifier_and_none_is_answered_with_zero() {
    let rig = Rig::start().await;
    teach(&rig, &[1, 2]).await;
    for (n, item) in [(1, Some([0; 4])), (2, None)] {
        let (token, payload) = (unknown_token(n), payload(n));
        let mut items: Vec<(u8, &[u8])> = vec![(1, &token), (2, &payload)];
        items.extend(item.as_ref().map(|identifier| (3, &identifier[..])));
        let mut backend = rig.backend().await;
        backend
            .send(&apns_rig::frames::items(&items))
            .await
            .unwrap();
        assert_eq!(
            backend.farewell().await.unwrap(),
            packet_and_close(8, 0),
            "{item:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_all_bad_are_the_configurations_fault_and_hold_the_app() {
    let mut rig = Rig::prepare(Knobs {
        trust_after: 10,
        ..Knobs::default()
    })
    .await;
    // Another APNs, which knows none of our phones: the wrong environment, say.
    let wrong = rig.another_simulator().await;
    let right = rig.binary_upstream().address.replace(wrong.binary().into());
    rig.start_gateway().await;
    let mut backend = rig.backend().await;
    backend.send(&batch(&rig, 1..=30, &[])).await.unwrap();
    rig.settled(|counts| counts.rejected == 10 && counts.queued == 20)
        .await;
    eventually("the app to be held", async || {
        rig.ledger.held().ok_or("it is not")
    })
    .await;
    backend.send(&batch(&rig, 31..=40, &[])).await.unwrap();
    rig.settled(|counts| counts.accepted == 40 && counts.rejected == 10)
        .await;
    assert!(
        backend.hears_nothing_for(Duration::from_millis(50)).await,
        "it is not the tokens' fault"
    );
    assert_eq!(rig.ledger.dead_tokens(), [[0; 0]; 0]);
    drop(backend);

    rig.binary_upstream().address = right;
    rig.restart_gateway().await;
    eventually("what was queued", async || {
        each_once(numbers(&rig), 11..=40)
    })
    .await;
    rig.settled(|counts| counts.delivered == 30 && counts.queued == 0)
        .await;
    assert_eq!(rig.ledger.held(), None);

    // What the wrong one refused was not bad: it can be put back.
    let requeued = rig
        .gateway()
        .requeue(TOPIC, Environment::Production, Requeue::All)
        .await;
    assert_eq!(requeued.unwrap(), 10);
    eventually("all of it", async || each_once(numbers(&rig), 1..=40)).await;
    rig.settled(|counts| counts.delivered == 40 && counts.rejected == 0 && counts.queued == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_never_reads_its_answers_is_noticed_once_with_the_remedy() {
    let rig = Rig::start().await;
    teach(&rig, &[1]).await;
    let warnings = || log::lines(&["WARN", "on_reject"]).len();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut backend = rig.backend().await;
        backend.send(&batch(&rig, [1], &[1])).await.unwrap();
        connections.push(backend);
    }
    eventually("a warning that names the remedy", async || {
        if warnings() > 0 { Ok(()) } else { Err("none") }
    })
    .await;
    eventually("all four answered", async || match rig.counts().rejected {
        5 => Ok(()),
        rejected => Err(rejected),
    })
    .await;
    assert_eq!(warnings(), 1);
}
