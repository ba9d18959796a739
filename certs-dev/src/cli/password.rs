//! How a password is given: by a file, an argument, the environment or the terminal. Never printed, never logged.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Code, Failure};
use super::input;

/// Where a password is looked for when no option gives it.
const VARIABLE: &str = "APNS_CERTS_PASSWORD";

/// The password of a PKCS#12 store or an encrypted key.
#[derive(Args)]
#[command(next_help_heading = "Password")]
pub(crate) struct PasswordOptions {
    /// Take the first line of this file as the password.
    #[arg(long, value_name = "FILE", group = "given")]
    password_file: Option<PathBuf>,
    /// The password itself. Others on this machine can see it while the command runs; APNS_CERTS_PASSWORD in the
    /// environment is better, a file is best.
    #[arg(long, value_name = "PASSWORD", group = "given")]
    password: Option<String>,
    /// The password is empty.
    #[arg(long, group = "given")]
    empty_password: bool,
}

impl PasswordOptions {
    /// The password, if one was given.
    pub(crate) fn given(&self) -> Result<Option<String>, Failure> {
        if self.empty_password {
            return Ok(Some(String::new()));
        }
        if let Some(path) = &self.password_file {
            let text = input::read_text(path)?;
            return Ok(Some(text.lines().next().unwrap_or_default().to_owned()));
        }
        if let Some(password) = &self.password {
            return Ok(Some(password.clone()));
        }
        match std::env::var(VARIABLE) {
            Ok(password) => Ok(Some(password)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(
                Code::Failure,
                format_args!("{VARIABLE} is not UTF-8: give the password with --password-file"),
            )),
        }
    }
}

impl PasswordOptions {
    /// The password for something that is about to be protected: the one given, or one that is typed twice.
    pub(crate) fn chosen(&self) -> Result<String, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let password = ask("a password for it", "Password for the new file: ")?;
        if ask("a password for it", "The same again: ")? == password {
            Ok(password)
        } else {
            let line = "the two passwords differ: nothing was written";
            Err(Failure::new(Code::Failure, line))
        }
    }

    /// The password that opens a file: the one given, or one that is typed.
    pub(crate) fn needed(&self, path: &Path) -> Result<String, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let path = path.display();
        ask(
            &format!("the password of {path}"),
            &format!("Password of {path}: "),
        )
    }
}

/// Has a password typed without showing it; where nobody is there to type, says how else to give it.
fn ask(what: &str, prompt: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Code::Usage,
            format_args!(
                "{what} is needed: give it with --password-file, --password or {VARIABLE} in the environment, or say \
                 --empty-password"
            ),
        ));
    }
    rpassword::prompt_password(prompt).map_err(|error| {
        Failure::new(
            Code::Failure,
            format_args!("cannot read {what} from the terminal: {error}"),
        )
    })
}

impl fmt::Debug for PasswordOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordOptions")
            .field("password_file", &self.password_file)
            .field("empty_password", &self.empty_password)
            .finish_non_exhaustive()
    }
}
