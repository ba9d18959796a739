//! What went over the wire in a case, for whoever has to find out why it failed.

use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;

/// Bytes of one line that are shown; of longer ones the first and the number of the others.
const SHOWN: usize = 96;

/// Lines kept of one case; what a case did last is what it failed at.
const LINES: usize = 400;

/// The transcript of a case. Clones write to the same one.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    dropped: usize,
}

impl Transcript {
    /// What we sent.
    pub fn sent(&self, connection: u32, bytes: &[u8]) {
        self.push(format!("{connection} > {}", shown(bytes)));
    }

    /// What we received.
    pub fn received(&self, connection: u32, bytes: &[u8]) {
        self.push(format!("{connection} < {}", shown(bytes)));
    }

    /// What happened otherwise: `closed`, `reset`, an alert.
    pub fn noted(&self, connection: u32, what: &str) {
        self.push(format!("{connection} {what}"));
    }

    /// Its lines, each with the number of the connection in front.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = (kept.dropped > 0).then(|| format!("… {} lines before", kept.dropped));
        dropped
            .into_iter()
            .chain(kept.lines.iter().cloned())
            .collect()
    }

    fn push(&self, line: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines.len() == LINES {
            kept.lines.remove(0);
            kept.dropped += 1;
        }
        kept.lines.push(line);
    }
}

fn shown(bytes: &[u8]) -> String {
    match bytes.split_at_checked(SHOWN) {
        Some((first, more)) if !more.is_empty() => {
            format!("{} … and {} bytes more", HEXLOWER.encode(first), more.len())
        }
        _ => HEXLOWER.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_keeps_the_end_and_says_how_much_is_missing() {
        let transcript = Transcript::default();
        for _ in 0..LINES + 3 {
            transcript.sent(1, &[0; SHOWN + 1]);
        }
        transcript.noted(1, "closed");
        let lines = transcript.lines();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[0], "… 4 lines before");
        assert!(lines[1].ends_with("00 … and 1 bytes more"));
        assert_eq!(lines.last().unwrap(), "1 closed");
    }
}
