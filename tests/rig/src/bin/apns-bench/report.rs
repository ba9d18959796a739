//! The figures beside their targets, as a table and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::subject::Cost;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) figures: Vec<Figure>,
}

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    what: String,
    unit: Unit,
    measured: f64,
    /// None is needed where the ratio to another one has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    /// Notifications per second of the clock on the wall: worth what the machine is, and what else runs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Unit {
    #[serde(rename = "µs of CPU")]
    Microseconds,
    #[serde(rename = "milliseconds")]
    Milliseconds,
    #[serde(rename = "ratio")]
    Ratio,
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "seconds")]
    Seconds,
}

impl Figure {
    /// What a notification costs, in microseconds.
    pub(crate) fn cost(what: String, cost: Cost, target: f64) -> Self {
        Self {
            per_second: Some(cost.per_second()),
            ..Self::new(what, Unit::Microseconds, cost.cpu_us(), target)
        }
    }

    /// How long something takes of which nobody can say how long it should.
    pub(crate) fn latency(what: String, measured: Duration) -> Self {
        let measured = measured.as_secs_f64() * 1e3;
        Self {
            target: None,
            ..Self::new(what, Unit::Milliseconds, measured, f64::NAN)
        }
    }

    /// How much slower something gets.
    pub(crate) fn slower(what: String, measured: f64, target: f64) -> Self {
        Self::new(what, Unit::Ratio, measured, target)
    }

    /// How much dearer something gets.
    pub(crate) fn ratio(what: String, measured: f64) -> Self {
        Self::new(what, Unit::Ratio, measured, 1.3)
    }

    pub(crate) fn size(what: String, measured: f64, target: f64) -> Self {
        Self::new(what, Unit::Bytes, measured, target)
    }

    /// How long something takes.
    pub(crate) fn wait(what: String, measured: Duration, target: Duration) -> Self {
        let (measured, target) = (measured.as_secs_f64(), target.as_secs_f64());
        Self::new(what, Unit::Seconds, measured, target)
    }

    const fn new(what: String, unit: Unit, measured: f64, target: f64) -> Self {
        Self {
            what,
            unit,
            measured,
            target: Some(target),
            per_second: None,
        }
    }

    fn is_met(&self) -> bool {
        self.target.is_none_or(|target| self.measured <= target)
    }
}

impl Report {
    /// Whether every target is met that does not depend on the machine, or that any machine can meet.
    pub(crate) fn holds(&self) -> bool {
        self.figures
            .iter()
            .all(|figure| figure.unit == Unit::Microseconds || figure.is_met())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, measured: &str, target: &str, per_second: &str, over: &str| {
            let line = format!("{what:<62} {measured:>13} {target:>11} {per_second:>9} {over}");
            writeln!(f, "{}", line.trim_end())
        };
        line("", "measured", "target", "per sec.", "")?;
        for figure in &self.figures {
            let shown = |value: f64| match figure.unit {
                Unit::Microseconds => format!("{value:.2} µs"),
                Unit::Milliseconds => format!("{value:.2} ms"),
                Unit::Ratio => format!("{value:.2}"),
                Unit::Bytes if value < 1e6 => format!("{value:.0} bytes"),
                Unit::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
                Unit::Seconds => format!("{value:.2} s"),
            };
            let measured = shown(figure.measured);
            let target = figure.target.map(shown).unwrap_or_default();
            let per_second = figure.per_second.map(|rate| format!("{rate:.0}"));
            let over = if figure.is_met() { "" } else { "over" };
            let per_second = per_second.unwrap_or_default();
            line(&figure.what, &measured, &target, &per_second, over)?;
        }
        Ok(())
    }
}
