//! Modes `continue` and `exact` of the order contract (rule 8), and its scenarios 4, 8, 9 and 17 in them.

use std::time::Duration;

use apns_gateway::contract::{AppOptions, Mode};
use apns_gateway::store::DeadLetterEnd;
use apns_proto::Status;
use apns_proto::server::Reply;

use crate::frames::{framed, note, payload, simple, token};
use crate::world::{Told, World};

const EXACT: Mode = Mode::Exact {
    answer_wait: Duration::from_secs(2),
};

/// Believes everything, so that a test can be short.
async fn world(mode: Mode) -> World {
    let options = AppOptions {
        mode,
        trust_after: 0,
        dead_tokens_max: 100,
    };
    World::new(options).await
}

fn notes(phones: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    phones.flat_map(|phone| note(phone, phone)).collect()
}

#[tokio::test]
async fn scenario_4_exact_answers_at_first_sight_at_any_place_in_the_batch() {
    for bad in 1..=20 {
        let mut world = world(EXACT).await;
        world.upstream.bad.insert(token(bad));
        world.send(&notes(1..=20)).await;
        world.dispatch().await;
        let identifier = u32::try_from(bad).unwrap();
        assert_eq!(world.replies(), [Told::packet(8, identifier)]);
        assert_eq!(world.shown(), (1..bad).collect::<Vec<_>>());
        assert_eq!(world.counts().accepted, bad, "what is behind it is dropped");
        if bad < 20 {
            world.send(&notes(bad + 1..=20)).await;
            world.dispatch().await;
        }
        let good: Vec<_> = (1..=20).filter(|phone| *phone != bad).collect();
        assert_eq!(world.shown(), good);
    }
}

#[tokio::test]
async fn exact_accepts_nothing_behind_a_notification_that_is_not_settled() {
    let mut world = world(EXACT).await;
    let connection = world.send(&notes(1..=3)).await;
    assert_eq!(world.counts().accepted, 1);
    world.push(10).await;
    world.upstream_reads(10).await;
    assert_eq!(world.counts().accepted, 1, "upstream's silence is not over");
    world.quiet().await;
    assert_eq!(world.counts().accepted, 2);
    world.dispatch().await;
    assert_eq!(
        (world.counts().delivered, world.shown()),
        (3, vec![1, 2, 3])
    );
    assert!(
        world.connections[&connection]
            .receipt
            .waits_until()
            .is_none()
    );
}

#[tokio::test]
async fn scenario_9_exact_waits_for_a_retry_no_longer_than_answer_wait_and_a_rejection_then_is_late()
 {
    let mut world = world(EXACT).await;
    world
        .upstream
        .answers
        .insert(token(1), Status::PROCESSING_ERROR);
    let behind = framed(Some(3), &[], "{}");
    world.send(&[notes(1..=2), behind].concat()).await;
    world.push(10).await;
    world.upstream_reads(10).await;
    assert_eq!(world.counts().accepted, 1, "a retry is no settlement");
    world.answer_wait_passes().await;
    assert_eq!(world.counts().accepted, 2);
    world.upstream.answers.clear();
    world.upstream.bad.insert(token(1));
    world.push(10).await;
    world.upstream_reads(10).await;
    assert_eq!(world.told, [], "another was accepted behind it");
    assert_eq!(world.counts().rejected, 1);
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(2, 3)]);
    assert_eq!(world.shown(), [2]);
}

#[tokio::test]
async fn exact_goes_on_behind_a_rejection_that_is_not_believed() {
    let mut world = World::new(AppOptions {
        mode: EXACT,
        ..AppOptions::default()
    })
    .await;
    world.upstream.bad.insert(token(1));
    world.send(&notes(1..=3)).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(world.shown(), [2, 3]);
}

