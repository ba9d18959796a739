//! Pushes of today's provider API, to the same phones.

use std::time::Duration;

use apns_net::credentials::Environment;
use apns_proto::{Expiry, Priority, Token};

use super::{CHAT, MAIL, Scene, scene};
use crate::event::{Dropped, Route, Sent, What};
use crate::phone::PhoneEvent;
use crate::provider_api::{Push, PushType, Reason};
use crate::world::{Posted, Refusal};

impl Scene {
    fn ask(&self, text: &str) -> Push {
        Push {
            token: self.token(MAIL),
            topic: MAIL.into(),
            expiry: None,
            priority: Priority::IMMEDIATE,
            push_type: Some(PushType::Alert),
            collapse_id: None,
            payload: format!(r#"{{"aps":{{"alert":"{text}","content-available":1}}}}"#).into(),
        }
    }

    fn post(&mut self, push: &Push) -> Posted {
        self.post_in(Environment::Sandbox, push)
    }

    fn post_in(&mut self, environment: Environment, push: &Push) -> Posted {
        let id = self.world.new_apns_id();
        self.world.post(self.now, environment, id, push)
    }
}

fn refused(reason: Reason) -> Posted {
    Posted::Refused(reason.into())
}

#[test]
fn a_push_arrives_beside_those_of_the_binary_protocol() {
    let mut scene = scene();
    scene.push(MAIL, None, "binary");
    assert_eq!(scene.post(&scene.ask("http")), Posted::Accepted);
    scene.pump();
    assert_eq!(scene.arrived(), ["binary", "http"]);
    let posted = scene.events().into_iter().find_map(|what| match what {
        What::Accepted { request, route } => match request.sent {
            Sent::Post(post) => Some((post.push_type, route)),
            Sent::Frame { .. } | Sent::File { .. } => None,
        },
        _ => None,
    });
    let (push_type, route) = posted.unwrap();
    assert_eq!(push_type, Some(PushType::Alert));
    assert!(matches!(route, Route::Queued(_)));
}

#[test]
fn a_token_is_held_against_topic_and_environment() {
    let mut scene = scene();
    let good = scene.ask("x");
    let unknown = Push {
        token: Token::new(vec![0xee; 32]),
        ..good.clone()
    };
    assert_eq!(scene.post(&unknown), refused(Reason::BadDeviceToken));
    let other_topic = Push {
        topic: CHAT.into(),
        ..good.clone()
    };
    assert_eq!(
        scene.post(&other_topic),
        refused(Reason::DeviceTokenNotForTopic)
    );
    assert_eq!(
        scene.post_in(Environment::Production, &good),
        refused(Reason::BadDeviceToken)
    );
    let reasons: Vec<_> = scene
        .events()
        .into_iter()
        .filter_map(|what| match what {
            What::Refused { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(
        reasons,
        [
            Reason::BadDeviceToken,
            Reason::DeviceTokenNotForTopic,
            Reason::BadDeviceToken
        ]
    );
}

#[test]
fn an_uninstalled_app_is_unregistered_since_the_phone_said_so() {
    let mut scene = scene();
    let push = scene.ask("x");
    scene.line.phone.uninstall(MAIL).unwrap();
    assert_eq!(
        scene.post(&push),
        Posted::Accepted,
        "APNs does not know yet"
    );
    scene.now += Duration::from_millis(1500);
    scene.pump();
    scene.now += Duration::from_secs(60);
    let unregistered = Refusal {
        reason: Reason::Unregistered,
        timestamp_ms: Some(1_700_000_001_500),
    };
    assert_eq!(scene.post(&push), Posted::Refused(unregistered));
    assert_eq!(scene.feedback(MAIL).len(), 1);
}

#[test]
fn an_offline_phone_gets_what_its_expiration_allows() {
    let mut scene = scene();
    scene.offline();
    for expiry in [Some(0), Some(1_600_000_000)] {
        let push = Push {
            expiry: expiry.map(Expiry),
            ..scene.ask("not kept")
        };
        assert_eq!(scene.post(&push), Posted::Accepted);
    }
    assert_eq!(scene.dropped(), [Dropped::NotStored, Dropped::Expired]);
    for (expiry, text) in [(None, "first"), (Some(1_800_000_000), "second")] {
        let push = Push {
            expiry: expiry.map(Expiry),
            ..scene.ask(text)
        };
        assert_eq!(scene.post(&push), Posted::Accepted);
    }
    scene.online();
    assert_eq!(scene.arrived(), ["second"]);
}

#[test]
fn a_collapse_id_replaces_what_the_lock_screen_shows_and_only_that() {
    let mut scene = scene();
    for (text, collapse_id) in [
        ("0:0", Some("match 1")),
        ("hello", None),
        ("1:1", Some("match 2")),
        ("0:1", Some("match 1")),
    ] {
        let push = Push {
            collapse_id: collapse_id.map(Into::into),
            ..scene.ask(text)
        };
        assert_eq!(scene.post(&push), Posted::Accepted);
    }
    scene.pump();
    let notes = scene.line.phone.lock_screen().notes();
    let shown: Vec<_> = notes.filter_map(|note| note.alert.body).collect();
    assert_eq!(shown, ["hello", "1:1", "0:1"]);
}

#[test]
fn what_is_no_alert_is_for_the_app_and_not_for_its_user() {
    for push_type in [PushType::Background, PushType::Voip, PushType::Complication] {
        let mut scene = scene();
        let push = Push {
            push_type: Some(push_type),
            ..scene.ask("for the app")
        };
        assert_eq!(scene.post(&push), Posted::Accepted);
        scene.pump();
        let events = scene.line.phone.take_events();
        let woken = |event: &PhoneEvent| matches!(event, PhoneEvent::WokenInBackground { .. });
        assert!(events.events.iter().any(woken), "{push_type}: {events:?}");
        assert_eq!(
            scene.line.phone.lock_screen().notes().len(),
            0,
            "{push_type}"
        );
    }
}
