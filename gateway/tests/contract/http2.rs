//! The same side over HTTP/2: a stream for each notification, an answer for each stream, and what else can become of one.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use apns_gateway::contract::{AppOptions, Pushed, expired};
use apns_gateway::store::{End, Row, RowId, Settlement};
use apns_gateway::translate::Envelope;
use apns_gateway::verdict::{Answer, Auth, Outcome, Retry, Verdict, When};
use apns_proto::Token;
use http::Request;

use crate::upstream::Flight;
use crate::world::World;

/// The second of which a 410 speaks.
pub(crate) const GONE_SINCE: u32 = 1_700_000_000;

/// APNs behind HTTP/2, and what the gateway remembers of it.
#[derive(Default)]
pub(crate) struct Apns {
    /// Tokens whose app is gone from the phone.
    pub(crate) gone: HashSet<Token>,
    /// What becomes of the next pushes to a token, one after the other.
    pub(crate) next: BTreeMap<Token, VecDeque<Outcome>>,
    /// What becomes of every push, while it lasts.
    pub(crate) trouble: Option<Outcome>,
    /// Every attempt: the key the notification was first accepted under, and the request.
    pub(crate) attempts: Vec<(RowId, Request<()>)>,
    /// Tokens of which the gateway has learned that they are gone.
    pub(crate) unregistered: BTreeSet<Token>,
    /// Rows that wait for their time to come again.
    aside: BTreeSet<RowId>,
}

/// An answer.
pub(crate) fn answer(status: u16, body: &str) -> Outcome {
    Outcome::Answered(Answer::new(status, body.as_bytes()))
}

