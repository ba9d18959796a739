//! Scenarios 1 to 9 and 17 of the order contract, as far as a binary upstream and mode `next-time` can meet them: answers.

use apns_gateway::contract::AppOptions;
use apns_gateway::store::DeadLetterEnd;
use apns_proto::Status;
use apns_proto::server::Reply;

use crate::frames::{enhanced, framed, note, payload, simple, token};
use crate::world::{Told, World};

/// One notification to each of these phones, numbered from `first`.
fn batch(first: u64, phones: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    (first..)
        .zip(phones)
        .flat_map(|(number, phone)| note(number, phone))
        .collect()
}

/// A world in which these tokens are known to be bad, and whose upstream is trusted.
async fn world_that_knows(bad: &[u64]) -> World {
    let mut world = World::new(AppOptions::default()).await;
    world.send(&batch(900_000, 5_001..=5_012)).await;
    world.dispatch().await;
    for phone in bad {
        world.upstream.bad.insert(token(*phone));
        world
            .send(
                &[
                    batch(910_000 + phone, *phone..=*phone),
                    batch(920_000 + phone, 5_001..=5_001),
                ]
                .concat(),
            )
            .await;
        world.dispatch().await;
    }
    assert_eq!(world.contract.dead_tokens(), bad.len());
    assert_eq!(world.told, []);
    world.upstream.shown.clear();
    world
}

#[tokio::test]
async fn scenario_1_a_bad_token_among_3000_is_not_answered_at_first_sight_and_costs_nobody_else() {
    let mut world = World::new(AppOptions::default()).await;
    world.upstream.bad.insert(token(1500));
    world.send(&batch(1, 1..=3000)).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(
        world.shown(),
        (1..=3000)
            .filter(|number| *number != 1500)
            .collect::<Vec<_>>()
    );
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].row.token.clone(), letters[0].end),
        (token(1500), DeadLetterEnd::Rejected(Status(8)))
    );
}

#[tokio::test]
async fn scenario_2_at_second_sight_it_is_answered_and_the_tail_is_sent_again_and_shown_once() {
    let mut world = World::new(AppOptions::default()).await;
    world.upstream.bad.insert(token(1500));
    world.send(&batch(1, 1..=3000)).await;
    world.dispatch().await;
    world.upstream.shown.clear();
    world.send(&batch(1, 1..=3000)).await;
    assert_eq!(world.replies(), [Told::packet(8, 1500)]);
    // Everything before it is accepted, nothing behind it.
    assert_eq!(world.counts().queued, 1499);
    world.send(&batch(1501, 1501..=3000)).await;
    world.dispatch().await;
    assert_eq!(
        world.shown(),
        (1..=3000)
            .filter(|number| *number != 1500)
            .collect::<Vec<_>>()
    );
    assert_eq!(world.told.len(), 1);
}

#[tokio::test]
async fn scenario_3_two_known_bad_tokens_are_two_answers_on_two_connections() {
    let mut world = world_that_knows(&[10, 20]).await;
    world.send(&batch(1, 1..=30)).await;
    world.send(&batch(11, 11..=30)).await;
    world.send(&batch(21, 21..=30)).await;
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(8, 10), Told::packet(8, 20)]);
    assert_ne!(world.told[0].connection, world.told[1].connection);
    assert_eq!(
        world.shown(),
        (1..=30)
            .filter(|number| number % 10 != 0 || *number == 30)
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn scenario_5_a_backend_that_pushes_one_at_a_time_is_answered_at_first_sight() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(3));
    let connection = world.connect();
    for number in 1..=3 {
        world.write(connection, &note(number, number));
        world.serve(connection).await;
        world.dispatch().await;
    }
    assert_eq!(world.replies(), [Told::packet(8, 3)]);
    assert!(world.told[0].late);
    assert_eq!(world.counts().dead_letters, 1);
}

#[tokio::test]
async fn a_late_rejection_behind_which_something_was_accepted_is_not_told() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(1));
    let connection = world.connect();
    world.write(connection, &note(1, 1));
    world.serve(connection).await;
    world.write(connection, &note(2, 2));
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(world.shown(), [2]);
}

#[tokio::test]
async fn scenario_6_of_a_client_that_writes_and_closes_everything_but_the_bad_one_is_shown() {
    let mut world = world_that_knows(&[1500]).await;
    let connection = world.connect();
    world.write(connection, &batch(1, 1..=3000));
    world.fin(connection);
    // Read in pieces: the gateway meets the bad one long before the FIN.
    while !world.connections[&connection].ended {
        world.read(connection, 16 * 1024).await;
        world.answer(connection).await;
    }
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(
        world.shown(),
        (1..=3000)
            .filter(|number| *number != 1500)
            .collect::<Vec<_>>()
    );
    let letters = world.dead_letters().await;
    assert_eq!(
        letters.last().map(|letter| letter.row.token.clone()),
        Some(token(1500))
    );
}

