//! Dead letters: looked at, and put back into the queue.

use std::sync::Arc;

use apns_net::credentials::Environment;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::app;
use super::problem::Problem;
use crate::shared::Shared;
use crate::store::{DeadLetter, DeadLetterEnd, LetterId, Requeue};

/// Letters of one answer.
const LETTERS_MAX: usize = 1_000;
const LETTERS_DEFAULT: usize = 100;

/// A page of dead letters.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Letters {
    /// In the order they died.
    pub(crate) dead_letters: Vec<Letter>,
    /// Behind which the next page begins; none at the end.
    pub(crate) next: Option<u64>,
}

/// A dead letter. Its payload stays where it is.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Letter {
    /// What to requeue it by.
    pub(crate) id: u64,
    /// UNIX seconds.
    pub(crate) died_at: u64,
    /// UNIX seconds.
    pub(crate) accepted_at: u64,
    /// For people.
    pub(crate) reason: String,
    /// The status of the refusal; none if it was given up.
    pub(crate) status: Option<u8>,
    /// The frame itself was bad: it is not requeued.
    pub(crate) malformed: bool,
    /// The backend's name.
    pub(crate) backend: String,
    /// The backend's identifier, where the frame had one.
    pub(crate) identifier: Option<u32>,
    /// The device token, in hex.
    pub(crate) token: String,
    /// Bytes of its payload.
    pub(crate) payload_len: usize,
}

/// Which to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Those behind this id.
    after: Option<u64>,
    /// How many at most.
    limit: Option<usize>,
}

/// Which to put back: one, or all that are not malformed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Requeueing {
    /// The one with this id.
    Id(u64),
    /// All of them; `true`.
    All(bool),
}

/// What a requeue did.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Requeued {
    /// How many are queued again.
    pub(crate) requeued: u64,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(Environment, String)>, PathRejection>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Letters>, Problem> {
    let app = app(&shared, path)?;
    let Query(Page { after, limit }) = page?;
    let limit = limit.unwrap_or(LETTERS_DEFAULT);
    if !(1..=LETTERS_MAX).contains(&limit) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("limit is {limit}; it can be 1 to {LETTERS_MAX}"),
        ));
    }
    let after = after.map(|serial| LetterId::of(app.id, serial));
    let letters = shared.store.dead_letters(app.id, after, limit).await?;
    let full = letters.len() == limit;
    Ok(Json(Letters {
        next: letters
            .last()
            .filter(|_| full)
            .map(|letter| letter.id.serial()),
        dead_letters: letters.into_iter().map(Letter::from).collect(),
    }))
}

pub(super) async fn requeue(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(Environment, String)>, PathRejection>,
    which: Result<Json<Requeueing>, JsonRejection>,
) -> Result<Json<Requeued>, Problem> {
    let app = app(&shared, path)?;
    let Json(which) = which?;
    let which = match which {
        Requeueing::Id(serial) => Requeue::One(LetterId::of(app.id, serial)),
        Requeueing::All(true) => Requeue::All,
        Requeueing::All(false) => return Ok(Json(Requeued { requeued: 0 })),
    };
    let requeued = shared.requeue(app, which).await?;
    if requeued == 0
        && let Requeue::One(id) = which
    {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!(
                "no dead letter {} can be put back: there is none, or its frame was malformed",
                id.serial()
            ),
        ));
    }
    Ok(Json(Requeued { requeued }))
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter {
            id,
            row,
            end,
            reason,
            malformed,
            died_at,
        } = letter;
        Self {
            id: id.serial(),
            died_at,
            accepted_at: row.accepted_at,
            reason,
            status: match end {
                DeadLetterEnd::Rejected(status) => Some(status.0),
                DeadLetterEnd::GivenUp => None,
            },
            malformed,
            backend: row.backend.to_string(),
            identifier: row.identifier.map(apns_proto::Identifier::to_u32),
            token: row.token.to_hex(),
            payload_len: row.payload.len(),
        }
    }
}
