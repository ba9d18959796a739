//! Scenarios 4 and 9 to 13 of the order contract over HTTP/2, and the rules that its answers bring in.

use std::time::Duration;

use apns_gateway::contract::{Alarm, App, AppOptions, Mode, Pushed};
use apns_gateway::store::{DeadLetterEnd, RowId};
use apns_gateway::verdict::{ErrorCode, GoAway, Outcome, Verdict};
use apns_net::credentials::Environment;
use apns_proto::Status;

use crate::frames::{enhanced, note, payload, token};
use crate::http2::{GONE_SINCE, answer, refusal};
use crate::world::{Told, World};

/// Believes everything, so that a test can be short.
const CREDULOUS: AppOptions = AppOptions {
    mode: Mode::NextTime,
    trust_after: 0,
    dead_tokens_max: 100,
};

/// One notification to each of these phones, numbered as they are.
fn notes(phones: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    phones.flat_map(|phone| note(phone, phone)).collect()
}

/// Lets time pass until nothing more happens.
async fn settle_all(world: &mut World) {
    for _ in 0..20 {
        world.dispatch().await;
        world.time_comes();
    }
}

#[tokio::test]
async fn scenario_4_exact_over_http2_answers_at_first_sight_at_any_place_in_the_batch() {
    for bad in 1..=10 {
        let mut world = World::over_http2(AppOptions {
            mode: Mode::Exact {
                answer_wait: Duration::from_secs(2),
            },
            ..CREDULOUS
        })
        .await;
        world.upstream.bad.insert(token(bad));
        world.send(&notes(1..=10)).await;
        world.dispatch().await;
        let identifier = u32::try_from(bad).unwrap();
        assert_eq!(world.replies(), [Told::packet(8, identifier)]);
        assert_eq!(world.shown(), (1..bad).collect::<Vec<_>>());
        assert_eq!(world.counts().accepted, bad);
    }
}

#[tokio::test]
async fn scenario_9_a_503_delays_neither_other_tokens_nor_the_answer_to_a_malformed_one() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.next(&token(1), [refusal(503, "ServiceUnavailable")]);
    let malformed = enhanced(4, 0, &[7; 5], "{}");
    world
        .send(&[notes(1..=2), note(3, 1), malformed].concat())
        .await;
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(5, 4)]);
    assert_eq!(world.shown(), [2], "the later one to its token waits");
    settle_all(&mut world).await;
    assert_eq!(world.shown(), [2, 1, 3]);
}

#[tokio::test]
async fn scenario_10_over_http2_a_wrong_environment_is_no_8_and_holds_the_app_at_the_tenth() {
    let mut world = World::over_http2(AppOptions::default()).await;
    world.upstream.wrong_environment = true;
    for number in 1..=10 {
        assert_eq!(world.contract.held(), None);
        world.send(&note(number, number)).await;
        world.dispatch().await;
    }
    assert!(matches!(world.alarms.last(), Some(Alarm::Held(_))));
    world.send(&notes(11..=30)).await;
    assert_eq!((world.told.len(), world.contract.dead_tokens()), (0, 0));
    assert_eq!((world.counts().rejected, world.counts().queued), (10, 20));
    world.upstream.wrong_environment = false;
    world.probe().await;
    assert_eq!(world.alarms.last(), Some(&Alarm::Released));
    world.dispatch().await;
    world.requeue().await;
    world.dispatch().await;
    assert_eq!((world.counts().delivered, world.counts().queued), (30, 0));
}

