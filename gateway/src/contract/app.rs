//! What one app has learned from upstream: trust, hold, dead tokens (rules 4 to 7).

use std::fmt;
use std::time::SystemTime;

use apns_proto::feedback::Tuple;
use apns_proto::{Status, Token};

use super::blame::Blame;
use super::dead_tokens::{DeadTokens, Known};
use super::mode::Mode;
use crate::store::{
    AppState, DeadTokenChange, End, Hold, Row, RowId, Settle, Settlement, Trust, unix_seconds,
};
use crate::verdict::{Class, Fault, Misconfiguration, Place, Retry, Verdict, When};

/// Refusals in a row that hold an app whose upstream has not earned trust yet.
const HOLD_BEFORE_TRUST: u32 = 10;

/// The same once it has.
const HOLD_AFTER_TRUST: u32 = 100;

/// How many of upstream's last answers are remembered; one of them must have been a delivery.
const RECENT: u32 = 5;

/// What the operator may choose about an app.
#[derive(Clone, Copy, Debug)]
pub struct AppOptions {
    /// How its backends are answered.
    pub mode: Mode,
    /// Deliveries, or 410s, after which upstream's bad-token verdicts are believed; 0 believes all of them from the first on. An entry
    /// answers only after a later delivery all the same.
    pub trust_after: u64,
    /// Entries of the dead-token table; beyond them the least recently used goes.
    pub dead_tokens_max: usize,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            trust_after: 10,
            dead_tokens_max: 1_000_000,
        }
    }
}

/// One (topic, environment) pair.
#[derive(Debug)]
pub struct App {
    options: AppOptions,
    trust: Trust,
    held: Option<Hold>,
    dead_tokens: DeadTokens,
    blame: Blame,
    /// Of the dead-token table, since the last [`App::settle`].
    changes: Vec<DeadTokenChange>,
}

/// What has to be known of a row to judge what became of it; kept while it is in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The row.
    pub row: RowId,
    /// Where it came from; 0 = nobody to tell.
    pub connection: u64,
    /// Its place there.
    pub seq: u64,
    /// Whom it was for.
    pub token: Token,
}

impl From<&Row> for Pushed {
    fn from(row: &Row) -> Self {
        Self {
            row: row.id,
            connection: row.connection,
            seq: row.seq,
            token: row.token.clone(),
        }
    }
}

/// What follows from one verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// To be stored; none where the row stays queued.
    pub settlement: Option<Settlement>,
    /// To be told, after the settlement is stored, to the connection it came on.
    pub late: Option<Late>,
    /// To be logged, and counted.
    pub alarm: Option<Alarm>,
}

/// What became of a notification, on its way to the connection that it came on: [`Receipt::late`](super::Receipt::late) decides
/// whether that can still be told (rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// The connection.
    pub connection: u64,
    /// The notification's place on it.
    pub seq: u64,
    /// The status of a rejection; none where there is nothing to say, and what waits behind it may go on.
    pub status: Option<Status>,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A bad-token verdict was not believed: no packet, no entry, a dead letter.
    NotBelieved(Disbelief),
    /// Upstream refused what this gateway made of a notification, or for a reason nobody knows: a dead letter.
    Fault(String),
    /// Nothing is sent any more but a probe a minute.
    Held(String),
    /// A delivery or a 410 ended the hold.
    Released,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBelieved(why) => write!(f, "bad-token verdict not believed: {why}"),
            Self::Fault(said) => write!(f, "request refused that the gateway made: {said}"),
            Self::Held(reason) => write!(f, "app held: {reason}"),
            Self::Released => f.write_str("app released by a delivery or a 410"),
        }
    }
}

/// Why a bad-token verdict is not believed. A backend purges what we call a bad token, so a wrong verdict must not get that
/// far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Too few deliveries since the scope changed.
    Untrusted {
        /// Deliveries so far.
        vouched: u64,
        /// Deliveries needed.
        trust_after: u64,
    },
    /// No delivery among upstream's last answers.
    NoRecentDelivery,
    /// The app is held.
    Held,
}

