//! The side towards upstream: what is written to the socket, read from it, and judged.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use apns_gateway::contract::{Late, Pushed, expired};
use apns_gateway::store::{End, Row, RowId, Settlement};
use apns_gateway::verdict::{Outcome, Verdict};
use apns_proto::{Status, Token};

use crate::http2::Apns;
use crate::world::World;

/// What is behind the upstream socket.
#[derive(Default)]
pub(crate) struct Upstream {
    /// Tokens that mean nothing to it.
    pub(crate) bad: HashSet<Token>,
    /// Another answer than 8, for these tokens.
    pub(crate) answers: BTreeMap<Token, Status>,
    /// Nothing is known to it at all.
    pub(crate) wrong_environment: bool,
    /// What phones have shown, in order.
    pub(crate) shown: Vec<Row>,
    /// Rows whose outcome the gateway could not know; each may be shown once more for each time it is here.
    pub(crate) unknown: Vec<RowId>,
    /// What the gateway has learned of tokens, in order: whether it is one of the app's (delivered, or a 410).
    pub(crate) history: Vec<(Token, bool)>,
    /// Set: HTTP/2 is spoken there.
    pub(crate) http2: Option<Apns>,
}

pub(crate) struct Flight {
    pub(crate) row: Row,
    /// Upstream has read and shown it; the gateway does not know yet.
    pub(crate) shown: bool,
    /// Over HTTP/2: what becomes of it otherwise; the gateway does not know yet.
    pub(crate) outcome: Option<Outcome>,
}

impl Flight {
    pub(crate) fn new(row: Row) -> Self {
        Self {
            row,
            shown: false,
            outcome: None,
        }
    }

    /// Whether upstream has looked at it.
    pub(crate) fn is_read(&self) -> bool {
        self.shown || self.outcome.is_some()
    }
}

impl World {
    /// The gateway writes up to `rows_max` rows to the upstream socket; while held, one at random and only one.
    pub(crate) async fn push(&mut self, rows_max: usize) {
        if self.upstream.http2.is_some() {
            return self.open_streams(rows_max).await;
        }
        let rows = if self.contract.held().is_some() {
            if !self.in_flight.is_empty() {
                return;
            }
            let blamed = self.contract.blamed();
            Vec::from_iter(self.store.random_row(self.app.id, blamed).await.unwrap())
        } else {
            let page = self
                .store
                .page(self.app.id, self.cursor, rows_max, usize::MAX)
                .await
                .unwrap();
            self.cursor = page.last().map(|row| row.id).or(self.cursor);
            page
        };
        let mut settlements = Vec::new();
        for row in rows {
            if expired(&row, self.now) {
                settlements.push(Settlement {
                    row: row.id,
                    token: row.token.clone(),
                    end: End::Expired,
                });
            } else {
                self.in_flight.push_back(Flight::new(row));
            }
        }
        self.settle(settlements, Vec::new()).await;
    }

    /// Upstream reads up to `rows_max` of what was written; at the first it refuses it says so, and throws away the rest.
    pub(crate) async fn upstream_reads(&mut self, rows_max: usize) {
        if self.upstream.http2.is_some() {
            return self.read_streams(rows_max);
        }
        for at in 0..self.in_flight.len().min(rows_max) {
            let flight = &mut self.in_flight[at];
            if flight.shown {
                continue;
            }
            let Some(status) = self.upstream.refuses(&flight.row.token) else {
                flight.shown = true;
                self.upstream.shown.push(flight.row.clone());
                continue;
            };
            let rest = self.in_flight.split_off(at + 1);
            let refused = self.in_flight.pop_back().unwrap();
            let mut outcome = self.confirm();
            self.cursor = Some(refused.row.id);
            assert!(rest.iter().all(|flight| !flight.shown));
            let said = format!("status {status}");
            let pushed = Pushed::from(&refused.row);
            let verdict = self.contract.weigh(&pushed, Verdict::of_binary(status));
            self.judge(&refused.row, verdict, &said, &mut outcome);
            if outcome
                .0
                .last()
                .is_none_or(|settlement| settlement.row != refused.row.id)
            {
                // It stays queued, and is next again.
                self.rewind();
            }
            self.settle(outcome.0, outcome.1).await;
            return;
        }
    }

    /// A quiet period passes: what upstream has read is confirmed. Over HTTP/2 its answers arrive.
    pub(crate) async fn quiet(&mut self) {
        if self.upstream.http2.is_some() {
            return self.answers_arrive().await;
        }
        if self.in_flight.iter().all(|flight| flight.shown) {
            let (settlements, late) = self.confirm();
            self.settle(settlements, late).await;
        }
    }

    /// Upstream hangs up without a word.
    pub(crate) fn bare_close(&mut self) {
        let lost = std::mem::take(&mut self.in_flight);
        self.upstream.unknown.extend(
            lost.iter()
                .filter(|flight| flight.shown)
                .map(|flight| flight.row.id),
        );
        self.rewind();
    }

    /// Everything that can be sent is sent and judged.
    pub(crate) async fn dispatch(&mut self) {
        loop {
            let before = self.counts();
            self.push(usize::MAX).await;
            while self.in_flight.iter().any(|flight| !flight.is_read()) {
                self.upstream_reads(usize::MAX).await;
            }
            self.quiet().await;
            if self.counts() == before || self.contract.held().is_some() {
                return;
            }
        }
    }

    /// One probe of a held app, a minute later.
    pub(crate) async fn probe(&mut self) {
        self.now += Duration::from_secs(60);
        self.push(1).await;
        self.upstream_reads(1).await;
        self.quiet().await;
    }

    fn confirm(&mut self) -> (Vec<Settlement>, Vec<Late>) {
        let mut outcome = (Vec::new(), Vec::new());
        for flight in std::mem::take(&mut self.in_flight) {
            self.judge(&flight.row, Verdict::Delivered, "silence", &mut outcome);
        }
        outcome
    }

    pub(crate) fn judge(
        &mut self,
        row: &Row,
        verdict: Verdict,
        said: &str,
        outcome: &mut (Vec<Settlement>, Vec<Late>),
    ) {
        if let Verdict::Delivered | Verdict::Unregistered { .. } | Verdict::BadToken { .. } =
            verdict
        {
            let is_known = !matches!(verdict, Verdict::BadToken { .. });
            self.upstream.history.push((row.token.clone(), is_known));
        }
        let was_held = self.contract.held().is_some();
        let judged = self
            .contract
            .judge(&Pushed::from(row), verdict, &said, self.now);
        if was_held && self.contract.held().is_none() {
            self.rewind();
        }
        self.alarms.extend(judged.alarm);
        outcome.0.extend(judged.settlement);
        outcome.1.extend(judged.late);
    }

    pub(crate) async fn settle(&mut self, settlements: Vec<Settlement>, late: Vec<Late>) {
        let settle = self.contract.settle(settlements);
        self.store.settle(self.app.id, settle).await.unwrap();
        self.audit();
        for Late {
            connection: id,
            seq,
            status,
        } in late
        {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if let Some(reply) = connection.receipt.late(seq, status, Instant::now()) {
                self.tell(id, seq, true, reply, self.upstream.history.len());
            } else {
                self.go_on(id).await;
            }
        }
    }

    /// Whatever is unsettled and not in flight is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.cursor = None;
        self.in_flight.clear();
    }
}

impl Upstream {
    fn refuses(&self, token: &Token) -> Option<Status> {
        if let Some(status) = self.answers.get(token) {
            return Some(*status);
        }
        (self.wrong_environment || self.bad.contains(token)).then_some(Status::INVALID_TOKEN)
    }
}
