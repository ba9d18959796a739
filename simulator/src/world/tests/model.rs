//! World and phone, joined in memory, against a model of a hundred lines: whatever happens to the connection, the user and the apps, the phone shows
//! what the model says, in its order, and the feedback lists hold what was acknowledged as gone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::phone::Outcome;

/// Never removed: the last push app would take the connection with it [C-15].
const KEPT: &str = "com.example.Kept";
const APPS: [&str; 2] = [MAIL, CHAT];
const START: u64 = 1_700_000_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    Push(usize, Option<i32>),
    Pump,
    /// The phone hears what the world says; what it answers stays unsaid for now.
    Hear,
    /// It says what it has to say; what the world answers stays unheard for now.
    Speak,
    Break,
    Airplane(bool),
    Uninstall(usize),
    Install(usize),
    Later(u64),
    ReadFeedback(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let expiry = prop_oneof![
        2 => Just(None),
        1 => Just(Some(0)),
        2 => (1_700_000_000..1_700_000_100).prop_map(Some),
    ];
    let app = 0..APPS.len();
    prop_oneof![
        8 => (app.clone(), expiry).prop_map(|(app, expiry)| Step::Push(app, expiry)),
        4 => Just(Step::Pump),
        4 => Just(Step::Hear),
        3 => Just(Step::Speak),
        2 => Just(Step::Break),
        2 => any::<bool>().prop_map(Step::Airplane),
        1 => app.clone().prop_map(Step::Uninstall),
        2 => app.clone().prop_map(Step::Install),
        1 => (0..40_u64).prop_map(Step::Later),
        1 => app.prop_map(Step::ReadFeedback),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    number: usize,
    app: usize,
    expiry: Option<i32>,
}

/// What should be so.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    /// APNs has a connection; `deaf`: the phone does not listen to it any more.
    line: bool,
    deaf: bool,
    airplane: bool,
    /// The step it is at, and the one at which each app's registration last reached APNs.
    step: usize,
    since: [usize; 2],
    gone: [bool; 2],
    removed: [bool; 2],
    /// An app waits for its token; its request is still to be said; APNs' answer is still to be heard.
    owed: [bool; 2],
    ask: [bool; 2],
    reply: [bool; 2],
    listed: [bool; 2],
    stored: BTreeMap<usize, Sent>,
    /// On its way, and arrived but not acknowledged (`true`: the app was there).
    wire: Vec<Sent>,
    unsaid: Vec<(Sent, bool)>,
    shown: Vec<usize>,
}

impl Model {
    fn push(&mut self, sent: Sent) {
        match (self.gone[sent.app], self.line) {
            (true, _) => {}
            (false, true) => self.wire.push(sent),
            (false, false) => self.keep(sent),
        }
    }

    fn keep(&mut self, sent: Sent) {
        if sent
            .expiry
            .is_none_or(|at| u64::from(at.unsigned_abs()) > self.now)
        {
            self.stored.insert(sent.app, sent);
        }
    }

    fn later(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        self.stored.retain(|_, sent| {
            sent.expiry
                .is_none_or(|at| u64::from(at.unsigned_abs()) > now)
        });
    }

    fn hear(&mut self) {
        if !self.line || self.deaf {
            return;
        }
        for sent in std::mem::take(&mut self.wire) {
            let there = !self.removed[sent.app];
            if there && !self.shown.contains(&sent.number) {
                self.shown.push(sent.number);
            }
            self.unsaid.push((sent, there));
        }
        for app in 0..APPS.len() {
            if std::mem::take(&mut self.reply[app]) && std::mem::take(&mut self.owed[app]) {
                self.ask[app] = false;
            }
        }
    }

    /// Acknowledgements go first, then requests.
    fn speak(&mut self) {
        if !self.line || self.deaf || self.airplane {
            return;
        }
        for (sent, there) in std::mem::take(&mut self.unsaid) {
            if !there && !self.gone[sent.app] && self.since[sent.app] <= sent.number {
                self.gone[sent.app] = true;
                self.listed[sent.app] = true;
            }
        }
        for app in 0..APPS.len() {
            if std::mem::take(&mut self.ask[app]) {
                self.gone[app] = false;
                self.since[app] = self.step;
                self.reply[app] = true;
            }
        }
    }

    fn break_line(&mut self) {
        self.line = false;
        self.deaf = false;
        self.ask = self.owed;
        self.reply = [false; 2];
        let arrived = std::mem::take(&mut self.unsaid)
            .into_iter()
            .map(|(sent, _)| sent);
        for sent in arrived
            .chain(std::mem::take(&mut self.wire))
            .collect::<Vec<_>>()
        {
            if !self.gone[sent.app] {
                self.keep(sent);
            }
        }
    }

