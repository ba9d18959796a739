//! What was found, as it is kept in docs/compatibility.json.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::root;

/// Everything that was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The cases of the client suite, in their order.
    pub(crate) cases: Vec<Case>,
    pub(crate) servers: Vec<Run>,
    pub(crate) clients: Vec<Run>,
}

/// A case, as a report has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) clauses: Vec<String>,
    pub(crate) basis: String,
}

/// One run of a suite.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) subject: String,
    pub(crate) profile: String,
    /// What it did instead, by the name of the case.
    pub(crate) failed: BTreeMap<String, String>,
    /// The same, where it is free to.
    pub(crate) noted: BTreeMap<String, String>,
    /// The option that would have been needed.
    pub(crate) skipped: BTreeMap<String, String>,
}

impl Results {
    pub(crate) fn path() -> PathBuf {
        root("docs/compatibility.json")
    }

    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(Self::path()).expect("the results can be read");
        serde_json::from_str(&text).expect("the results are as they were written")
    }
}

impl Run {
    /// The cases in which it does otherwise, whether it is free to or not, and what it does instead.
    pub(crate) fn otherwise(&self) -> impl Iterator<Item = (&str, &str)> {
        let found = self.failed.iter().chain(&self.noted);
        found.map(|(case, why)| (case.as_str(), why.as_str()))
    }
}
