//! Rules 6, 7 and 9 of the order contract: what upstream's verdicts are worth, and when waiting ends.

use std::time::{Duration, Instant, UNIX_EPOCH};

use apns_gateway::contract::{Alarm, AppOptions, Calendar, Disbelief, Mode, expired};
use apns_proto::Status;

use crate::frames::{enhanced, note, payload, simple, token};
use crate::world::{Told, World};

/// Believes everything, so that a test can be short.
const CREDULOUS: AppOptions = AppOptions {
    mode: Mode::NextTime,
    trust_after: 0,
    dead_tokens_max: 1_000_000,
};

/// A world with phone 1 alive and these known to be bad.
async fn world_that_knows(bad: &[u64]) -> World {
    let mut world = World::new(CREDULOUS).await;
    for phone in bad {
        world.upstream.bad.insert(token(*phone));
        let frames = [note(1_000 + phone, *phone), note(2_000, 1)].concat();
        world.send(&frames).await;
        world.dispatch().await;
    }
    assert_eq!(world.told, []);
    world.upstream.shown.clear();
    world
}

#[tokio::test]
async fn rule_6_a_verdict_is_believed_after_ten_deliveries_and_not_before() {
    for deliveries in [9, 10] {
        let mut world = World::new(AppOptions::default()).await;
        world.upstream.bad.insert(token(99));
        for number in 1..=deliveries {
            world.send(&note(number, number)).await;
        }
        world.dispatch().await;
        world.send(&note(99, 99)).await;
        world.dispatch().await;
        let believed = deliveries == 10;
        assert_eq!(
            world.replies(),
            if believed {
                vec![Told::packet(8, 99)]
            } else {
                vec![]
            }
        );
        assert_eq!(world.contract.dead_tokens(), usize::from(believed));
        assert_eq!(world.counts().dead_letters, 1);
        let disbelief = Alarm::NotBelieved(Disbelief::Untrusted {
            vouched: 9,
            trust_after: 10,
        });
        assert_eq!(
            world.alarms,
            if believed { vec![] } else { vec![disbelief] }
        );
    }
}

#[tokio::test]
async fn rule_6_a_verdict_is_believed_while_one_of_the_last_five_answers_was_a_delivery() {
    let mut world = World::new(AppOptions::default()).await;
    for number in 1..=10 {
        world.send(&note(number, number)).await;
    }
    for number in 91..=97 {
        world.upstream.bad.insert(token(number));
        world.send(&note(number, number)).await;
    }
    world.dispatch().await;
    assert_eq!(
        world.replies(),
        (91..=95)
            .map(|number| Told::packet(8, number))
            .collect::<Vec<_>>()
    );
    assert_eq!(world.contract.dead_tokens(), 5);
    assert_eq!(
        world.alarms,
        [
            Alarm::NotBelieved(Disbelief::NoRecentDelivery),
            Alarm::NotBelieved(Disbelief::NoRecentDelivery)
        ]
    );
}

#[tokio::test]
async fn rule_6_an_entry_answers_only_after_a_later_delivery() {
    let mut world = World::new(CREDULOUS).await;
    world.upstream.bad.insert(token(9));
    world.send(&[note(1, 1), note(2, 9)].concat()).await;
    world.dispatch().await;
    world.told.clear();
    // The delivery was before it: the second sight goes upstream as the first did.
    let connection = world.send(&note(3, 9)).await;
    assert_eq!((world.told.len(), world.counts().queued), (0, 1));
    world.write(connection, &note(4, 1));
    world.serve(connection).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    world.send(&note(5, 9)).await;
    assert_eq!(world.replies(), [Told::packet(8, 5)]);
}

#[tokio::test]
async fn rule_6_an_entry_and_what_vouched_for_it_survive_a_restart() {
    let mut world = world_that_knows(&[9]).await;
    world.crash().await;
    world.send(&note(1, 9)).await;
    assert_eq!(world.replies(), [Told::packet(8, 1)]);
}

#[tokio::test]
async fn rule_6_a_second_bad_verdict_does_not_make_an_entry_wait_again() {
    let mut world = World::new(CREDULOUS).await;
    world.upstream.bad.insert(token(9));
    // The second one was accepted before the first was judged; the delivery between them vouches for the entry.
    world
        .send(
            &[
                note(1, 9),
                note(2, 1),
                note(3, 9),
                simple(token(9).as_bytes(), &payload(4)),
            ]
            .concat(),
        )
        .await;
    world.dispatch().await;
    assert_eq!((world.told.len(), world.counts().rejected), (0, 3));
    // It is remembered for a day from the last verdict on.
    world.now += Duration::from_secs(23 * 3600);
    world.send(&note(5, 9)).await;
    assert_eq!(world.replies(), [Told::packet(8, 5)]);
}

#[tokio::test]
async fn rule_6_the_least_recently_used_entry_goes_and_stays_gone() {
    let mut world = World::new(AppOptions {
        dead_tokens_max: 2,
        ..CREDULOUS
    })
    .await;
    for phone in [7, 8] {
        world.upstream.bad.insert(token(phone));
        world.send(&[note(phone, phone), note(1, 1)].concat()).await;
        world.dispatch().await;
    }
    world.send(&note(17, 7)).await;
    assert_eq!(world.replies(), [Told::packet(8, 17)]);
    world.upstream.bad.insert(token(9));
    world.send(&[note(9, 9), note(1, 1)].concat()).await;
    world.dispatch().await;
    world.crash().await;
    assert_eq!(world.contract.dead_tokens(), 2);
    world.send(&note(18, 8)).await;
    assert_eq!(world.told.len(), 1, "8 was the least recently used");
    world.send(&note(27, 7)).await;
    world.send(&note(29, 9)).await;
    assert_eq!(
        world.replies(),
        [17, 27, 29].map(|identifier| Told::packet(8, identifier))
    );
}

