//! Waiting for a push, and asserting what came.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Desk;
use super::super::ask::{Asked, Body, within};
use super::super::problem::Problem;
use super::view::{MissView, PushView};
use crate::inbox::{Expectation, ExpectationError, Filter, Inbox};
use crate::project::Project;
use crate::shared::Shared;
use crate::wait::wait_for;

const TIMEOUT: f64 = 10.0;
const TIMEOUT_MAX: f64 = 60.0;
/// Ids named in an answer.
const IDS_MAX: usize = 100;

/// How long to wait.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct Patience {
    /// Seconds, 10 if nothing is said.
    #[param(minimum = 0, maximum = 60)]
    timeout: Option<f64>,
}

/// What there must be
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct Assertion {
    /// Which pushes are counted.
    #[serde(default)]
    push: Option<Filter>,
    /// Exactly so many.
    count: Option<u64>,
    /// At least so many; 1 if nothing is said at all.
    at_least: Option<u64>,
    /// At most so many.
    at_most: Option<u64>,
    /// Seconds to wait for it to come true; 0 if nothing is said.
    #[schema(minimum = 0, maximum = 60)]
    within: Option<f64>,
}

/// An assertion that holds
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct Held {
    /// How many match.
    count: usize,
    /// Which, oldest first; the first 100.
    pushes: Vec<u64>,
}

/// What was waited for or asserted, and is not there
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::rest) struct Unmet {
    /// `not_in_time` or `assertion_failed`.
    error: &'static str,
    /// All of it in one sentence.
    message: String,
    /// How many were expected.
    expected: String,
    /// How many there are.
    got: usize,
    /// Which, oldest first; the first 100.
    pushes: Vec<u64>,
    /// The push that comes nearest, and why it is none of them; none where there is no other.
    nearest: Option<MissView>,
}

/// Waits until a push matches
///
/// Answers with the first one, at once where it is there already. `since` leaves out what came before.
#[utoipa::path(
    get, path = "/v1/pushes/wait", tag = "pushes", params(Filter, Patience),
    responses(
        (status = 200, body = PushView),
        (status = 409, body = Problem, description = "The project was reset meanwhile"),
        (status = 504, body = Unmet, description = "None came in time; says which came nearest, and why it does not match")
    )
)]
pub(in crate::rest) async fn wait(
    State(desk): State<Arc<Desk>>,
    asked: Asked<Filter, Patience>,
) -> Result<Response, Problem> {
    let timeout = within(
        "timeout",
        asked.more.timeout.unwrap_or(TIMEOUT),
        0.0..=TIMEOUT_MAX,
    )?;
    let filter = asked.query;
    let came = until(&desk, &asked.owner, &asked.project, timeout, |inbox| {
        let mut matching = inbox.pushes().filter(|push| filter.matches(push));
        matching.next().map(PushView::of)
    })
    .await?;
    if let Some(push) = came {
        return Ok(Json(push).into_response());
    }
    let one = Expectation::new(filter, None, None, None)?;
    let unmet = asked.project.inbox(|inbox| {
        Unmet::of(
            "not_in_time",
            &format!("no such push within {timeout} s"),
            &one,
            inbox,
        )
    });
    Ok((StatusCode::GATEWAY_TIMEOUT, Json(unmet)).into_response())
}

/// Asserts how many pushes match
#[utoipa::path(
    post, path = "/v1/assert", tag = "pushes", request_body = Assertion,
    responses(
        (status = 200, body = Held),
        (status = 409, body = Unmet, description = "There are more or fewer; says which came nearest, and why it does not match. Or the project was reset meanwhile: `reset`")
    )
)]
pub(in crate::rest) async fn expect(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Body(assertion): Body<Assertion>,
) -> Result<Response, Problem> {
    let Assertion {
        push,
        count,
        at_least,
        at_most,
        within: seconds,
    } = assertion;
    let seconds = within("within", seconds.unwrap_or(0.0), 0.0..=TIMEOUT_MAX)?;
    let expectation = Expectation::new(push.unwrap_or_default(), count, at_least, at_most)?;
    let held = until(&desk, &asked.owner, &asked.project, seconds, |inbox| {
        let counted = expectation.count(inbox);
        let ids = || counted.matching.iter().map(|push| push.id);
        let held = counted.met.then(|| Held {
            count: counted.matching.len(),
            pushes: ids().take(IDS_MAX).collect(),
        });
        // More of them help nobody.
        match held {
            Some(held) => Some(Some(held)),
            None => expectation.exceeded(counted.matching.len()).then_some(None),
        }
    })
    .await?
    .flatten();
    if let Some(held) = held {
        return Ok(Json(held).into_response());
    }
    let unmet = asked
        .project
        .inbox(|inbox| Unmet::of("assertion_failed", "not as expected", &expectation, inbox));
    Ok((StatusCode::CONFLICT, Json(unmet)).into_response())
}

impl Unmet {
    fn of(error: &'static str, what: &str, expectation: &Expectation, inbox: &Inbox) -> Self {
        let counted = expectation.count(inbox);
        let got = counted.matching.len();
        let miss = match &counted.nearest {
            Some(miss) => format!("the nearest miss is {miss}"),
            None if got == 0 => "no push has come at all".to_owned(),
            None => "there is no other push".to_owned(),
        };
        Self {
            error,
            message: format!("{what}: expected {expectation}, got {got}; {miss}"),
            expected: expectation.to_string(),
            got,
            pushes: counted
                .matching
                .iter()
                .map(|push| push.id)
                .take(IDS_MAX)
                .collect(),
            nearest: counted.nearest.map(MissView::of),
        }
    }
}

/// Looks into the inbox now and after every event, for so many seconds. `None`: it was never there.
async fn until<T>(
    desk: &Desk,
    owner: &Project,
    project: &Arc<Shared>,
    seconds: f64,
    mut look: impl FnMut(&Inbox) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let deadline = Duration::from_secs_f64(seconds);
    let waiting = wait_for(project.changes(), "the push", deadline, || {
        project.inbox(&mut look)
    });
    tokio::select! {
        biased;
        waited = waiting => return Ok(waited.ok()),
        () = desk.stop.cancelled() => {}
        () = project.stop().cancelled() => {}
    }
    if Arc::ptr_eq(&owner.shared(), project) {
        return Err(Problem::with_status(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the simulator is shutting down",
        ));
    }
    Err(Problem::conflict(
        "reset",
        "the project was reset, and has forgotten what this waited for: ask again if it is still to come",
    ))
}

impl From<ExpectationError> for Problem {
    fn from(error: ExpectationError) -> Self {
        Self::bad("bad_body", error)
    }
}
