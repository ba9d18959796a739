//! The world's rules, with phones joined in memory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_net::credentials::Environment;
use apns_proto::courier::Message;
use apns_proto::{Command, Expiry, Identifier, Notification, Status, Token};
use bytes::Bytes;

use super::{Answer, Bounds, Provider, Pushed, Wake, World};
use crate::event::{Dropped, Route, What};
use crate::phone::{Phone, PhoneEvent, Types};
use crate::virtual_phone::VirtualPhone;

mod bounds;
mod model;
mod provider_api;

const MAIL: &str = "com.example.Mail";
const CHAT: &str = "com.example.Chat";
const ACCEPTED: Pushed = Pushed::Answer(Answer::Accepted);

/// A world with one phone that has two push apps, online.
struct Scene {
    world: World,
    line: VirtualPhone,
    now: SystemTime,
}

impl Scene {
    fn new(bounds: Bounds) -> Self {
        let mut scene = Self {
            world: World::new(bounds, 7),
            line: VirtualPhone::new(phone("Ada's iPhone"), Environment::Sandbox),
            now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        scene.pump();
        scene
    }

    fn pump(&mut self) {
        self.line.pump(self.now, &mut self.world).unwrap();
    }

    fn token(&self, topic: &str) -> Token {
        self.line.phone.app(topic).unwrap().token().unwrap().clone()
    }

    fn push_to(&mut self, token: Token, topic: &str, expiry: Option<i32>, text: &str) -> Pushed {
        let notification = Notification {
            command: Command::FRAMED,
            identifier: Some(Identifier([0, 0, 0, 7])),
            expiry: expiry.map(Expiry),
            priority: None,
            token,
            payload: Bytes::from(format!(r#"{{"aps":{{"alert":"{text}"}}}}"#)),
            frame: Bytes::from_static(b"\x02frame"),
        };
        let provider = Provider::new(topic, Environment::Sandbox);
        self.world.push(self.now, &provider, &notification)
    }

    fn push(&mut self, topic: &str, expiry: Option<i32>, text: &str) -> Pushed {
        self.push_to(self.token(topic), topic, expiry, text)
    }

    fn offline(&mut self) {
        self.line.phone.set_airplane(true);
        self.pump();
    }

    fn online(&mut self) {
        self.line.phone.set_airplane(false);
        self.pump();
    }

    /// The texts that arrived on the phone, in their order.
    fn arrived(&self) -> Vec<String> {
        let received = self.line.phone.history();
        received.map(|received| text(&received.payload)).collect()
    }

    fn events(&self) -> Vec<What> {
        let page = self.world.events(0, usize::MAX);
        page.events.into_iter().map(|event| event.what).collect()
    }

    fn dropped(&self) -> Vec<Dropped> {
        let why = |what| match what {
            What::Dropped { why, .. }
            | What::Accepted {
                route: Route::Dropped(_, why),
                ..
            } => Some(why),
            _ => None,
        };
        self.events().into_iter().filter_map(why).collect()
    }

    fn feedback(&self, topic: &str) -> Vec<(u32, Token)> {
        let provider = Provider::new(topic, Environment::Sandbox);
        let tuples = self.world.feedback(&provider).tuples;
        tuples
            .into_iter()
            .map(|tuple| (tuple.timestamp, tuple.token))
            .collect()
    }
}

/// A phone with two push apps.
fn phone(name: &str) -> Phone {
    let mut phone = Phone::new(name);
    for topic in [MAIL, CHAT] {
        phone.install(topic, topic, true).unwrap();
        phone.register(topic, Types::ALL).unwrap();
    }
    phone
}

/// The alert of a payload.
fn text(payload: &Bytes) -> String {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
    json["aps"]["alert"].as_str().unwrap().to_owned()
}

fn scene() -> Scene {
    Scene::new(Bounds::default())
}

#[test]
fn a_phone_that_is_online_gets_every_push_in_order_and_acknowledges_it() {
    let mut scene = scene();
    for text in ["1", "2", "3"] {
        assert_eq!(scene.push(MAIL, Some(0), text), ACCEPTED);
    }
    scene.pump();
    assert_eq!(scene.arrived(), ["1", "2", "3"]);
    let delivered = scene
        .events()
        .into_iter()
        .filter(|what| matches!(what, What::Delivered { .. }));
    assert_eq!(delivered.count(), 3);
}

#[test]
fn a_token_of_nobody_of_another_topic_or_of_the_other_environment_is_status_8() {
    let mut scene = scene();
    let rejected = Pushed::Answer(Answer::Rejected {
        status: Status::INVALID_TOKEN,
        clause: "P-37",
    });
    let mail = scene.token(MAIL);
    assert_eq!(
        scene.push_to(Token::new(vec![9; 32]), MAIL, None, "nobody"),
        rejected
    );
    assert_eq!(
        scene.push_to(mail.clone(), CHAT, None, "other topic"),
        rejected
    );
    let notification = Notification {
        command: Command::SIMPLE,
        identifier: None,
        expiry: None,
        priority: None,
        token: mail,
        payload: Bytes::from_static(b"{}"),
        frame: Bytes::new(),
    };
    let production = Provider::new(MAIL, Environment::Production);
    assert_eq!(
        scene.world.push(scene.now, &production, &notification),
        rejected
    );
    scene.pump();
    assert!(scene.arrived().is_empty());
    let clauses: Vec<_> = scene
        .events()
        .into_iter()
        .filter_map(|what| match what {
            What::Rejected { clause, .. } => Some(clause),
            _ => None,
        })
        .collect();
    assert_eq!(clauses, ["P-37"; 3]);
}

#[test]
fn for_a_phone_that_is_offline_the_newest_of_each_app_is_kept_and_marked_as_stored() {
    let mut scene = scene();
    scene.offline();
    for (topic, text) in [(MAIL, "m1"), (CHAT, "c1"), (MAIL, "m2"), (MAIL, "m3")] {
        assert_eq!(scene.push(topic, None, text), ACCEPTED);
    }
    assert_eq!(scene.world.stored_len(), 2);
    scene.online();
    assert_eq!(scene.arrived(), ["c1", "m3"]);
    assert!(scene.line.phone.history().all(|received| received.stored));
    assert_eq!(scene.world.stored_len(), 0);
    let overwritten = scene
        .events()
        .into_iter()
        .filter(|what| matches!(what, What::Overwritten { .. }));
    assert_eq!(overwritten.count(), 2);
}

#[test]
fn what_is_kept_is_dropped_at_its_expiry_and_an_expiry_of_zero_or_in_the_past_is_not_kept() {
    let mut scene = scene();
    scene.offline();
    scene.push(MAIL, Some(1_700_000_060), "soon stale");
    scene.push(CHAT, Some(0), "now or never");
    scene.push(CHAT, Some(-1), "now or never");
    scene.push(CHAT, Some(86_400), "long past");
    scene.now += Duration::from_secs(59);
    scene.world.expire(scene.now);
    assert_eq!(scene.world.stored_len(), 1);
    scene.now += Duration::from_secs(1);
    scene.online();
    assert!(scene.arrived().is_empty());
    assert_eq!(
        scene.dropped(),
        [
            Dropped::NotStored,
            Dropped::NotStored,
            Dropped::Expired,
            Dropped::Expired
        ]
    );
}

#[test]
fn the_world_says_when_the_next_notification_expires() {
    let mut scene = scene();
    scene.offline();
    assert_eq!(scene.world.next_expiry(), None);
    scene.push(CHAT, None, "never");
    assert_eq!(scene.world.next_expiry(), None);
    scene.push(MAIL, Some(1_700_000_060), "soon stale");
    let expiry = scene.now + Duration::from_secs(60);
    assert_eq!(scene.world.next_expiry(), Some(expiry));
    scene.world.expire(expiry);
    assert_eq!(
        (scene.world.next_expiry(), scene.world.stored_len()),
        (None, 1)
    );
}

#[test]
fn two_worlds_with_the_same_seed_give_out_the_same_tokens() {
    let (one, two) = (scene(), scene());
    assert_eq!(one.token(MAIL), two.token(MAIL));
    assert_ne!(one.token(MAIL), one.token(CHAT));
}

#[test]
fn a_phone_that_lost_everything_gets_other_tokens_and_the_old_ones_become_feedback() {
    let mut scene = scene();
    let before = scene.token(MAIL);
    scene.line.drop_line(scene.now, &mut scene.world);
    scene.line.phone = phone("Ada's iPhone");
    scene.pump();
    let after = scene.token(MAIL);
    assert_ne!(before, after);
    scene.offline();
    scene.push(MAIL, None, "for the new one");
    scene.push_to(before.clone(), MAIL, None, "for the old one");
    assert_eq!(
        scene.world.stored_len(),
        2,
        "neither takes the other's place"
    );
    scene.online();
    assert_eq!(scene.feedback(MAIL), [(1_700_000_000, before)]);
    let shown = scene.line.phone.lock_screen().notes();
    let bodies: Vec<_> = shown.map(|note| note.alert.body.unwrap()).collect();
    assert_eq!(bodies, ["for the new one"]);
}

#[test]
fn an_expiry_in_the_past_is_tried_once_when_the_phone_is_online() {
    let mut scene = scene();
    scene.push(MAIL, Some(86_400), "rpush");
    scene.pump();
    assert_eq!(scene.arrived(), ["rpush"]);
}

#[test]
fn what_was_on_its_way_when_the_connection_broke_comes_again_once() {
    let mut scene = scene();
    scene.push(MAIL, None, "1");
    scene.push(MAIL, None, "2");
    scene.push(CHAT, Some(0), "try once");
    scene.line.drop_line(scene.now, &mut scene.world);
    assert_eq!(scene.dropped(), [Dropped::NotStored]);
    scene.pump();
    assert_eq!(scene.arrived(), ["2"]);
}

#[test]
fn what_was_shown_and_whose_acknowledgement_was_lost_comes_again_and_is_not_shown_again() {
    let mut scene = scene();
    scene.push(MAIL, None, "1");
    assert!(scene.line.hear(scene.now, &mut scene.world));
    scene.line.drop_line(scene.now, &mut scene.world);
    assert_eq!(scene.world.stored_len(), 1, "sent is not received");
    scene.pump();
    assert_eq!(scene.world.stored_len(), 0);
    assert_eq!(scene.arrived(), ["1"]);
    let twice = |event| matches!(event, PhoneEvent::ArrivedTwice { .. });
    assert!(scene.line.phone.take_events().into_iter().any(twice));
}

#[test]
fn an_app_that_is_gone_becomes_feedback_at_the_next_push_and_later_pushes_are_silent() {
    let mut scene = scene();
    let token = scene.token(MAIL);
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    assert!(scene.feedback(MAIL).is_empty());
    assert_eq!(
        scene.push_to(token.clone(), MAIL, None, "anyone?"),
        ACCEPTED
    );
    scene.pump();
    assert_eq!(scene.feedback(MAIL), [(1_700_000_000, token.clone())]);
    assert!(scene.feedback(CHAT).is_empty());
    assert_eq!(scene.push_to(token, MAIL, None, "hello?"), ACCEPTED);
    assert!(matches!(
        scene.events().last(),
        Some(What::Accepted {
            route: Route::AppGone(_),
            ..
        })
    ));
}

#[test]
fn a_removed_last_push_app_leaves_no_feedback() {
    let mut scene = scene();
    let token = scene.token(MAIL);
    scene.line.phone.uninstall(CHAT).unwrap();
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    assert_eq!(scene.push_to(token, MAIL, None, "anyone?"), ACCEPTED);
    scene.pump();
    assert!(scene.feedback(MAIL).is_empty());
}

#[test]
fn an_app_that_registers_again_gets_its_token_back_and_its_pushes() {
    let mut scene = scene();
    let token = scene.token(MAIL);
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    scene.push_to(token.clone(), MAIL, None, "gone");
    scene.pump();
    scene.line.phone.install(MAIL, "Mail", true).unwrap();
    scene.line.phone.register(MAIL, Types::ALL).unwrap();
    scene.pump();
    assert_eq!(scene.token(MAIL), token);
    scene.push(MAIL, None, "back");
    scene.pump();
    assert_eq!(scene.arrived().last().map(String::as_str), Some("back"));
}

#[test]
fn app_gone_about_a_push_from_before_the_last_registration_says_nothing_about_the_token() {
    let mut scene = scene();
    let token = scene.token(MAIL);
    scene.push(MAIL, None, "from before");
    scene.line.phone.register(MAIL, Types::ALL).unwrap();
    scene.line.speak(scene.now, &mut scene.world).unwrap();
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    assert!(scene.feedback(MAIL).is_empty());
    assert_eq!(scene.dropped(), [Dropped::RegisteredSince]);
    scene.push_to(token.clone(), MAIL, None, "from after");
    scene.pump();
    assert_eq!(scene.feedback(MAIL), [(1_700_000_000, token)]);
}

#[test]
fn feedback_is_cleared_by_a_complete_read_and_what_came_meanwhile_stays() {
    let mut scene = scene();
    let provider = Provider::new(MAIL, Environment::Sandbox);
    let (mail, chat) = (scene.token(MAIL), scene.token(CHAT));
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    scene.push_to(mail.clone(), MAIL, None, "x");
    scene.pump();
    let snapshot = scene.world.feedback(&provider);
    assert_eq!(snapshot.tuples.len(), 1);
    assert_eq!(
        scene.world.feedback(&provider),
        snapshot,
        "looking clears nothing"
    );
    scene.line.phone.install(MAIL, "Mail", true).unwrap();
    scene.line.phone.register(MAIL, Types::ALL).unwrap();
    scene.pump();
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    scene.now += Duration::from_secs(5);
    scene.push_to(mail.clone(), MAIL, None, "y");
    scene.pump();
    scene.world.feedback_read(scene.now, &provider, &snapshot);
    assert_eq!(scene.feedback(MAIL), [(1_700_000_005, mail)]);
    let snapshot = scene.world.feedback(&provider);
    scene.world.feedback_read(scene.now, &provider, &snapshot);
    assert!(scene.feedback(MAIL).is_empty());
    drop(chat);
}

#[test]
fn a_phone_the_world_has_forgotten_is_sent_away_once_and_registers_anew() {
    let mut scene = scene();
    let before = scene.token(MAIL);
    scene.line.drop_line(scene.now, &mut scene.world);
    scene.world = World::new(Bounds::default(), 8);
    let phone = std::mem::replace(&mut scene.line.phone, Phone::new("none"));
    scene.line = VirtualPhone::new(phone, Environment::Sandbox);
    scene.pump();
    let after = scene.token(MAIL);
    assert_ne!(before, after);
    scene.push(MAIL, None, "new world");
    scene.pump();
    assert_eq!(scene.arrived(), ["new world"]);
}

#[test]
fn a_topic_the_user_does_not_want_is_accepted_and_not_sent() {
    let mut scene = scene();
    let settings = crate::phone::Settings {
        allowed: false,
        ..crate::phone::Settings::default()
    };
    scene.line.phone.set_settings(MAIL, settings).unwrap();
    scene.pump();
    assert_eq!(scene.push(MAIL, None, "psst"), ACCEPTED);
    scene.pump();
    assert!(scene.arrived().is_empty());
    assert_eq!(scene.dropped(), [Dropped::Unwanted]);
}

#[test]
fn a_provider_waits_while_a_phone_does_not_read_and_goes_on_when_it_does() {
    let mut scene = Scene::new(Bounds {
        outbox_max: 2,
        ..Bounds::default()
    });
    while scene.world.next_wake().is_some() {}
    assert_eq!(scene.push(MAIL, None, "1"), ACCEPTED);
    assert_eq!(scene.push(MAIL, None, "2"), ACCEPTED);
    let before = scene.world.newest_event();
    let Pushed::Wait(device) = scene.push(MAIL, None, "3") else {
        panic!("the outbox is full");
    };
    assert_eq!(scene.world.newest_event(), before, "nothing has happened");
    assert!(!scene.world.has_room(device));
    scene.pump();
    assert!(scene.world.has_room(device));
    assert!(std::iter::from_fn(|| scene.world.next_wake()).any(|wake| wake == Wake::Room(device)));
    assert_eq!(scene.push(MAIL, None, "3"), ACCEPTED);
    scene.pump();
    assert_eq!(scene.arrived(), ["1", "2", "3"]);
}

#[test]
fn a_phone_that_does_not_take_what_is_queued_counts_as_offline() {
    let mut scene = Scene::new(Bounds {
        outbox_max: 1,
        ..Bounds::default()
    });
    scene.push(MAIL, None, "1");
    let Pushed::Wait(device) = scene.push(MAIL, None, "2") else {
        panic!("the outbox is full");
    };
    scene.world.give_up(scene.now, device);
    assert!(scene.world.has_room(device));
    assert_eq!(scene.push(MAIL, None, "2"), ACCEPTED);
    assert_eq!(scene.world.stored_len(), 1);
    scene.pump();
    assert_eq!(scene.arrived(), ["2"]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push { mail: bool, expiry: Option<i32> },
        Airplane(bool),
        Break,
        Pump,
        Later(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let expiry = prop_oneof![
            Just(None),
            Just(Some(0)),
            (1_700_000_000..1_700_000_100).prop_map(Some)
        ];
        prop_oneof![
            4 => (any::<bool>(), expiry).prop_map(|(mail, expiry)| Step::Push { mail, expiry }),
            1 => any::<bool>().prop_map(Step::Airplane),
            1 => Just(Step::Break),
            3 => Just(Step::Pump),
            1 => (0..40u64).prop_map(Step::Later),
        ]
    }

    proptest! {
        /// Whatever happens to the connection, every accepted notification ends once: delivered, overwritten or dropped with a reason.
        #[test]
        fn every_accepted_notification_has_exactly_one_end(steps in prop::collection::vec(step(), 1..60)) {
            let mut scene = scene();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push { mail, expiry } => {
                        let topic = if mail { MAIL } else { CHAT };
                        prop_assert_eq!(scene.push(topic, expiry, &n.to_string()), ACCEPTED);
                    }
                    Step::Airplane(on) => scene.line.phone.set_airplane(on),
                    Step::Break => scene.line.drop_line(scene.now, &mut scene.world),
                    Step::Pump => scene.pump(),
                    Step::Later(seconds) => scene.now += Duration::from_secs(seconds),
                }
            }
            scene.online();
            let (mut accepted, mut ended) = (Vec::new(), Vec::new());
            for event in scene.world.events(0, usize::MAX).events {
                match event.what {
                    What::Accepted { route: Route::Queued(_) | Route::Stored(_), .. } => accepted.push(event.seq),
                    What::Delivered { push, .. } | What::Overwritten { push, .. } | What::Dropped { push, .. } => ended.push(push),
                    _ => {}
                }
            }
            ended.sort_unstable();
            prop_assert_eq!(accepted, ended);
            prop_assert_eq!(scene.world.stored_len(), 0);
            let mut arrived = scene.arrived();
            let len = arrived.len();
            arrived.sort();
            arrived.dedup();
            prop_assert_eq!(arrived.len(), len, "nothing arrives twice");
        }
    }
}
