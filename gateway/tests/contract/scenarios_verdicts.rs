//! Scenarios 10 to 16 of the order contract, as far as a binary upstream and mode `next-time` can meet them: verdicts.

use std::time::Duration;

use apns_gateway::contract::{Alarm, AppOptions};
use apns_proto::Status;

use crate::frames::{enhanced, note, payload, token};
use crate::world::{Told, World};

const HOUR: Duration = Duration::from_secs(3600);

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
async fn scenario_10_with_all_tokens_bad_from_the_first_push_on_no_8_is_sent_and_the_app_is_held_at_the_tenth()
 {
    let mut world = World::new(AppOptions::default()).await;
    world.upstream.wrong_environment = true;
    let connection = world.connect();
    for number in 1..=30 {
        world.write(connection, &note(number, number));
        world.serve(connection).await;
        world.push(1).await;
        world.upstream_reads(1).await;
        if number < 10 {
            assert_eq!(world.contract.held(), None);
        }
        if number == 10 {
            assert!(matches!(world.alarms.last(), Some(Alarm::Held(_))));
            // Nothing but probes from here on; none is due yet.
            break;
        }
    }
    world.write(connection, &batch(11, 11..=30));
    world.serve(connection).await;
    assert_eq!((world.told.len(), world.contract.dead_tokens()), (0, 0));
    assert_eq!((world.counts().rejected, world.counts().queued), (10, 20));
    for _ in 0..5 {
        world.probe().await;
    }
    assert_eq!((world.counts().rejected, world.counts().queued), (15, 15));
    assert_eq!((world.told.len(), world.contract.dead_tokens()), (0, 0));
    assert!(world.contract.held().is_some());
    // Held over a restart, too.
    world.crash().await;
    assert!(world.contract.held().is_some());
    // After the fix what was queued delivers and what was rejected can be requeued.
    world.upstream.wrong_environment = false;
    world.probe().await;
    assert_eq!(world.contract.held(), None);
    assert_eq!(world.alarms.last(), Some(&Alarm::Released));
    world.dispatch().await;
    assert_eq!(world.counts().queued, 0);
    world.requeue().await;
    world.dispatch().await;
    let mut shown = world.shown();
    shown.sort_unstable();
    assert_eq!(shown, (1..=30).collect::<Vec<_>>());
    assert_eq!(
        (
            world.counts().delivered,
            world.counts().rejected,
            world.told.len()
        ),
        (30, 0, 0)
    );
}

#[tokio::test]
async fn scenario_10_with_all_tokens_bad_after_a_change_no_8_is_sent_either() {
    let mut world = world_that_knows(&[77]).await;
    world
        .reconfigure("the certificate of another environment")
        .await;
    assert_eq!(world.contract.dead_tokens(), 0);
    world.upstream.wrong_environment = true;
    world.send(&batch(1, 1..=30)).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
    assert_eq!(
        (
            world.counts().queued,
            world.told.len(),
            world.contract.dead_tokens()
        ),
        (20, 0, 0)
    );
    // The right certificate again: the hold is of the other scope, and gone.
    world.upstream.wrong_environment = false;
    world.reconfigure("the right certificate").await;
    world.dispatch().await;
    assert_eq!(world.counts().queued, 0);
}

#[tokio::test]
async fn scenario_10_with_all_tokens_bad_behind_our_back_no_8_is_sent_and_what_waits_is_forgotten()
{
    let mut world = world_that_knows(&[77]).await;
    world.upstream.wrong_environment = true;
    world.send(&batch(1, 101..=250)).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
    // A hundred in a row, and only the first few were believed, waiting for a delivery that did not come.
    assert_eq!(
        (
            world.counts().queued,
            world.told.len(),
            world.contract.dead_tokens()
        ),
        (50, 0, 1)
    );
    world.crash().await;
    assert_eq!(world.contract.dead_tokens(), 1);
    world.upstream.wrong_environment = false;
    world.probe().await;
    world.send(&batch(1001, 101..=250)).await;
    assert_eq!(world.told, []);
}

