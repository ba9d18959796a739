//! How much key derivation one file may cost.

use crate::credentials::pkcs12::Pkcs12Error;

/// What is left of the rounds of key derivation a file may ask for.
pub(in crate::credentials) struct Work {
    left: u64,
    max: u64,
}

impl Work {
    pub(in crate::credentials) const fn up_to(iterations_max: u64) -> Self {
        Self {
            left: iterations_max,
            max: iterations_max,
        }
    }

    /// Takes `iterations` for each of so many passes, before they are computed.
    pub(super) fn spend(&mut self, iterations: u64, passes: usize) -> Result<(), Pkcs12Error> {
        let cost = iterations.saturating_mul(passes as u64);
        self.left = self.left.checked_sub(cost).ok_or(Pkcs12Error::TooCostly {
            iterations,
            iterations_max: self.max,
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_passes_together_stay_below_the_limit() {
        let mut work = Work::up_to(10);
        work.spend(3, 3).unwrap();
        assert_eq!(
            work.spend(1, 2),
            Err(Pkcs12Error::TooCostly {
                iterations: 1,
                iterations_max: 10
            })
        );
        work.spend(1, 1).unwrap();
        assert!(Work::up_to(10).spend(u64::MAX, 3).is_err());
    }
}
