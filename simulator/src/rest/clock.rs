//! A project's clock: read, stopped, set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Asked, Body};
use super::problem::Problem;
use super::time;
use crate::clock::{Clock, OutOfRange};
use crate::shared::Shared;

/// What time it is in the project
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clock)]
pub(super) struct ClockView {
    #[schema(format = DateTime)]
    now: String,
    /// The same in whole seconds since 1970, as expiries are written.
    unix: u64,
    mode: Mode,
}

/// How it goes
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ClockMode)]
enum Mode {
    /// It shows the real time.
    Real,
    /// It runs as fast as the real one, and shows another time.
    Running,
    /// It stands.
    Frozen,
}

/// What is to change; what is left out stays
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockChange {
    /// How it goes from now on. `real` goes alone.
    mode: Option<Mode>,
    /// The time to show, forward or back: RFC 3339, from 1970 to 9999.
    #[schema(format = DateTime)]
    now: Option<String>,
    /// Seconds to go forward, instead of `now`.
    #[schema(minimum = 0)]
    advance: Option<f64>,
}

/// Shows the clock
#[utoipa::path(get, path = "/v1/clock", tag = "clock", responses((status = 200, body = ClockView)))]
pub(super) async fn show(asked: Asked) -> Json<ClockView> {
    Json(ClockView::of(&asked.project))
}

/// Sets the clock
///
/// When the answer is there, what was due by the new time has happened: what expired is gone.
#[utoipa::path(
    patch, path = "/v1/clock", tag = "clock", request_body = ClockChange, responses((status = 200, body = ClockView))
)]
pub(super) async fn change(
    asked: Asked,
    Body(change): Body<ClockChange>,
) -> Result<Json<ClockView>, Problem> {
    let ClockChange { mode, now, advance } = change;
    let turn = Turn::of(now.as_deref(), advance)?;
    if mode == Some(Mode::Real) && turn.is_some() {
        return Err(Problem::bad(
            "bad_body",
            "a clock that shows the real time cannot be set: leave `mode` out, or set it to running or frozen",
        ));
    }
    asked.project.set_clock(|clock, real| {
        match mode {
            Some(Mode::Real) => clock.follow(),
            Some(Mode::Running) => clock.run(real),
            Some(Mode::Frozen) => clock.freeze(real),
            None => {}
        }
        match turn {
            Some(Turn::To(to)) => clock.jump(real, to),
            Some(Turn::By(by)) => clock.advance(real, by),
            None => Ok(()),
        }
    })?;
    Ok(Json(ClockView::of(&asked.project)))
}

/// Where its hands go.
enum Turn {
    To(SystemTime),
    By(Duration),
}

impl Turn {
    fn of(now: Option<&str>, advance: Option<f64>) -> Result<Option<Self>, Problem> {
        match (now, advance) {
            (None, None) => Ok(None),
            (Some(now), None) => OffsetDateTime::parse(now, &Rfc3339)
                .map(|to| Some(Self::To(to.into())))
                .map_err(|_| {
                    Problem::bad(
                        "bad_time",
                        format!("now is {now:?}; it is written as in 2026-11-24T09:08:16Z"),
                    )
                }),
            (None, Some(advance)) if advance < 0.0 => Err(Problem::bad(
                "bad_time",
                format!("advance is {advance}; only now goes back"),
            )),
            (None, Some(advance)) => Duration::try_from_secs_f64(advance)
                .map(|by| Some(Self::By(by)))
                .map_err(|_| OutOfRange.into()),
            (Some(_), Some(_)) => Err(Problem::bad(
                "bad_body",
                "now and advance contradict each other: leave one out",
            )),
        }
    }
}

impl ClockView {
    fn of(project: &Shared) -> Self {
        let now = project.now();
        Self {
            now: time::text(now),
            unix: now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            mode: match project.clock() {
                Clock::Real => Mode::Real,
                Clock::Ahead(_) | Clock::Behind(_) => Mode::Running,
                Clock::Frozen(_) => Mode::Frozen,
            },
        }
    }
}

impl From<OutOfRange> for Problem {
    fn from(error: OutOfRange) -> Self {
        Self::bad("bad_time", error)
    }
}
