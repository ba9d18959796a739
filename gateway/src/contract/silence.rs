//! Backends that never read (rule 13).

/// Answered connections in a row, ended by our deadline, after which a backend is taken not to read.
const IN_A_ROW: u32 = 3;

/// What one backend does about its answers. Keep one per backend, over its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    in_a_row: u32,
    warned: bool,
    deadlines: u64,
}

/// How a connection ended on which an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredEnd {
    /// The peer closed it, or reset it.
    Peer,
    /// The linger ran out: the peer does not seem to have noticed.
    Deadline,
}

impl Silence {
    /// Notes an end. True once, when it is time to warn: this backend does not read answers, loses what it sends behind a
    /// bad notification, and should be configured with `on_reject = "continue"`.
    pub fn ended(&mut self, end: AnsweredEnd) -> bool {
        if end == AnsweredEnd::Peer {
            self.in_a_row = 0;
            return false;
        }
        self.deadlines += 1;
        self.in_a_row += 1;
        self.in_a_row >= IN_A_ROW && !std::mem::replace(&mut self.warned, true)
    }

    /// Answered connections that our deadline ended, ever.
    pub fn deadlines(&self) -> u64 {
        self.deadlines
    }
}

#[cfg(test)]
mod tests {
    use super::AnsweredEnd::{Deadline, Peer};
    use super::*;

    #[test]
    fn a_backend_that_never_reads_is_warned_about_at_the_third_deadline_and_once() {
        let mut silence = Silence::default();
        let warnings = [Deadline; 5].map(|end| silence.ended(end));
        assert_eq!(warnings, [false, false, true, false, false]);
        assert_eq!(silence.deadlines(), 5);
    }

    #[test]
    fn a_backend_that_reads_now_and_then_is_not_warned_about() {
        let mut silence = Silence::default();
        let ends = [Deadline, Deadline, Peer, Deadline, Deadline, Peer];
        assert_eq!(ends.map(|end| silence.ended(end)), [false; 6]);
        assert_eq!(silence.deadlines(), 4);
    }
}