#[tokio::test]
async fn scenario_10_whatever_says_that_the_configuration_is_wrong_holds_the_app_and_rejects_nothing()
 {
    let goodbye = br#"{"reason":"BadCertificateEnvironment"}"#;
    let goodbye = GoAway::new(0, ErrorCode::NO_ERROR, goodbye).unprocessed();
    let answers = [
        (400, "BadTopic"),
        (400, "MissingTopic"),
        (400, "TopicDisallowed"),
        (403, "BadCertificate"),
        (403, "BadCertificateEnvironment"),
        (403, "BadEnvironmentKeyIdInToken"),
        (403, "BadEnvironmentKeyInToken"),
        (403, "ExpiredProviderToken"),
        (403, "Forbidden"),
        (403, "InvalidProviderToken"),
        (403, "MissingProviderToken"),
        (403, "UnrelatedKeyIdInToken"),
        (403, "NewIn2027"),
    ]
    .map(|(status, reason)| refusal(status, reason));
    for outcome in answers.into_iter().chain([goodbye]) {
        let mut world = World::over_http2(CREDULOUS).await;
        world.apns().trouble = Some(outcome.clone());
        world.send(&notes(1..=5)).await;
        world.dispatch().await;
        let said = outcome.to_string();
        assert!(
            matches!(&world.alarms[..], [Alarm::Held(reason)] if reason.contains(&said)),
            "{:?}",
            world.alarms
        );
        for _ in 0..3 {
            world.probe().await;
        }
        let counts = world.counts();
        assert_eq!((counts.queued, counts.dead_letters), (5, 0), "{said}");
        assert_eq!((world.told.len(), world.contract.dead_tokens()), (0, 0));
        world.crash().await;
        assert!(world.contract.held().is_some(), "held over a restart");
        world.apns().trouble = None;
        world.probe().await;
        world.dispatch().await;
        assert_eq!(world.counts().delivered, 5, "{said}");
    }
}

#[tokio::test]
async fn scenario_10_an_unregistered_token_ends_a_hold_as_a_delivery_does() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.next(&token(1), [refusal(403, "InvalidProviderToken")]);
    world.apns().gone.insert(token(1));
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    assert!(world.contract.held().is_some());
    world.probe().await;
    assert_eq!(world.alarms.last(), Some(&Alarm::Released));
    assert_eq!((world.counts().rejected, world.counts().queued), (1, 0));
}

#[tokio::test]
async fn scenario_11_a_410_is_silence_and_a_tuple_and_the_token_may_register_again() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.apns().gone.insert(token(1));
    // Alone and the newest: where a bad token would be answered at once.
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    assert_eq!(world.told, []);
    assert_eq!((world.counts().rejected, world.counts().feedback), (1, 1));
    assert_eq!(world.feedback().await, [(token(1), GONE_SINCE)].into());
    let letters = world.dead_letters().await;
    assert_eq!(
        (letters[0].end, letters[0].reason.as_str()),
        (
            DeadLetterEnd::Rejected(Status::INVALID_TOKEN),
            "upstream refused it with 410 Unregistered"
        )
    );
    assert_eq!(world.contract.dead_tokens(), 0);
    world.crash().await;
    assert_eq!(world.feedback().await.len(), 1);
    world.apns().gone.clear();
    world.send(&[note(2, 2), note(3, 1)].concat()).await;
    world.dispatch().await;
    assert_eq!((world.shown(), world.told.len()), (vec![2, 3], 0));
}

#[tokio::test]
async fn scenario_11_a_410_without_a_time_means_now_and_none_is_of_the_future() {
    let seconds = |world: &World| {
        let now = world.now.duration_since(std::time::UNIX_EPOCH).unwrap();
        u32::try_from(now.as_secs()).unwrap()
    };
    for body in [
        "",
        r#"{"reason":"ExpiredToken"}"#,
        r#"{"reason":"Unregistered","timestamp":99999999999999}"#,
    ] {
        let mut world = World::over_http2(CREDULOUS).await;
        world.next(&token(1), [answer(410, body)]);
        world.send(&note(1, 1)).await;
        world.dispatch().await;
        let expected = [(token(1), seconds(&world))];
        assert_eq!(world.feedback().await, expected.into(), "{body}");
    }
}