/// An answer with a reason.
pub(crate) fn refusal(status: u16, reason: &str) -> Outcome {
    answer(status, &format!(r#"{{"reason":"{reason}"}}"#))
}

impl World {
    /// A gateway whose upstream speaks HTTP/2.
    pub(crate) async fn over_http2(options: AppOptions) -> Self {
        let mut world = Self::new(options).await;
        world.upstream.http2 = Some(Apns::default());
        world
    }

    pub(crate) fn apns(&mut self) -> &mut Apns {
        self.upstream.http2.as_mut().unwrap()
    }

    /// The app is gone from a phone, or there again; only HTTP/2 can tell.
    pub(crate) fn gone(&mut self, token: &Token, gone: bool) {
        if let Some(apns) = &mut self.upstream.http2 {
            match gone {
                true => apns.gone.insert(token.clone()),
                false => apns.gone.remove(token),
            };
        }
    }

    /// What becomes of the next push to a phone, or of all pushes until it is over; `None`: everything is over. Means nothing
    /// over the binary protocol.
    pub(crate) fn trouble(&mut self, token: Option<&Token>, outcome: Option<Outcome>) {
        match (token, &mut self.upstream.http2) {
            (Some(token), Some(_)) => self.next(token, outcome),
            (None, Some(apns)) => {
                if outcome.is_none() {
                    apns.next.clear();
                }
                apns.trouble = outcome;
            }
            (_, None) => {}
        }
    }

    /// The next pushes to this token become that.
    pub(crate) fn next(&mut self, token: &Token, outcomes: impl IntoIterator<Item = Outcome>) {
        self.apns()
            .next
            .entry(token.clone())
            .or_default()
            .extend(outcomes);
    }

    /// Whatever waits for another attempt need not wait any longer.
    pub(crate) fn time_comes(&mut self) {
        if let Some(apns) = &mut self.upstream.http2 {
            apns.aside.clear();
        }
    }

    /// Opens a stream for up to `rows_max` notifications, in the order accepted; none to a token one of whose earlier ones is
    /// under way or waits (order contract, rule 12). While held, for one at random and only one.
    pub(crate) async fn open_streams(&mut self, rows_max: usize) {
        if self.contract.held().is_some() {
            if self.in_flight.is_empty() {
                let blamed = self.contract.blamed();
                let drawn = self.store.random_row(self.app.id, blamed).await.unwrap();
                self.open(Vec::from_iter(drawn)).await;
            }
            return;
        }
        let page = self
            .store
            .page(self.app.id, None, usize::MAX, usize::MAX)
            .await
            .unwrap();
        let mut busy: HashSet<Token> = self
            .in_flight
            .iter()
            .map(|flight| flight.row.token.clone())
            .collect();
        let aside = &self.upstream.http2.as_ref().unwrap().aside;
        let rows = page
            .into_iter()
            .filter(|row| busy.insert(row.token.clone()) && !aside.contains(&row.id))
            .take(rows_max)
            .collect();
        self.open(rows).await;
    }

    async fn open(&mut self, rows: Vec<Row>) {
        let mut settlements = Vec::new();
        for row in rows {
            if expired(&row, self.now) {
                settlements.push(Settlement {
                    row: row.id,
                    token: row.token.clone(),
                    end: End::Expired,
                });
                continue;
            }
            let envelope = Envelope::new(
                "api.push.apple.com".parse().unwrap(),
                "com.example.Mail",
                false,
                self.store.installation(),
            );
            let request = envelope.unwrap().request(&row, self.now);
            self.apns().attempts.push((row.origin, request));
            self.in_flight.push_back(Flight::new(row));
        }
        self.settle(settlements, Vec::new()).await;
    }

    /// APNs looks at the first `rows_max` streams; the gateway does not know yet what it thinks.
    pub(crate) fn read_streams(&mut self, rows_max: usize) {
        let upstream = &mut self.upstream;
        let apns = upstream.http2.as_mut().unwrap();
        let unread = self
            .in_flight
            .iter_mut()
            .take(rows_max)
            .filter(|flight| !flight.is_read());
        for flight in unread {
            let token = &flight.row.token;
            let scripted = apns.next.get_mut(token).and_then(VecDeque::pop_front);
            let trouble = scripted.or_else(|| apns.trouble.clone());
            let refused = if upstream.wrong_environment || upstream.bad.contains(token) {
                Some(refusal(400, "BadDeviceToken"))
            } else {
                let body = format!(r#"{{"reason":"Unregistered","timestamp":{GONE_SINCE}999}}"#);
                apns.gone.contains(token).then(|| answer(410, &body))
            };
            if let (Some(trouble), None) = (&trouble, &refused)
                && trouble.is_unknown()
            {
                // Its phone has it, and the gateway does not know.
                upstream.shown.push(flight.row.clone());
                upstream.unknown.push(flight.row.id);
            }
            flight.outcome = trouble.or(refused);
            if flight.outcome.is_none() {
                flight.shown = true;
                upstream.shown.push(flight.row.clone());
            }
        }
    }

    /// What became of the streams APNs has looked at is learned, in their order.
    pub(crate) async fn answers_arrive(&mut self) {
        let mut outcome = (Vec::new(), Vec::new());
        let (read, unread) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(Flight::is_read);
        self.in_flight = unread;
        for flight in read {
            let became = flight.outcome.unwrap_or_else(|| answer(200, ""));
            let mut verdict = Verdict::of_http2(&became, Auth::FreshToken);
            if let Outcome::Answered(_) = became {
                let pushed = Pushed::from(&flight.row);
                verdict = self.contract.weigh(&pushed, verdict);
            }
            match verdict {
                Verdict::Unregistered { .. } => {
                    let token = flight.row.token.clone();
                    self.apns().unregistered.insert(token);
                }
                Verdict::Retry(Retry {
                    when: When::After(_) | When::BackOff(_),
                    ..
                }) => {
                    self.apns().aside.insert(flight.row.id);
                }
                _ => {}
            }
            self.judge(&flight.row, verdict, &became.to_string(), &mut outcome);
        }
        self.settle(outcome.0, outcome.1).await;
    }

    /// The tokens in the feedback list.
    pub(crate) async fn feedback(&self) -> BTreeMap<Token, u32> {
        let page = self.store.feedback_page(self.app.id, None, usize::MAX);
        let rows = page.await.unwrap();
        rows.into_iter()
            .map(|row| (row.tuple.token, row.tuple.timestamp))
            .collect()
    }

    /// The `apns-id` of every attempt at the notification first accepted under each key.
    pub(crate) fn ids(&mut self) -> BTreeMap<RowId, BTreeSet<String>> {
        let mut ids: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (origin, request) in &self.apns().attempts {
            let id = request.headers()["apns-id"].to_str().unwrap().to_owned();
            ids.entry(*origin).or_default().insert(id);
        }
        ids
    }
}
