//! What happens where a table is full.

use apns_net::credentials::Pin;

use super::*;
use crate::event::RegistrationRefused;

fn bounds() -> Bounds {
    Bounds::default()
}

#[test]
fn one_phone_too_many_is_turned_away_and_the_others_stay() {
    let mut scene = Scene::new(Bounds {
        devices_max: 1,
        ..bounds()
    });
    let pin = Pin::of(&b"another certificate".as_slice().into());
    let refused = scene
        .world
        .connect(scene.now, pin, "Bob's iPhone", Environment::Sandbox);
    assert!(refused.is_err());
    assert!(
        matches!(scene.events().last(), Some(What::DeviceRefused { name }) if &**name == "Bob's iPhone")
    );
    scene.line.drop_line(scene.now, &mut scene.world);
    scene.pump();
    assert!(scene.line.phone.is_online(), "a phone it knows comes back");
}

#[test]
fn one_token_too_many_takes_the_place_of_a_dead_one_or_is_refused() {
    let mut scene = Scene::new(Bounds {
        tokens_per_device_max: 2,
        ..bounds()
    });
    let mail = scene.token(MAIL);
    let third = "com.example.Third";
    scene.line.phone.install(third, "Third", true).unwrap();
    scene.line.phone.register(third, Types::ALL).unwrap();
    scene.pump();
    assert_eq!(scene.line.phone.app(third).unwrap().token(), None);
    let refused = |what: &What| {
        matches!(
            what,
            What::RegistrationRefused {
                why: RegistrationRefused::NoRoom,
                ..
            }
        )
    };
    assert!(scene.events().iter().any(refused));
    scene.line.phone.uninstall(MAIL).unwrap();
    scene.pump();
    scene.push_to(mail.clone(), MAIL, None, "anyone?");
    scene.pump();
    scene.line.phone.register(third, Types::ALL).unwrap();
    scene.pump();
    assert_eq!(scene.push(third, None, "hello"), ACCEPTED);
    let forgotten =
        |what: &What| matches!(what, What::TokenForgotten { token, .. } if *token == mail);
    assert!(scene.events().iter().any(forgotten));
    assert!(
        matches!(
            scene.push_to(mail.clone(), MAIL, None, "late"),
            Pushed::Answer(Answer::Rejected { .. })
        ),
        "a token long dead is unknown"
    );
}

#[test]
fn one_stored_notification_too_many_is_dropped_but_a_place_can_be_taken_over() {
    let mut scene = Scene::new(Bounds {
        stored_max: 1,
        ..bounds()
    });
    scene.offline();
    scene.push(MAIL, None, "m1");
    assert_eq!(scene.push(CHAT, None, "c1"), ACCEPTED);
    scene.push(MAIL, None, "m2");
    assert_eq!(
        (scene.world.stored_len(), scene.dropped()),
        (1, vec![Dropped::NoRoom])
    );
    scene.online();
    assert_eq!(scene.arrived(), ["m2"]);
}

#[test]
fn a_full_feedback_list_forgets_its_oldest_tuple() {
    let mut scene = Scene::new(Bounds {
        feedback_max: 1,
        ..bounds()
    });
    let mut other = VirtualPhone::new(phone("Bob's iPhone"), Environment::Sandbox);
    other.pump(scene.now, &mut scene.world).unwrap();
    let (first, second) = (
        scene.token(MAIL),
        other.phone.app(MAIL).unwrap().token().unwrap().clone(),
    );
    scene.line.phone.uninstall(MAIL).unwrap();
    other.phone.uninstall(MAIL).unwrap();
    for token in [&first, &second] {
        scene.push_to(token.clone(), MAIL, None, "anyone?");
        scene.pump();
        other.pump(scene.now, &mut scene.world).unwrap();
    }
    assert_eq!(scene.feedback(MAIL), [(1_700_000_000, second)]);
    assert!(
        matches!(scene.events().last(), Some(What::FeedbackForgotten { token, .. }) if *token == first)
    );
}

#[test]
fn a_phone_that_asks_and_never_reads_is_given_up() {
    let mut scene = scene();
    scene.line.drop_line(scene.now, &mut scene.world);
    let pin = Pin::of(&b"a flood".as_slice().into());
    let conn = scene
        .world
        .connect(scene.now, pin, "flood", Environment::Sandbox)
        .unwrap();
    scene
        .world
        .receive(
            scene.now,
            conn,
            Message::Connect {
                token: None,
                state: 1,
            },
        )
        .unwrap();
    let mut asked = 0_u32;
    while scene
        .world
        .receive(scene.now, conn, Message::KeepAlive)
        .is_ok()
    {
        asked += 1;
        assert!(asked < 10_000, "its questions pile up without end");
    }
    assert_eq!(scene.world.next_message(conn), None);
    assert!(scene.world.hangs_up(conn));
    assert!(matches!(scene.events().last(), Some(What::Offline { .. })));
}
