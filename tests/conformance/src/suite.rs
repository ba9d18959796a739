//! Running the cases of a suite against a subject: which of them, how many at a time, and what came of each.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard, Semaphore, mpsc};

use crate::case::{Basis, Case, Failed, Lane, Need, Profile};
use crate::clause::{Clause, Clauses};
use crate::transcript::Transcript;

/// What a suite is run against.
pub trait Subject: Send + Sync + 'static {
    /// What a case finds out with.
    type Trial: Send + Sync + 'static;

    /// Whether the user gave what `need` is about.
    fn has(&self, need: Need) -> bool;

    /// A trial for one case. Everything random in it comes from `seed`.
    fn trial(self: &Arc<Self>, transcript: Transcript, seed: u64) -> Self::Trial;
}

/// Which cases are run, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Cases that cite one of these.
    pub only: Option<Clauses>,
    /// Cases that hold in this.
    pub profile: Profile,
    /// Whether our choices are demanded.
    pub strict: bool,
    /// Cases under way at the same time.
    pub jobs: usize,
    /// Where everything random comes from.
    pub seed: u64,
    /// No case takes longer.
    pub case_timeout: Duration,
}

impl Plan {
    /// The cases of `chapters` that are to be run, in their order.
    #[must_use]
    pub fn select<T>(&self, chapters: &[&'static [&'static [Case<T>]]]) -> Vec<&'static Case<T>> {
        let cited = |case: &Case<T>| {
            self.only
                .as_ref()
                .is_none_or(|only| case.clauses.iter().any(|clause| only.contains(*clause)))
        };
        chapters
            .iter()
            .flat_map(|chapter| chapter.iter())
            .flat_map(|table| table.iter())
            .filter(|case| case.profiles.contains(&self.profile) && cited(case))
            .collect()
    }

    /// Runs `cases`; `done` hears of each when it and all before it are done.
    pub async fn run<S: Subject>(
        &self,
        subject: &Arc<S>,
        cases: &[&'static Case<S::Trial>],
        mut done: impl FnMut(&Finding),
    ) -> Vec<Finding> {
        let slots = Arc::new(Semaphore::new(self.jobs.max(1)));
        let lanes = Arc::new(Lanes::of(cases));
        let (results, mut arrived) = mpsc::channel(cases.len().max(1));
        for (index, case) in cases.iter().copied().enumerate() {
            let (plan, subject, results) = (self.clone(), Arc::clone(subject), results.clone());
            let (slots, lanes) = (Arc::clone(&slots), Arc::clone(&lanes));
            tokio::spawn(async move {
                let _alone = lanes.take(case.lanes).await;
                let _slot = slots.acquire().await;
                // Only a runner that is gone no longer listens.
                let _ = results.send((index, plan.find(&subject, case).await)).await;
            });
        }
        drop(results);
        let mut waiting = BTreeMap::new();
        let mut findings = Vec::with_capacity(cases.len());
        while let Some((index, finding)) = arrived.recv().await {
            waiting.insert(index, finding);
            while let Some(next) = waiting.remove(&findings.len()) {
                done(&next);
                findings.push(next);
            }
        }
        findings
    }

    async fn find<S: Subject>(&self, subject: &Arc<S>, case: &'static Case<S::Trial>) -> Finding {
        let started = Instant::now();
        let verdict = match case.needs.iter().find(|need| !subject.has(**need)) {
            Some(need) => Verdict::Skipped {
                option: need.option(),
            },
            None => self.judge(subject, case).await,
        };
        Finding {
            name: case.name,
            title: case.title,
            clauses: case.clauses,
            basis: case.basis,
            verdict,
            took: started.elapsed(),
        }
    }

    async fn judge<S: Subject>(&self, subject: &Arc<S>, case: &'static Case<S::Trial>) -> Verdict {
        let transcript = Transcript::default();
        let trial = subject.trial(transcript.clone(), self.seed_of(case.name));
        // A task of its own: a case that panics is a case that fails.
        let run = tokio::spawn(async move { (case.run)(&trial).await });
        let abort = run.abort_handle();
        let why = match tokio::time::timeout(self.case_timeout, run).await {
            Ok(Ok(Ok(()))) => return Verdict::Passed,
            Ok(Ok(Err(Failed(why)))) => why,
            Ok(Err(error)) => format!("the case itself went wrong: {error}"),
            Err(_) => {
                abort.abort();
                format!("not over after {:?}", self.case_timeout)
            }
        };
        let transcript = transcript.lines();
        if case.basis == Basis::OurChoice && !self.strict {
            Verdict::Noted { why, transcript }
        } else {
            Verdict::Failed { why, transcript }
        }
    }

    /// The same seed for a case whichever others are run beside it.
    fn seed_of(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, name).hash(&mut hasher);
        hasher.finish()
    }
}

/// Who is on each lane.
#[derive(Debug, Default)]
struct Lanes(BTreeMap<Lane, Mutex<()>>);

impl Lanes {
    fn of<T>(cases: &[&'static Case<T>]) -> Self {
        let lanes = cases.iter().flat_map(|case| case.lanes);
        Self(lanes.map(|lane| (*lane, Mutex::default())).collect())
    }

    /// All of `wanted`, whose order is not that of the table: two cases cannot wait for each other.
    async fn take(&self, wanted: &[Lane]) -> Vec<MutexGuard<'_, ()>> {
        let mut taken = Vec::new();
        for (lane, alone) in &self.0 {
            if wanted.contains(lane) {
                taken.push(alone.lock().await);
            }
        }
        taken
    }
}

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The case's name.
    pub name: &'static str,
    /// The behaviour it looks for.
    pub title: &'static str,
    /// The clauses behind it.
    pub clauses: &'static [Clause],
    /// How far they are to be trusted in this.
    pub basis: Basis,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long that took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// Whether the subject does what a case says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Passed,
    /// It does not.
    Failed {
        /// What it did instead.
        why: String,
        /// What went over the wire.
        transcript: Vec<String>,
    },
    /// It does not, where it is free to do otherwise than we do.
    Noted {
        /// What it did instead.
        why: String,
        /// What went over the wire.
        transcript: Vec<String>,
    },
    /// Nobody knows: something was not given.
    Skipped {
        /// The option that gives it.
        option: &'static str,
    },
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

/// All findings of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `server` or `client`.
    pub suite: &'static str,
    /// What was tested, as the user named it.
    pub subject: String,
    /// Which profile it was held against.
    pub profile: Profile,
    /// Whether our choices were demanded.
    pub strict: bool,
    /// What repeats the run.
    #[serde(serialize_with = "text")]
    pub seed: u64,
    /// One per case.
    pub cases: Vec<Finding>,
}

fn text<S: serde::Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(seed)
}

/// How many of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Otherwise than we chose.
    pub noted: usize,
    /// Not run.
    pub skipped: usize,
}

impl Summary {
    /// How many of each verdict there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for case in &self.cases {
            *match case.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed { .. } => &mut counts.failed,
                Verdict::Noted { .. } => &mut counts.noted,
                Verdict::Skipped { .. } => &mut counts.skipped,
            } += 1;
        }
        counts
    }
}
