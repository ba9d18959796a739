//! Random lives, and what must hold in each: not computed by a second contract but read off what the backends, the phones and the
//! store have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apns_gateway::contract::{AppOptions, Mode};
use apns_gateway::verdict::{ErrorCode, GoAway, Outcome, Reason};
use apns_proto::Status;
use apns_proto::server::Reply;
use proptest::prelude::*;

use crate::frames::token;
use crate::http2::{Apns, answer, refusal};
use crate::life::{Action, BACKENDS, Life, Manners, PHONES};
use crate::world::{Told, World};

fn action() -> impl Strategy<Value = Action> {
    let backend = 0..BACKENDS;
    let phones = prop::collection::vec(1..=PHONES, 1..12);
    prop_oneof![
        8 => (backend.clone(), phones).prop_map(|(backend, phones)| Action::Write { backend, phones }),
        1 => backend.clone().prop_map(|backend| Action::WriteMalformed { backend }),
        1 => backend.clone().prop_map(|backend| Action::Close { backend }),
        5 => (backend.clone(), 1_usize..2_000).prop_map(|(backend, len)| Action::Read { backend, len }),
        4 => backend.clone().prop_map(|backend| Action::Answer { backend }),
        4 => backend.clone().prop_map(|backend| Action::Serve { backend }),
        5 => (1_usize..20).prop_map(|rows| Action::Push { rows }),
        5 => (1_usize..20).prop_map(|rows| Action::UpstreamReads { rows }),
        2 => Just(Action::Quiet),
        1 => Just(Action::AnswerWait),
        3 => Just(Action::Dispatch),
        3 => Just(Action::BareClose),
        3 => (1..=PHONES).prop_map(|phone| Action::Uninstall { phone }),
        2 => (1..=PHONES, any::<bool>()).prop_map(|(phone, gone)| Action::Gone { phone, gone }),
        3 => (1..=PHONES, outcome()).prop_map(|(phone, outcome)| Action::Trouble { phone: Some(phone), outcome: Some(outcome) }),
        2 => prop::option::of(outcome()).prop_map(|outcome| Action::Trouble { phone: None, outcome }),
        1 => (1..=PHONES).prop_map(|phone| Action::Reinstall { phone }),
        1 => any::<bool>().prop_map(|wrong| Action::Environment { wrong }),
        1 => (1_u64..12).prop_map(|hours| Action::HoursPass { hours }),
        1 => Just(Action::Requeue),
        1 => Just(Action::Crash),
        1 => (backend, 1_usize..2_000).prop_map(|(backend, len)| Action::ReadAndCrash { backend, len }),
    ]
}