impl fmt::Display for Disbelief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted {
                vouched,
                trust_after,
            } => write!(f, "{vouched} deliveries so far, {trust_after} make trust"),
            Self::NoRecentDelivery => write!(f, "no delivery among the last {RECENT} answers"),
            Self::Held => f.write_str("the app is held"),
        }
    }
}

impl App {
    /// An app as the store knows it.
    pub fn new(state: &AppState, options: AppOptions) -> Self {
        let mut app = Self {
            options,
            trust: state.trust,
            held: state.held.clone(),
            dead_tokens: DeadTokens::new(&state.dead_tokens, options.dead_tokens_max),
            blame: Blame::default(),
            changes: Vec::new(),
        };
        app.evict();
        app
    }

    /// Forgets what it has learned, as the store already has: the app's upstream or credentials are others now.
    pub fn begin_anew(&mut self, state: &AppState) {
        *self = Self::new(state, self.options);
    }

    /// What upstream's answer to a push is worth, before it is [judged](App::judge). That the configuration is wrong is not, if upstream has taken other pushes
    /// since it last said so of this one (rule 7): then it is this push that it refuses, and another attempt is charged to it.
    pub fn weigh(&mut self, pushed: &Pushed, verdict: Verdict) -> Verdict {
        let Verdict::Misconfigured(why) = verdict else {
            return verdict;
        };
        let vouched = self.trust.vouched;
        if !self.blame.put(pushed.row, &pushed.token, why, vouched) || self.held.is_some() {
            return verdict;
        }
        self.trust.bad_run = self.trust.bad_run.saturating_add(1);
        if self.trust.bad_run >= self.bad_run_max() {
            self.blame.believe(why);
            return verdict;
        }
        Verdict::Retry(Retry {
            when: When::BackOff(Class::Blamed),
            place: Place::Same,
        })
    }

    /// What a held app should not probe with if it has anything else: the tokens of pushes of which upstream said that the configuration is wrong.
    pub fn blamed(&self) -> Vec<Token> {
        self.blame.tokens().cloned().collect()
    }

    /// What upstream's answer to a push means; `said` is its words, for people. Judge answers in the order of the rows.
    pub fn judge(
        &mut self,
        pushed: &Pushed,
        verdict: Verdict,
        said: &dyn fmt::Display,
        now: SystemTime,
    ) -> Judged {
        let mut judged = self.judge_push(pushed, verdict, said, unix_seconds(now));
        if judged.settlement.is_some() {
            self.blame.settled(pushed.row);
        }
        match self.options.mode {
            Mode::NextTime => {}
            Mode::Continue => judged.late = None,
            Mode::Exact { .. } => {
                if judged.settlement.is_some() {
                    judged.late = judged.late.or_else(|| late(pushed, None));
                }
            }
        }
        judged
    }

    fn judge_push(
        &mut self,
        pushed: &Pushed,
        verdict: Verdict,
        said: &dyn fmt::Display,
        now: u64,
    ) -> Judged {
        match verdict {
            Verdict::Delivered => self.delivered(pushed),
            Verdict::BadToken { status, lifetime } => {
                let expires_at = now.saturating_add(lifetime.as_secs());
                self.bad_token(pushed, status, said, now, expires_at)
            }
            Verdict::Unregistered { since } => {
                // A clock that is ahead of ours would make tokens of the future dead.
                self.unregistered(pushed, said, since.unwrap_or(now).min(now))
            }
            Verdict::Refused { status, fault } => self.refused(pushed, status, said, fault),
            Verdict::Misconfigured(why) => Judged {
                alarm: self.misconfigured(said, why),
                ..Judged::default()
            },
            Verdict::Retry(Retry { when, .. }) => {
                // What costs the notification nothing was no answer to it.
                if matches!(when, When::BackOff(_)) {
                    self.answered(false);
                }
                Judged::default()
            }
        }
    }

    /// Upstream says that the configuration is wrong, whatever it was sent (rule 7).
    fn misconfigured(&mut self, said: &dyn fmt::Display, why: Misconfiguration) -> Option<Alarm> {
        self.answered(false);
        self.hold(format!("upstream answers {said}: {why}"))
    }

