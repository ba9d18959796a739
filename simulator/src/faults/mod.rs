//! Bad days on demand: ordered rules and magic tokens that say where a face is to misbehave, and how. No socket, no clock.
//!
//! A face asks [`Faults::judge`] at every [`Moment`] of its connections and does what the [`Injection`] says; it decides nothing.
//! The same rules and seeds give the same injections for the same questions.
//!
//! ```text
//! file (TOML), --fault KEY=VALUE,…, JSON ──▶ text ──▶ Rule ──▶ Faults::judge(facts) ──▶ Injection { fault, action } ──▶ a face
//!                                                     magic ──────▲
//! ```

mod action;
mod action_text;
mod error;
mod keys;
pub mod magic;
mod rule;
mod text;

use std::sync::Arc;

pub use self::action::{ACTIONS, Action, Entry};
pub use self::error::RuleError;
pub use self::keys::{KEYS, Key, Kind};
pub use self::rule::{Face, Match, Moment, Rule, TokenPrefix, When};
pub use self::text::{Plan, STALL_MAX};

/// Rules at most.
pub const RULES_MAX: usize = 1_000;

/// What a face knows when it asks.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Which face asks; `None` in a handshake, where it does not matter.
    pub face: Option<Face>,
    /// At which moment.
    pub moment: Moment,
    /// The topic: the certificate's, or the one an HTTP/2 request names.
    pub topic: &'a str,
    /// The connection, as [`Faults::opened`] numbered it. 0 in a handshake.
    pub connection: u64,
    /// The device token, at [`Moment::Push`].
    pub token: Option<&'a [u8]>,
    /// The payload, at [`Moment::Push`].
    pub payload: Option<&'a [u8]>,
}

/// What a face is to do instead of the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// The rule's name, or [`magic::NAME`].
    pub fault: Arc<str>,
    /// What to do. A jitter has been rolled: it is 0 here.
    pub action: Action,
}

/// Names a rule; not used again before [`Faults::clear`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct RuleId(pub u64);

/// A rule at work.
#[derive(Debug)]
pub struct Active {
    /// Its number.
    pub id: RuleId,
    /// What the events call it.
    pub name: Arc<str>,
    /// The rule.
    pub rule: Rule,
    /// How often its conditions were met and it was its turn.
    pub matched: u64,
    /// How often it acted.
    pub injected: u64,
    dice: fastrand::Rng,
}

/// One rule too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {RULES_MAX} rules already: remove one, or clear them all")]
pub struct TooManyRules;

/// The faults of a world.
#[derive(Debug)]
pub struct Faults {
    magic_tokens: bool,
    rules: Vec<Active>,
    next: u64,
    opened: [u64; Face::ALL.len()],
    revision: u64,
}

impl Default for Faults {
    /// No rules; magic tokens are known.
    fn default() -> Self {
        Self {
            magic_tokens: true,
            rules: Vec::new(),
            next: 1,
            opened: [0; Face::ALL.len()],
            revision: 0,
        }
    }
}

impl Faults {
    /// Adds what a file says behind the rules there are; that is how they are at the start, and no change.
    ///
    /// # Errors
    ///
    /// When there would be more than [`RULES_MAX`]; nothing is added then.
    pub fn load(&mut self, plan: Plan) -> Result<(), TooManyRules> {
        if self.rules.len() + plan.rules.len() > RULES_MAX {
            return Err(TooManyRules);
        }
        self.magic_tokens = plan.magic_tokens;
        for rule in plan.rules {
            self.push(rule);
        }
        Ok(())
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    ///
    /// When there are [`RULES_MAX`].
    pub fn add(&mut self, rule: Rule) -> Result<RuleId, TooManyRules> {
        if self.rules.len() >= RULES_MAX {
            return Err(TooManyRules);
        }
        self.revision += 1;
        Ok(self.push(rule))
    }

    fn push(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        let name = match &rule.name {
            Some(name) => name.as_str().into(),
            None => format!("rule {} ({})", id.0, rule.action.name()).into(),
        };
        self.rules.push(Active {
            id,
            name,
            matched: 0,
            injected: 0,
            dice: fastrand::Rng::with_seed(rule.seed),
            rule,
        });
        id
    }

    /// Removes a rule; says whether there was one.
    pub fn remove(&mut self, id: RuleId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|active| active.id != id);
        let removed = self.rules.len() < before;
        self.revision += u64::from(removed);
        removed
    }

    /// The rules, in the order they are asked.
    #[must_use]
    pub fn rules(&self) -> &[Active] {
        &self.rules
    }

    /// Removes all rules, knows magic tokens again and counts connections from the start.
    pub fn clear(&mut self) {
        *self = Self {
            revision: self.revision + 1,
            ..Self::default()
        };
    }

    /// The same with what a plan says in the place of everything.
    ///
    /// # Errors
    ///
    /// When it has more than [`RULES_MAX`]; all stays as it was then.
    pub fn replace(&mut self, plan: Plan) -> Result<(), TooManyRules> {
        let mut fresh = Self::default();
        fresh.load(plan)?;
        fresh.revision = self.revision + 1;
        *self = fresh;
        Ok(())
    }

    /// How often something was changed since the start.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether magic tokens are known.
    #[must_use]
    pub const fn magic_tokens(&self) -> bool {
        self.magic_tokens
    }

    /// Has magic tokens known, or taken for the unknown tokens they are.
    pub const fn set_magic_tokens(&mut self, known: bool) {
        self.magic_tokens = known;
        self.revision += 1;
    }

    /// A connection was opened; says its number on this face, from 1.
    pub const fn opened(&mut self, face: Face) -> u64 {
        let opened = &mut self.opened[face as usize];
        *opened += 1;
        *opened
    }

    /// What is to go wrong here, if anything: the first rule that matches and whose turn it is, then magic tokens.
    pub fn judge(&mut self, facts: &Facts<'_>) -> Option<Injection> {
        for active in &mut self.rules {
            if active.acts(facts) {
                return Some(Injection {
                    fault: active.name.clone(),
                    action: active.rule.action.rolled(&mut active.dice),
                });
            }
        }
        let token = facts.token.filter(|_| self.magic_tokens)?;
        let action = magic::action(facts.face?, token)?;
        Some(Injection {
            fault: magic::NAME.into(),
            action,
        })
    }
}

impl Active {
    /// Counts, and says whether it acts.
    fn acts(&mut self, facts: &Facts<'_>) -> bool {
        let Rule { limit, when, .. } = self.rule;
        if limit.is_some_and(|limit| self.injected >= limit.get()) || !self.rule.matches(facts) {
            return false;
        }
        self.matched += 1;
        let acts = match when {
            When::Always => true,
            When::Nth(nth) => self.matched == nth.get(),
            When::Every(every) => self.matched.is_multiple_of(every.get()),
            When::Probability(probability) => self.dice.f64() < probability,
        };
        self.injected += u64::from(acts);
        acts
    }
}

#[cfg(test)]
mod tests;
