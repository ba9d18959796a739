//! Command lines to be copied into a shell.

use std::fmt;
use std::path::Path;

/// A path or another word of a command line, quoted where a shell needs it.
#[derive(Clone, Copy, Debug)]
pub struct Word<T>(pub T);

impl<T: AsRef<Path>> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0.as_ref().display().to_string();
        let plain = |c: char| c.is_alphanumeric() || "/._-+:@,=%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            f.write_str(&word)
        } else {
            write!(f, "'{}'", word.replace('\'', r"'\''"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_tear_it() {
        for (word, quoted) in [
            ("certs/aps.cer", "certs/aps.cer"),
            ("My Certificates/aps.cer", "'My Certificates/aps.cer'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("com.example.*", "'com.example.*'"),
        ] {
            assert_eq!(Word(word).to_string(), quoted);
        }
    }
}