/// What can become of a push over HTTP/2, beside what its token deserves.
fn outcome() -> impl Strategy<Value = Outcome> {
    let answered = prop::sample::select(Reason::ALL)
        .prop_filter(
            "what a token deserves is for the token to say",
            |(_, reason)| {
                let word = reason.as_str();
                ![
                    "BadDeviceToken",
                    "DeviceTokenNotForTopic",
                    "Unregistered",
                    "ExpiredToken",
                ]
                .contains(&word)
            },
        )
        .prop_map(|(status, reason)| refusal(status, reason.as_str()));
    let goodbye = prop::sample::select(&["", r#"{"reason":"BadCertificateEnvironment"}"#])
        .prop_map(|data| GoAway::new(0, ErrorCode::NO_ERROR, data.as_bytes()).unprocessed());
    prop_oneof![
        4 => answered,
        2 => any::<u16>().prop_filter("that is a delivery", |status| !(200..300).contains(status) && *status != 410).prop_map(|status| answer(status, "")),
        2 => goodbye,
        2 => any::<bool>().prop_map(|alone| Outcome::Lost { alone }),
        1 => Just(Outcome::Unanswered),
        1 => (0_u32..16).prop_map(|code| Outcome::Reset(ErrorCode(code))),
    ]
}

impl Life {
    async fn check(&self) {
        let world = &self.world;
        if let Some(apns) = &world.upstream.http2 {
            self.check_http2(apns).await;
        }
        let letters = world.dead_letters().await;
        let buried: BTreeSet<(u64, u64)> = letters
            .iter()
            .map(|letter| (letter.row.connection, letter.row.seq))
            .collect();
        let shown: BTreeSet<(u64, u64)> = world
            .upstream
            .shown
            .iter()
            .map(|row| (row.connection, row.seq))
            .collect();

        // No loss: what was accepted is shown or a dead letter. After a requeue places are not known any more, numbers are.
        if self.requeued {
            let ends: BTreeSet<&[u8]> = letters
                .iter()
                .map(|letter| &letter.row.payload[..])
                .chain(world.upstream.shown.iter().map(|row| &row.payload[..]))
                .collect();
            let lost: Vec<_> = world
                .accepted
                .values()
                .filter(|payload| !ends.contains(&payload[..]))
                .collect();
            assert!(lost.is_empty(), "{lost:?}");
        } else {
            let ends: BTreeSet<(u64, u64)> = buried.union(&shown).copied().collect();
            let accepted: BTreeSet<(u64, u64)> = world.accepted.keys().copied().collect();
            assert_eq!(accepted, ends);
        }

        // Nothing is shown twice but what had an unknown outcome.
        let mut times: BTreeMap<_, i64> = BTreeMap::new();
        for row in &world.upstream.shown {
            *times.entry(row.id).or_default() += 1;
        }
        for row in &world.upstream.unknown {
            *times.entry(*row).or_default() -= 1;
        }
        assert!(times.values().all(|times| *times <= 1), "{times:?}");

        // Of each wanted notification at most one copy was taken for good, however often it was sent again.
        for (number, places) in &self.places {
            let taken = places.iter().filter(|place| shown.contains(place)).count();
            assert!(taken <= 1, "notification {number} was taken {taken} times");
        }

        // What a backend listens for is taken, in the end, whatever was answered before it.
        for number in &self.promised {
            let mut places = self.places[number].iter();
            assert!(
                places.any(|place| world.accepted.contains_key(place)),
                "{number} was never taken"
            );
        }

        if world.options.mode == Mode::Continue {
            assert_eq!(world.told, []);
        }
        for told in &world.told {
            self.check_told(told);
        }
        // Where nothing was said, everything was accepted.
        for (id, frames) in &self.frames {
            let silent = world.told.iter().all(|told| told.connection != *id);
            if silent && world.connections.contains_key(id) {
                assert_eq!(
                    self.accepted_on(*id),
                    (1..=*frames).collect::<Vec<_>>(),
                    "connection {id}"
                );
            }
        }
        self.check_order();
    }

    /// One notification, one `apns-id`, over every attempt, crash and requeue; and what was a 410 is in the feedback list.
    async fn check_http2(&self, apns: &Apns) {
        let mut names = BTreeMap::new();
        let mut named = BTreeMap::new();
        for (origin, request) in &apns.attempts {
            let id = &request.headers()["apns-id"];
            let id = id.to_str().unwrap();
            assert_eq!(names.entry(*origin).or_insert(id), &id);
            assert_eq!(named.entry(id).or_insert(*origin), origin);
        }
        let feedback = self.world.feedback().await;
        assert!(feedback.keys().eq(&apns.unregistered));
    }

    fn check_told(&self, told: &Told) {
        // Everything before it is accepted, it too, and nothing behind it.
        assert_eq!(
            self.accepted_on(told.connection),
            (1..=told.seq).collect::<Vec<_>>(),
            "{told:?}"
        );
        let Reply::Packet(packet) = told.reply else {
            return;
        };
        if packet.status != Status::INVALID_TOKEN {
            // Malformed; or, late, what HTTP/2 refused for other reasons.
            let late = told.late && self.world.upstream.http2.is_some();
            assert!(
                packet.status == Status::INVALID_TOKEN_SIZE || late,
                "{told:?}"
            );
            return;
        }
        // Status 8 makes a backend purge the token. Upstream had earned that much trust, and had said so of this very token ...
        let number = u64::from(packet.identifier.to_u32());
        let about = token(self.phones[&number]);
        let history = &self.world.upstream.history[..told.history_len];
        let said = history
            .iter()
            .rposition(|(token, _)| *token == about)
            .expect("upstream never spoke of it");
        assert!(!history[said].1, "its last push was delivered");
        let delivered =
            |part: &[(_, bool)]| part.iter().filter(|(_, delivered)| *delivered).count() as u64;
        assert!(delivered(&history[..said]) >= self.world.options.trust_after);
        if told.late {
            return;
        }
        // ... and, some time after it first did, had delivered something again.
        let first = history
            .iter()
            .position(|(token, delivered)| *token == about && !delivered)
            .unwrap();
        assert!(
            delivered(&history[first..]) > 0,
            "nothing was delivered since"
        );
    }

    fn accepted_on(&self, connection: u64) -> Vec<u64> {
        let places = self
            .world
            .accepted
            .range((connection, 0)..=(connection, u64::MAX));
        places.map(|((_, seq), _)| *seq).collect()
    }

    /// Pushes to one phone are first shown in the order accepted.
    fn check_order(&self) {
        let mut newest = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for row in self
            .world
            .upstream
            .shown
            .iter()
            .filter(|row| seen.insert(row.id))
        {
            let before = newest.insert(row.token.clone(), row.id);
            // A probe of a held app takes any row.
            if self.world.alarms.is_empty() {
                assert!(
                    before.is_none_or(|before| before < row.id),
                    "{} overtook",
                    row.id
                );
            }
        }
    }
}

fn mode() -> impl Strategy<Value = Mode> {
    let answer_wait = Duration::from_secs(2);
    prop_oneof![
        2 => Just(Mode::NextTime),
        1 => Just(Mode::Continue),
        2 => Just(Mode::Exact { answer_wait }),
    ]
}

fn manners() -> impl Strategy<Value = Manners> {
    prop_oneof![
        3 => Just(Manners::SendsAgain),
        1 => Just(Manners::Forgets),
        1 => Just(Manners::NeverReads),
        1 => Just(Manners::WritesAndCloses),
        1 => Just(Manners::OneAtATime),
    ]
}

fn live(over_http2: bool, manners: [Manners; BACKENDS], options: AppOptions, actions: &[Action]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = match over_http2 {
            true => World::over_http2(options).await,
            false => World::new(options).await,
        };
        let mut life = Life::new(world, manners);
        for action in actions {
            life.act(action).await;
        }
        life.end().await;
        life.check().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_promise_holds_whatever_happens(
        over_http2 in any::<bool>(),
        manners in prop::array::uniform3(manners()),
        mode in mode(),
        trust_after in 0_u64..12,
        dead_tokens_max in 1_usize..6,
        actions in prop::collection::vec(action(), 40..160),
    ) {
        live(over_http2, manners, AppOptions { mode, trust_after, dead_tokens_max }, &actions);
    }
}

#[tokio::test]
async fn a_life_that_is_known_to_meet_answers_meets_them() {
    // The properties above say little where nothing is ever answered.
    let options = AppOptions {
        mode: Mode::NextTime,
        trust_after: 2,
        dead_tokens_max: 100,
    };
    let manners = [Manners::SendsAgain; BACKENDS];
    let mut life = Life::new(World::new(options).await, manners);
    life.write(0, &[1, 2, 3, 4]);
    life.world.upstream.bad.insert(token(4));
    let id = life.connection(0);
    life.world.serve(id).await;
    life.write(0, &[1]);
    life.world.serve(id).await;
    life.world.dispatch().await;
    life.write(0, &[1, 4, 2, 3]);
    life.world.serve(id).await;
    life.listen();
    assert_eq!(life.backends[0].again.len(), 2);
    life.write(0, &[]);
    life.end().await;
    life.check().await;
    assert_eq!(
        (life.world.told.len(), life.world.counts().delivered),
        (1, 7)
    );
    let shown = life.world.shown();
    assert_eq!(shown, [1, 2, 3, 5, 6, 8, 9]);
}