    /// Stops the app for a reason that is no token's fault (rule 7): a configuration verdict, a refused certificate. The
    /// alarm is for the log; none where the app was held before. Store it with a [`App::settle`], even of no rows.
    pub fn hold(&mut self, reason: String) -> Option<Alarm> {
        if self.held.is_some() {
            return None;
        }
        if self.dead_tokens.remove_waiting(self.trust.vouched) {
            self.changes.push(DeadTokenChange::DeleteWaiting {
                vouched: self.trust.vouched,
            });
        }
        self.held = Some(Hold {
            reason: reason.clone(),
            by_operator: false,
        });
        Some(Alarm::Held(reason))
    }

    /// Stops the app because somebody says so: nothing is sent, not even a probe, and no delivery ends it but [`App::resume`].
    pub fn hold_by_operator(&mut self, reason: String) {
        self.held = Some(Hold {
            reason,
            by_operator: true,
        });
    }

    /// Ends a hold, whoever made it, because somebody says so.
    pub fn resume(&mut self) {
        // What led to it does not lead to the next one.
        self.trust.bad_run = 0;
        self.held = None;
    }

    /// Why nothing may be sent but a probe a minute, or nothing at all, if so.
    pub fn held(&self) -> Option<&str> {
        self.held.as_ref().map(|hold| &*hold.reason)
    }

    /// Whether it is on hold and may find out by itself that it need not be.
    pub fn probes(&self) -> bool {
        self.held.as_ref().is_some_and(|hold| !hold.by_operator)
    }

    /// What upstream's verdicts are worth.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Entries of the dead-token table.
    pub fn dead_tokens(&self) -> usize {
        self.dead_tokens.len()
    }

    /// Everything to be stored with these settlements: one commit. Make it and send it in one place per app, so that no older
    /// state overtakes a newer one.
    pub fn settle(&mut self, rows: Vec<Settlement>) -> Settle {
        Settle {
            rows,
            dead_tokens: std::mem::take(&mut self.changes),
            trust: self.trust,
            held: self.held.clone(),
        }
    }

    /// These tokens were requeued: whatever was known against them is not, any more. The store has forgotten it already.
    pub fn forget(&mut self, tokens: &[Token]) {
        for token in tokens {
            self.dead_tokens.remove(token);
        }
    }

    /// What to answer about a token at once, if anything.
    pub(super) fn known_bad(&mut self, token: &Token, now: u64) -> Option<Known> {
        if self.options.mode == Mode::Continue {
            return None;
        }
        self.dead_tokens.answer(token, now, self.trust.vouched)
    }

    fn delivered(&mut self, pushed: &Pushed) -> Judged {
        Judged {
            settlement: Some(Settlement {
                row: pushed.row,
                token: pushed.token.clone(),
                end: End::Delivered,
            }),
            late: None,
            alarm: self.vouched(&pushed.token),
        }
    }

    /// Silence, and a feedback tuple in the same commit (rule 5).
    fn unregistered(&mut self, pushed: &Pushed, said: &dyn fmt::Display, since: u64) -> Judged {
        let tuple = Tuple {
            // The wire has 32 bits, until 2106.
            timestamp: u32::try_from(since).unwrap_or(u32::MAX),
            token: pushed.token.clone(),
        };
        Judged {
            settlement: Some(Settlement {
                row: pushed.row,
                token: pushed.token.clone(),
                end: End::Unregistered {
                    tuple,
                    reason: refusal(said),
                },
            }),
            late: None,
            alarm: self.vouched(&pushed.token),
        }
    }

    /// Upstream knows this token to be one of the app: that is worth trust, and ends a hold.
    fn vouched(&mut self, token: &Token) -> Option<Alarm> {
        self.trust.vouched += 1;
        self.trust.bad_run = 0;
        self.answered(true);
        // Whatever was said of it before.
        if self.dead_tokens.remove(token) {
            self.changes.push(DeadTokenChange::Delete(token.clone()));
        }
        self.held
            .take_if(|hold| !hold.by_operator)
            .map(|_| Alarm::Released)
    }