#[tokio::test]
async fn rule_7_a_configuration_verdict_holds_the_app_and_is_not_the_notifications_fault() {
    for status in [3, 6] {
        let mut world = World::new(CREDULOUS).await;
        world.upstream.answers.insert(token(1), Status(status));
        world.send(&[note(1, 1), note(2, 2)].concat()).await;
        world.dispatch().await;
        assert!(
            matches!(&world.alarms[..], [Alarm::Held(reason)] if reason.contains("topic")),
            "{:?}",
            world.alarms
        );
        assert_eq!(
            (
                world.counts().queued,
                world.counts().dead_letters,
                world.told.len()
            ),
            (2, 0, 0)
        );
        world.crash().await;
        assert!(world.contract.held().is_some(), "held over a restart");
        world.upstream.answers.clear();
        world.probe().await;
        assert_eq!(world.contract.held(), None);
        world.dispatch().await;
        assert_eq!(world.counts().delivered, 2);
    }
}

#[tokio::test]
async fn rule_7_a_run_is_ended_by_a_delivery() {
    let mut world = World::new(AppOptions::default()).await;
    for number in 1..=9 {
        world.upstream.bad.insert(token(number));
        world.send(&note(number, number)).await;
    }
    world.send(&note(10, 10)).await;
    for number in 11..=19 {
        world.upstream.bad.insert(token(number));
        world.send(&note(number, number)).await;
    }
    world.dispatch().await;
    assert_eq!((world.contract.held(), world.counts().rejected), (None, 18));
    world.upstream.bad.insert(token(20));
    world.send(&note(20, 20)).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
}

#[tokio::test]
async fn rule_7_requeueing_a_dead_letter_deletes_its_entry() {
    let mut world = world_that_knows(&[9]).await;
    world.upstream.bad.clear();
    world.requeue().await;
    assert_eq!(world.contract.dead_tokens(), 0);
    // Neither before nor after a restart.
    world.send(&note(1, 9)).await;
    world.crash().await;
    world.send(&note(2, 9)).await;
    world.dispatch().await;
    assert_eq!((world.told.len(), world.shown()), (0, vec![1009, 1, 2]));
}

#[tokio::test]
async fn rule_7_a_requeued_notification_that_is_bad_again_tells_nobody() {
    let mut world = World::new(CREDULOUS).await;
    world.upstream.bad.insert(token(9));
    let connection = world.connect();
    world.write(connection, &simple(token(9).as_bytes(), &payload(1)));
    world.serve(connection).await;
    world.dispatch().await;
    world.requeue().await;
    world.dispatch().await;
    assert_eq!(
        (
            world.told.len(),
            world.counts().rejected,
            world.counts().requeued
        ),
        (0, 1, 1)
    );
}

#[tokio::test]
async fn rule_9_an_expiry_that_was_in_the_future_ends_the_waiting_when_it_passes() {
    let mut world = World::new(CREDULOUS).await;
    let now = i32::try_from(world.now.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    world
        .send(&enhanced(1, now + 60, token(1).as_bytes(), &payload(1)))
        .await;
    world
        .send(&enhanced(2, now + 7200, token(2).as_bytes(), &payload(2)))
        .await;
    world
        .send(&enhanced(3, now - 60, token(3).as_bytes(), &payload(3)))
        .await;
    world.now += Duration::from_secs(3600);
    world.dispatch().await;
    assert_eq!(
        (world.shown(), world.counts().expired, world.counts().queued),
        (vec![2, 3], 1, 0)
    );
}

#[tokio::test]
async fn rule_9_a_clock_that_jumps_ahead_expires_nothing_unless_it_stays_there() {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    for stays in [false, true] {
        let mut world = World::new(CREDULOUS).await;
        let (start, since) = (world.now, Instant::now());
        let mut calendar = Calendar::new(start, since);
        let hour =
            i32::try_from(start.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + 3600;
        world
            .send(&enhanced(1, hour, token(1).as_bytes(), &payload(1)))
            .await;
        // Nothing can be sent; the clock is a day ahead from the first minute to the fourth, or for good.
        for minute in 1..=10 {
            let ahead = if stays || minute < 5 {
                minutes(24 * 60)
            } else {
                Duration::ZERO
            };
            let look = calendar.look(start + minutes(minute) + ahead, since + minutes(minute));
            world.now = look.now;
            let row = world
                .store
                .page(world.app.id, None, 1, usize::MAX)
                .await
                .unwrap()
                .remove(0);
            let believed = stays && minute >= 6;
            assert_eq!(expired(&row, world.now), believed, "minute {minute}");
        }
        world.dispatch().await;
        let counts = world.counts();
        assert_eq!(
            (counts.delivered, counts.expired),
            if stays { (0, 1) } else { (1, 0) }
        );
    }
}