#[tokio::test]
async fn scenario_11_a_410_forgets_that_the_token_was_called_bad() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.upstream.bad.insert(token(1));
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    assert_eq!(world.contract.dead_tokens(), 1);
    world.told.clear();
    world.upstream.bad.clear();
    world.apns().gone.insert(token(1));
    world.send(&note(2, 1)).await;
    world.dispatch().await;
    world.crash().await;
    world.send(&[note(3, 3), note(4, 1)].concat()).await;
    world.dispatch().await;
    assert_eq!((world.contract.dead_tokens(), world.told.len()), (0, 0));
}

#[tokio::test]
async fn scenario_11_410s_make_trust_as_deliveries_do() {
    let mut world = World::over_http2(AppOptions::default()).await;
    for phone in 1..=10 {
        world.apns().gone.insert(token(phone));
    }
    world.send(&notes(1..=10)).await;
    world.dispatch().await;
    world.upstream.bad.insert(token(99));
    world.send(&note(99, 99)).await;
    world.dispatch().await;
    assert_eq!(world.replies(), [Told::packet(8, 99)]);
    // And the entry answers after a later one.
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    world.send(&note(100, 99)).await;
    assert_eq!(world.told.len(), 2);
}

#[tokio::test]
async fn scenario_11_ten_thousand_deliveries_in_production_vouch_for_nothing_in_the_sandbox() {
    let mut world = World::over_http2(AppOptions::default()).await;
    world.send(&notes(1..=10_000)).await;
    world.dispatch().await;
    assert_eq!(world.contract.trust().vouched, 10_000);
    let sandbox = world
        .store
        .app("com.example.Mail", Environment::Sandbox, "scope")
        .await
        .unwrap();
    let mut contract = App::new(&sandbox, AppOptions::default());
    let bad = refusal(400, "BadDeviceToken");
    let verdict = Verdict::of_http2(&bad, apns_gateway::verdict::Auth::Certificate);
    let pushed = Pushed {
        row: first_key(&mut world),
        connection: 1,
        seq: 1,
        token: token(1),
    };
    let judged = contract.judge(&pushed, verdict, &bad, world.now);
    assert_eq!((judged.late, contract.dead_tokens()), (None, 0));
    assert!(matches!(judged.alarm, Some(Alarm::NotBelieved(_))));
}

/// Any key at all.
fn first_key(world: &mut World) -> RowId {
    world.apns().attempts[0].0
}

#[tokio::test]
async fn scenario_12_lost_answer_then_retry_then_crash_then_retry_is_one_apns_id_throughout() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.next(
        &token(1),
        [
            Outcome::Lost { alone: false },
            Outcome::Unanswered,
            refusal(503, "Shutdown"),
            Outcome::Reset(ErrorCode(2)),
        ],
    );
    world.send(&notes(1..=2)).await;
    world.push(10).await;
    world.upstream_reads(10).await;
    world.quiet().await;
    world.push(10).await;
    world.upstream_reads(10).await;
    world.crash().await;
    settle_all(&mut world).await;
    assert_eq!(world.counts().delivered, 2);
    let ids = world.ids();
    let attempts = world.apns().attempts.len();
    let distinct: std::collections::BTreeSet<_> = ids.values().flatten().collect();
    assert_eq!((ids.len(), distinct.len(), attempts), (2, 2, 6));
    // Two attempts may have been shown beside the last one, and were.
    assert_eq!(
        world.shown().iter().filter(|number| **number == 1).count(),
        4
    );
}