    fn refused(
        &mut self,
        pushed: &Pushed,
        status: Status,
        said: &dyn fmt::Display,
        fault: Fault,
    ) -> Judged {
        self.answered(false);
        let alarm = match fault {
            Fault::Backend => None,
            // Whatever is wrong may be wrong with all of them, and they would all be dead letters soon.
            Fault::Gateway => self
                .hold_after_a_run(said)
                .or_else(|| Some(Alarm::Fault(said.to_string()))),
        };
        Judged {
            settlement: Some(rejected(pushed, status, refusal(said))),
            late: late(pushed, Some(status)),
            alarm,
        }
    }

    fn bad_token(
        &mut self,
        pushed: &Pushed,
        status: Status,
        said: &dyn fmt::Display,
        now: u64,
        expires_at: u64,
    ) -> Judged {
        let disbelief = self.disbelief();
        self.answered(false);
        if disbelief.is_none() {
            let vouched = self.trust.vouched;
            let entry = self
                .dead_tokens
                .put(&pushed.token, status, now, expires_at, vouched);
            self.changes.push(DeadTokenChange::Put(entry));
            self.evict();
        }
        let held = self.hold_after_a_run(said);
        let reason = match disbelief {
            None => refusal(said),
            Some(why) => format!("{}, not believed: {why}", refusal(said)),
        };
        let told = disbelief.is_none() && self.held.is_none();
        Judged {
            settlement: Some(rejected(pushed, status, reason)),
            late: late(pushed, Some(status)).filter(|_| told),
            alarm: held.or_else(|| disbelief.map(Alarm::NotBelieved)),
        }
    }

    /// Why a bad-token verdict that comes now is not believed.
    fn disbelief(&self) -> Option<Disbelief> {
        let Trust {
            vouched, recent, ..
        } = self.trust;
        let trust_after = self.options.trust_after;
        if self.held.is_some() {
            Some(Disbelief::Held)
        } else if trust_after == 0 {
            None
        } else if vouched < trust_after {
            Some(Disbelief::Untrusted {
                vouched,
                trust_after,
            })
        } else {
            (recent == 0).then_some(Disbelief::NoRecentDelivery)
        }
    }

    /// Counts one more refusal that may be the configuration's fault, and holds the app if there were too many in a row.
    fn hold_after_a_run(&mut self, said: &dyn fmt::Display) -> Option<Alarm> {
        self.trust.bad_run = self.trust.bad_run.saturating_add(1);
        let run = self.trust.bad_run;
        if run < self.bad_run_max() {
            return None;
        }
        self.hold(format!(
            "{run} refusals in a row, the last with {said}: is the app's certificate or key of the right environment?"
        ))
    }

    /// How many refusals in a row hold it.
    fn bad_run_max(&self) -> u32 {
        if self.trust.vouched < self.options.trust_after {
            HOLD_BEFORE_TRUST
        } else {
            HOLD_AFTER_TRUST
        }
    }

    /// Notes one of upstream's answers.
    fn answered(&mut self, delivered: bool) {
        let recent = (self.trust.recent << 1) | u8::from(delivered);
        self.trust.recent = recent & ((1 << RECENT) - 1);
    }

    fn evict(&mut self) {
        while let Some(token) = self.dead_tokens.evict() {
            self.changes.push(DeadTokenChange::Delete(token));
        }
    }
}

fn refusal(said: &dyn fmt::Display) -> String {
    format!("upstream refused it with {said}")
}

fn rejected(pushed: &Pushed, status: Status, reason: String) -> Settlement {
    Settlement {
        row: pushed.row,
        token: pushed.token.clone(),
        end: End::Rejected { status, reason },
    }
}

fn late(pushed: &Pushed, status: Option<Status>) -> Option<Late> {
    let Pushed {
        connection, seq, ..
    } = *pushed;
    (connection != 0).then_some(Late {
        connection,
        seq,
        status,
    })
}
