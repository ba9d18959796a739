//! The figures beside their targets, as a table and as JSON.

use std::fmt;

use serde::Serialize;

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
    target: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Unit {
    #[serde(rename = "µs of CPU")]
    Microseconds,
    #[serde(rename = "ratio")]
    Ratio,
    #[serde(rename = "bytes")]
    Bytes,
}

impl Figure {
    pub(crate) fn time(what: String, measured: f64, target: f64) -> Self {
        Self {
            what,
            unit: Unit::Microseconds,
            measured,
            target,
        }
    }

    /// How much dearer something gets.
    pub(crate) fn ratio(what: String, measured: f64) -> Self {
        Self {
            what,
            unit: Unit::Ratio,
            measured,
            target: 1.3,
        }
    }

    pub(crate) fn size(what: String, measured: f64, target: f64) -> Self {
        Self {
            what,
            unit: Unit::Bytes,
            measured,
            target,
        }
    }

    fn is_met(&self) -> bool {
        self.measured <= self.target
    }
}

impl Report {
    /// Whether every target is met that does not depend on the machine.
    pub(crate) fn holds(&self) -> bool {
        self.figures
            .iter()
            .all(|figure| figure.unit == Unit::Microseconds || figure.is_met())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<52} {:>14} {:>14}", "", "measured", "target")?;
        for figure in &self.figures {
            let shown = |value: f64| match figure.unit {
                Unit::Microseconds => format!("{value:.2} µs"),
                Unit::Ratio => format!("{value:.2}"),
                Unit::Bytes => format!("{value:.0} bytes"),
            };
            let (measured, target) = (shown(figure.measured), shown(figure.target));
            let over = if figure.is_met() { "" } else { "  over" };
            writeln!(f, "{:<52} {measured:>14} {target:>14}{over}", figure.what)?;
        }
        Ok(())
    }
}