#[tokio::test]
async fn scenario_11_a_token_that_is_reinstalled_is_delivered_to_within_a_day() {
    let mut world = world_that_knows(&[7]).await;
    world.send(&batch(1, 7..=7)).await;
    assert_eq!(world.replies(), [Told::packet(8, 1)]);
    world.upstream.bad.clear();
    world.now += 23 * HOUR;
    world.send(&batch(2, 7..=7)).await;
    assert_eq!(world.told.len(), 2, "remembered for a day");
    world.now += HOUR;
    world.send(&batch(3, 7..=7)).await;
    world.dispatch().await;
    assert_eq!((world.told.len(), world.shown()), (2, vec![3]));
    assert_eq!(world.contract.dead_tokens(), 0);
}

#[tokio::test]
async fn scenario_11_a_token_that_lives_again_before_its_entry_answers_is_forgotten() {
    let mut world = world_that_knows(&[]).await;
    world.upstream.bad.insert(token(7));
    world.send(&batch(1, 7..=7)).await;
    world.fin(*world.connections.last_key_value().unwrap().0);
    world
        .serve(*world.connections.last_key_value().unwrap().0)
        .await;
    world.dispatch().await;
    assert_eq!(world.contract.dead_tokens(), 1);
    world.upstream.bad.clear();
    // The entry waits for a delivery; the first to come is the token's own.
    world.send(&batch(2, 7..=7)).await;
    world.dispatch().await;
    assert_eq!(
        (
            world.shown(),
            world.contract.dead_tokens(),
            world.told.len()
        ),
        (vec![2], 0, 0)
    );
    world.crash().await;
    world.send(&batch(3, 7..=7)).await;
    world.dispatch().await;
    assert_eq!(world.shown(), [2, 3]);
}

#[tokio::test]
async fn scenario_13_expiry_0_is_retried_and_delivered() {
    let mut world = World::new(AppOptions::default()).await;
    world
        .upstream
        .answers
        .insert(token(1), Status::PROCESSING_ERROR);
    for (identifier, expiry) in [(1, 0), (2, -1), (3, 86_400)] {
        world
            .send(&enhanced(
                identifier,
                expiry,
                token(1).as_bytes(),
                &payload(identifier.into()),
            ))
            .await;
    }
    for _ in 0..3 {
        world.push(10).await;
        world.upstream_reads(10).await;
        world.now += HOUR;
    }
    world.upstream.answers.clear();
    world.dispatch().await;
    assert_eq!((world.shown(), world.counts().expired), (vec![1, 2, 3], 0));
}

#[tokio::test]
async fn scenario_14_of_identical_notifications_as_many_are_shown_as_were_wanted() {
    let mut world = World::new(AppOptions::default()).await;
    let same = note(1, 1);
    world.send(&same.repeat(3)).await;
    world.send(&same.repeat(2)).await;
    world.dispatch().await;
    assert_eq!(world.shown(), [1; 5]);
}

#[tokio::test]
async fn scenario_15_pushes_to_one_token_keep_their_order_over_retries_and_two_connections() {
    let mut world = World::new(AppOptions::default()).await;
    let (first, second) = (world.connect(), world.connect());
    for number in 1..=10 {
        let connection = if number % 2 == 0 { first } else { second };
        world.write(connection, &note(number, 1));
        world.serve(connection).await;
    }
    world
        .upstream
        .answers
        .insert(token(1), Status::PROCESSING_ERROR);
    world.push(4).await;
    world.upstream_reads(4).await;
    world.upstream.answers.clear();
    world.push(4).await;
    world.upstream_reads(2).await;
    // Two were shown, and nobody knows: they come again, before the rest.
    world.bare_close();
    world.dispatch().await;
    assert_eq!(world.shown(), [1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn scenario_16_ten_thousand_unsettled_rows_all_end_after_a_restart_without_a_client() {
    let mut world = World::new(AppOptions::default()).await;
    for phone in (0..10_000).step_by(100) {
        world.upstream.bad.insert(token(phone));
    }
    world.send(&batch(0, 0..=9_999)).await;
    world.push(3_000).await;
    world.upstream_reads(50).await;
    world.crash().await;
    assert_eq!(world.counts().queued, 9_999);
    world.dispatch().await;
    let counts = world.counts();
    assert_eq!(
        (counts.queued, counts.delivered, counts.rejected),
        (0, 9_900, 100)
    );
}
