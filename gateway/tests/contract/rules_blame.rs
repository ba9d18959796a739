//! Rule 7 where the configuration is not at fault: upstream says so, and yet takes other pushes.

use apns_gateway::contract::{Alarm, AppOptions, Mode};
use apns_gateway::store::Counts;

use crate::frames::{note, token};
use crate::http2::{answer, refusal};
use crate::world::World;

/// Believes everything, so that a test can be short: a hundred in a row hold it.
const CREDULOUS: AppOptions = AppOptions {
    mode: Mode::NextTime,
    trust_after: 0,
    dead_tokens_max: 100,
};

/// A world in which upstream always says that of every push to phone 1, and takes the others.
async fn world(options: AppOptions) -> World {
    let mut world = World::over_http2(options).await;
    world.next(&token(1), vec![refusal(400, "TopicDisallowed"); 200]);
    world
}

/// Everything is tried until nothing happens, so many times.
async fn tries(world: &mut World, times: usize) {
    for _ in 0..times {
        world.time_comes();
        world.dispatch().await;
    }
}

fn holds(world: &World) -> usize {
    let held = |alarm: &&Alarm| matches!(alarm, Alarm::Held(_));
    world.alarms.iter().filter(held).count()
}

#[tokio::test]
async fn rule_7_a_push_that_alone_is_said_to_be_of_the_wrong_topic_holds_the_app_once_and_then_only_itself()
 {
    let mut world = world(CREDULOUS).await;
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
    world.probe().await;
    assert!(
        world.contract.held().is_some(),
        "there is no other to probe with"
    );
    world
        .send(&[note(2, 1), note(3, 1), note(4, 2)].concat())
        .await;
    world.probe().await;
    assert_eq!(
        world.shown(),
        [4],
        "whatever is drawn, it is not to phone 1"
    );
    assert_eq!(world.alarms.last(), Some(&Alarm::Released));
    for number in 5..=40 {
        world.send(&note(number, 2)).await;
        tries(&mut world, 1).await;
    }
    assert_eq!(world.contract.held(), None);
    assert_eq!((holds(&world), world.shown().len()), (1, 37));
    assert_eq!((world.counts().queued, world.told.len()), (3, 0));
    world.apns().next.clear();
    tries(&mut world, 3).await;
    assert_eq!(world.shown()[37..], [1, 2, 3], "in their order");
}

#[tokio::test]
async fn rule_7_the_next_push_of_which_the_same_is_said_holds_nothing() {
    let mut world = world(CREDULOUS).await;
    world.next(&token(2), vec![refusal(400, "BadTopic"); 3]);
    world.send(&[note(1, 1), note(2, 3)].concat()).await;
    tries(&mut world, 2).await;
    assert_eq!((world.contract.held(), holds(&world)), (None, 1));
    world.send(&[note(3, 2), note(4, 3)].concat()).await;
    tries(&mut world, 4).await;
    assert_eq!((world.contract.held(), holds(&world)), (None, 1));
    assert_eq!(world.shown(), [2, 4, 3]);
    // Of another thing that may be wrong nothing was shown.
    world.next(&token(2), [refusal(403, "BadCertificate")]);
    world.send(&note(5, 2)).await;
    tries(&mut world, 1).await;
    assert_eq!(holds(&world), 2);
}

#[tokio::test]
async fn rule_7_what_is_said_of_everything_holds_the_app_after_a_run_and_charges_no_more() {
    for (options, run) in [(CREDULOUS, 100), (AppOptions::default(), 10)] {
        let mut world = world(options).await;
        world.send(&[note(1, 1), note(2, 3)].concat()).await;
        tries(&mut world, 2).await;
        assert_eq!((world.contract.held(), holds(&world)), (None, 1));
        world.apns().trouble = Some(refusal(400, "TopicDisallowed"));
        for number in 0..2 * run {
            world.send(&note(number, 100 + number)).await;
        }
        world.dispatch().await;
        assert_eq!(holds(&world), 2);
        let Counts {
            queued,
            rejected,
            given_up,
            ..
        } = world.counts();
        assert_eq!((queued, rejected, given_up), (2 * run + 1, 0, 0));
        world.apns().trouble = None;
        world.apns().next.clear();
        world.probe().await;
        tries(&mut world, 3).await;
        assert_eq!((world.counts().queued, world.told.len()), (0, 0));
    }
}

#[tokio::test]
async fn rule_7_a_push_is_not_blamed_for_what_was_wrong_and_was_put_right() {
    let mut world = World::over_http2(CREDULOUS).await;
    for round in 0..5 {
        // All of them are refused, some of them as probes, and some deliveries come in between.
        world.apns().trouble = Some(answer(403, ""));
        for phone in 1..=20 {
            world.send(&note(100 * round + phone, phone)).await;
        }
        world.dispatch().await;
        for _ in 0..5 {
            world.probe().await;
        }
        assert!(world.contract.held().is_some(), "round {round}");
        world.apns().trouble = None;
        world.probe().await;
        world.dispatch().await;
        assert_eq!(world.counts().queued, 0);
    }
    assert_eq!((holds(&world), world.counts().delivered), (5, 100));
}

#[tokio::test]
async fn rule_7_over_a_binary_upstream_status_3_for_one_token_holds_the_app_once() {
    let mut world = World::new(CREDULOUS).await;
    world
        .upstream
        .answers
        .insert(token(1), apns_proto::Status::MISSING_TOPIC);
    world.send(&[note(1, 1), note(2, 2)].concat()).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
    world.probe().await;
    for number in 3..=10 {
        world.send(&note(number, 2)).await;
        world.dispatch().await;
    }
    assert_eq!((world.contract.held(), holds(&world)), (None, 1));
}