#[tokio::test]
async fn exact_drops_what_is_behind_an_answer_even_if_the_backend_has_closed() {
    let mut world = world(EXACT).await;
    world.upstream.bad.insert(token(2));
    let connection = world.connect();
    world.write(connection, &notes(1..=4));
    world.fin(connection);
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(8, 2)]);
    assert_eq!((world.shown(), world.counts().accepted), (vec![1], 2));
}

#[tokio::test]
async fn exact_takes_everything_of_a_backend_that_has_closed_when_nothing_is_bad() {
    let mut world = world(EXACT).await;
    let connection = world.connect();
    world.write(connection, &notes(1..=4));
    world.fin(connection);
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.shown(), [1, 2, 3, 4]);
    assert!(world.connections[&connection].ended);
}

#[tokio::test]
async fn scenario_17_exact_hangs_up_on_a_bad_command_0_without_a_packet() {
    for malformed in [false, true] {
        let mut world = world(EXACT).await;
        world.upstream.bad.insert(token(1));
        let bad = if malformed {
            simple(&[7; 5], &payload(1))
        } else {
            simple(token(1).as_bytes(), &payload(1))
        };
        let good = simple(token(2).as_bytes(), &payload(2));
        world.send(&[bad, good].concat()).await;
        world.dispatch().await;
        assert_eq!(world.replies(), [Reply::Close]);
        assert_eq!((world.shown(), world.counts().rejected), (vec![], 1));
    }
}

#[tokio::test]
async fn scenario_8_continue_loses_nothing_of_a_backend_that_never_reads_whatever_the_share_of_bad_tokens()
 {
    for every in [2, 3, 10] {
        let mut world = world(Mode::Continue).await;
        let is_bad = |phone: u64| phone.is_multiple_of(every);
        world
            .upstream
            .bad
            .extend((1..=60).filter(|phone| is_bad(*phone)).map(token));
        let connection = world.connect();
        // The second time all of them are known.
        for _ in 0..2 {
            world.write(connection, &notes(1..=60));
            world.serve(connection).await;
            world.dispatch().await;
        }
        assert_eq!(world.told, []);
        let good: Vec<_> = (1..=60).filter(|phone| !is_bad(*phone)).collect();
        assert_eq!(world.shown(), [good.clone(), good].concat());
        assert_eq!(world.counts().rejected, 2 * (60 / every));
    }
}

#[tokio::test]
async fn continue_answers_nothing_that_can_be_delimited_and_keeps_it_as_a_dead_letter() {
    let mut world = world(Mode::Continue).await;
    let frames = [
        note(1, 1),
        framed(Some(2), &[7; 5], &payload(2)),
        simple(&[7; 5], &payload(3)),
        note(4, 4),
    ];
    let connection = world.send(&frames.concat()).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(world.shown(), [1, 4]);
    let letters = world.dead_letters().await;
    let ends: Vec<_> = letters
        .iter()
        .map(|letter| (letter.row.seq, letter.end))
        .collect();
    let size = DeadLetterEnd::Rejected(Status::INVALID_TOKEN_SIZE);
    assert_eq!(ends, [(2, size), (3, size)]);
    assert!(!world.connections[&connection].ended);
}

#[tokio::test]
async fn continue_ends_a_connection_whose_stream_is_lost_and_answers_a_farewell() {
    let lost = [&[9][..], &[0; 40]].concat();
    for (last, reply) in [
        (lost, None),
        (framed(Some(7), &[], ""), Some(Told::packet(2, 7))),
    ] {
        let mut world = world(Mode::Continue).await;
        world.send(&[note(1, 1), last].concat()).await;
        world.dispatch().await;
        assert_eq!(world.told.len(), 1);
        assert!(reply.is_none_or(|reply| world.replies() == [reply]));
        assert_eq!(world.shown(), [1]);
        assert_eq!(world.counts().dead_letters, 0);
    }
}

#[tokio::test]
async fn continue_does_not_even_answer_the_newest() {
    let mut world = world(Mode::Continue).await;
    world.upstream.bad.insert(token(1));
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    assert_eq!((world.told.len(), world.counts().rejected), (0, 1));
}