#[tokio::test]
async fn scenario_6_a_close_that_comes_behind_more_than_is_read_ahead_is_answered() {
    let mut world = world_that_knows(&[1]).await;
    let connection = world.connect();
    world.write(connection, &note(1, 1));
    let behind = batch(2, 2..=20_000);
    assert!(behind.len() > 1 << 20);
    world.write(connection, &behind);
    world.fin(connection);
    world.read(connection, 100).await;
    world.answer(connection).await;
    assert_eq!(world.replies(), [Told::packet(8, 1)]);
    assert_eq!(world.counts().queued, 0);
}

#[tokio::test]
async fn scenario_7_a_crash_before_or_after_the_packet_loses_and_doubles_nothing() {
    for told in [false, true] {
        let mut world = world_that_knows(&[5]).await;
        let connection = world.connect();
        world.write(connection, &batch(1, 1..=9));
        world.read(connection, usize::MAX).await;
        if told {
            world.answer(connection).await;
        }
        world.crash().await;
        assert_eq!(world.told.len(), usize::from(told));
        // What was accepted is shown; the client, told or not, sends at most what was not.
        world.send(&batch(6, 6..=9)).await;
        world.dispatch().await;
        assert_eq!(world.shown(), [1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(world.counts().queued, 0);
    }
}

#[tokio::test]
async fn scenario_7_a_crash_before_the_commit_leaves_nothing_accepted_and_nobody_told() {
    let mut world = world_that_knows(&[5]).await;
    let before = world.counts();
    let connection = world.connect();
    world.write(connection, &batch(1, 1..=9));
    world.read_and_crash(connection, usize::MAX).await;
    assert_eq!((world.counts(), world.told.len()), (before, 0));
}

#[tokio::test]
async fn scenario_9_a_notification_that_is_retried_delays_no_answer() {
    let mut world = world_that_knows(&[]).await;
    world
        .upstream
        .answers
        .insert(token(1), Status::PROCESSING_ERROR);
    let connection = world.connect();
    world.write(connection, &batch(1, 1..=2));
    world.serve(connection).await;
    world.push(10).await;
    world.upstream_reads(10).await;
    assert_eq!(world.counts().queued, 2, "it stays queued");
    world.write(connection, &framed(Some(3), &[], "{}"));
    world.serve(connection).await;
    assert_eq!(world.replies(), [Told::packet(2, 3)]);
    world.upstream.answers.clear();
    world.dispatch().await;
    assert_eq!(world.shown(), [1, 2]);
}

#[tokio::test]
async fn scenario_17_identifier_0_throughout_is_an_identifier() {
    let mut world = world_that_knows(&[3]).await;
    let frames = (1..=5)
        .flat_map(|phone| framed(Some(0), token(phone).as_bytes(), &payload(phone)))
        .collect::<Vec<_>>();
    world.send(&frames).await;
    assert_eq!(world.replies(), [Told::packet(8, 0)]);
    world.dispatch().await;
    assert_eq!(world.shown(), [1, 2]);
}

#[tokio::test]
async fn scenario_17_identifiers_may_wrap() {
    let mut world = world_that_knows(&[4]).await;
    let identifiers = [u32::MAX - 1, u32::MAX, 0, 1];
    let frames = identifiers.iter().zip(1..).flat_map(|(identifier, phone)| {
        enhanced(*identifier, 0, token(phone).as_bytes(), &payload(phone))
    });
    world.send(&frames.collect::<Vec<_>>()).await;
    assert_eq!(world.replies(), [Told::packet(8, 1)]);
    world.dispatch().await;
    assert_eq!(world.shown(), [1, 2, 3]);
}

#[tokio::test]
async fn scenario_17_a_bad_command_0_is_a_dead_letter_and_the_rest_is_accepted_commands_mixed() {
    let mut world = world_that_knows(&[3]).await;
    let frames = [
        simple(token(1).as_bytes(), &payload(1)),
        enhanced(2, 0, token(2).as_bytes(), &payload(2)),
        // Bad for its token, and bad for its form.
        simple(token(3).as_bytes(), &payload(3)),
        simple(&[7; 5], &payload(4)),
        framed(None, token(5).as_bytes(), &payload(5)),
        simple(token(6).as_bytes(), &payload(6)),
    ];
    let letters_before = world.counts().dead_letters;
    world.send(&frames.concat()).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!(world.shown(), [1, 2, 5, 6]);
    let letters = world.dead_letters().await;
    let statuses: Vec<_> = letters
        .iter()
        .skip(usize::try_from(letters_before).unwrap())
        .map(|letter| (letter.row.seq, letter.end, letter.malformed))
        .collect();
    assert_eq!(
        statuses,
        [
            (3, DeadLetterEnd::Rejected(Status(8)), false),
            (4, DeadLetterEnd::Rejected(Status(5)), true)
        ]
    );
}

#[tokio::test]
async fn a_bad_command_0_rejected_late_hangs_up_on_nobody() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(1));
    world.send(&simple(token(1).as_bytes(), &payload(1))).await;
    world.dispatch().await;
    assert_eq!(world.replies(), Vec::<Reply>::new());
}