#[tokio::test]
async fn scenario_12_a_requeued_notification_keeps_its_apns_id() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.next(&token(1), [refusal(400, "BadMessageId")]);
    world.send(&note(1, 1)).await;
    world.dispatch().await;
    world.requeue().await;
    world.dispatch().await;
    assert_eq!(
        (world.counts().delivered, world.apns().attempts.len()),
        (1, 2)
    );
    let ids = world.ids();
    assert_eq!(ids.values().map(|ids| ids.len()).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn scenario_13_expiry_0_and_an_upstream_503_is_retried_and_delivered() {
    let mut world = World::over_http2(CREDULOUS).await;
    world.apns().trouble = Some(refusal(503, "ServiceUnavailable"));
    for (identifier, expiry) in [(1, 0), (2, -1), (3, 86_400)] {
        let token = token(u64::from(identifier));
        let frame = enhanced(
            identifier,
            expiry,
            token.as_bytes(),
            &payload(identifier.into()),
        );
        world.send(&frame).await;
    }
    for _ in 0..5 {
        world.dispatch().await;
        world.now += Duration::from_secs(3600);
        world.time_comes();
    }
    assert_eq!(world.counts().queued, 3);
    world.apns().trouble = None;
    settle_all(&mut world).await;
    assert_eq!((world.shown(), world.counts().expired), (vec![1, 2, 3], 0));
    let expirations = world.apns().attempts.iter().map(|(_, request)| {
        let value = request.headers()["apns-expiration"].to_str();
        value.unwrap().to_owned()
    });
    assert!(expirations.into_iter().all(|at| at == "0"));
}

#[tokio::test]
async fn rule_4_a_notification_refused_for_what_it_is_is_told_with_its_status() {
    for (status, reason, told) in [
        (413, "PayloadTooLarge", 7),
        (400, "PayloadEmpty", 4),
        (400, "MissingDeviceToken", 2),
        (400, "BadPriority", 1),
        (404, "BadPath", 1),
        (400, "NewIn2027", 1),
    ] {
        let mut world = World::over_http2(CREDULOUS).await;
        world.next(&token(1), [refusal(status, reason)]);
        world.send(&note(1, 1)).await;
        world.dispatch().await;
        assert_eq!(world.replies(), [Told::packet(told, 1)], "{reason}");
        assert_eq!(world.contract.dead_tokens(), 0);
        let alarmed = matches!(&world.alarms[..], [Alarm::Fault(said)] if said.contains(reason));
        assert_eq!(alarmed, told == 1, "{reason}: {:?}", world.alarms);
    }
}

#[tokio::test]
async fn rule_7_a_run_of_refusals_nobody_understands_holds_the_app_before_the_queue_is_dead_letters()
 {
    let mut world = World::over_http2(AppOptions::default()).await;
    world.apns().trouble = Some(refusal(400, "NewIn2027"));
    for phone in 1..=10 {
        assert_eq!(world.contract.held(), None);
        world.send(&note(phone, phone)).await;
        world.dispatch().await;
    }
    assert!(world.contract.held().unwrap().contains("NewIn2027"));
    world.send(&notes(11..=30)).await;
    assert_eq!((world.counts().rejected, world.counts().queued), (10, 20));
}

#[tokio::test]
async fn rule_6_what_was_no_answer_is_not_held_against_upstreams_word() {
    let mut world = World::over_http2(AppOptions::default()).await;
    world.send(&notes(1..=10)).await;
    world.dispatch().await;
    // A connection that ends five times takes nothing away from ten deliveries, a 500 five times does.
    let goodbye = GoAway::new(0, ErrorCode::NO_ERROR, b"").unprocessed();
    for (outcome, phone, believed) in [
        (goodbye, 21, true),
        (refusal(500, "InternalServerError"), 22, false),
    ] {
        world.next(&token(20), vec![outcome; 5]);
        world.send(&note(20, 20)).await;
        for _ in 0..5 {
            world.push(1).await;
            world.upstream_reads(1).await;
            world.quiet().await;
            world.time_comes();
        }
        world.upstream.bad.insert(token(phone));
        world.send(&note(phone, phone)).await;
        world.push(10).await;
        // The bad one is looked at before the one that waited is delivered.
        world.in_flight.rotate_left(1);
        world.upstream_reads(1).await;
        world.quiet().await;
        let told = world.told.drain(..).count();
        assert_eq!(told > 0, believed);
        world.dispatch().await;
    }
}