    fn pump(&mut self) {
        if self.deaf {
            self.break_line();
        }
        if self.airplane {
            return;
        }
        if !std::mem::replace(&mut self.line, true) {
            self.wire = std::mem::take(&mut self.stored).into_values().collect();
            self.wire.sort_by_key(|sent| sent.number);
            self.hear();
        }
        for _ in 0..2 {
            self.speak();
            self.hear();
        }
    }

    fn install(&mut self, app: usize, there: bool) {
        self.owed[app] = there;
        self.ask[app] = there;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn world_and_phone_do_what_the_model_says(steps in prop::collection::vec(step(), 1..80)) {
        let mut scene = scene();
        scene.line.phone.install(KEPT, "Kept", true).unwrap();
        scene.line.phone.register(KEPT, Types::ALL).unwrap();
        scene.pump();
        let tokens = APPS.map(|topic| scene.token(topic));
        let mut model = Model { now: START, line: true, ..Model::default() };
        for (number, step) in steps.into_iter().enumerate() {
            model.step = number;
            match step {
                Step::Push(app, expiry) => {
                    let pushed = scene.push_to(tokens[app].clone(), APPS[app], expiry, &number.to_string());
                    prop_assert_eq!(pushed, ACCEPTED);
                    model.push(Sent { number, app, expiry });
                }
                Step::Pump => {
                    scene.pump();
                    model.pump();
                }
                Step::Hear => {
                    scene.line.hear(scene.now, &mut scene.world);
                    model.hear();
                }
                Step::Speak => {
                    if model.line && !model.deaf && !model.airplane {
                        scene.line.speak(scene.now, &mut scene.world).unwrap();
                    }
                    model.speak();
                }
                Step::Break => {
                    scene.line.drop_line(scene.now, &mut scene.world);
                    model.break_line();
                }
                Step::Airplane(on) => {
                    scene.line.phone.set_airplane(on);
                    model.airplane = on;
                    model.deaf |= on && model.line;
                }
                Step::Uninstall(app) => {
                    let done = scene.line.phone.uninstall(APPS[app]).is_ok();
                    prop_assert_eq!(done, !std::mem::replace(&mut model.removed[app], true));
                    model.install(app, false);
                }
                Step::Install(app) => {
                    let done = scene.line.phone.install(APPS[app], "App", true).is_ok();
                    prop_assert_eq!(done, std::mem::take(&mut model.removed[app]));
                    if done {
                        scene.line.phone.register(APPS[app], Types::ALL).unwrap();
                        model.install(app, true);
                    }
                }
                Step::Later(seconds) => {
                    scene.now += Duration::from_secs(seconds);
                    scene.world.expire(scene.now);
                    model.later(seconds);
                }
                Step::ReadFeedback(app) => {
                    let provider = Provider::new(APPS[app], Environment::Sandbox);
                    let snapshot = scene.world.feedback(&provider);
                    scene.world.feedback_read(scene.now, &provider, &snapshot);
                    model.listed[app] = false;
                }
            }
            compare(&scene, &model, &tokens)?;
        }
        scene.line.phone.set_airplane(false);
        model.airplane = false;
        model.step += 1;
        scene.pump();
        model.pump();
        compare(&scene, &model, &tokens)?;
        prop_assert_eq!(scene.world.stored_len(), 0);
        for (app, topic) in APPS.into_iter().enumerate().filter(|(app, _)| !model.removed[*app]) {
            prop_assert_eq!(scene.token(topic), tokens[app].clone(), "a token is for good");
        }
    }
}

fn compare(scene: &Scene, model: &Model, tokens: &[Token; 2]) -> Result<(), TestCaseError> {
    let shown: Vec<usize> = scene
        .line
        .phone
        .history()
        .filter(|received| received.outcome == Outcome::Shown)
        .map(|received| text(&received.payload).parse().unwrap())
        .collect();
    prop_assert_eq!(&shown, &model.shown);
    prop_assert_eq!(scene.world.stored_len(), model.stored.len());
    for (app, topic) in APPS.into_iter().enumerate() {
        let listed: Vec<_> = scene
            .feedback(topic)
            .into_iter()
            .map(|(_, token)| token)
            .collect();
        let expected: &[Token] = if model.listed[app] {
            &tokens[app..=app]
        } else {
            &[]
        };
        prop_assert_eq!(&listed[..], expected, "{}", topic);
    }
    Ok(())
}
