//! `apns-certs key`: provider authentication keys.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use apns_certs::DEFAULT_TEAM;
use apns_certs::portal::{AuthKey, PortalError};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::{Format, OutFolder, StateFolder};
use super::failure::Failure;
use super::output::{self, File};

/// Makes keys for provider tokens (.p8), and lists them.
///
/// Today's APNs takes a JSON web token signed with such a key (ES256) in place of a certificate: one key for all apps of
/// a team, and no expiry. The binary protocol knows certificates only.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a key and writes it as AuthKey_<KEY-ID>.p8. The portal keeps its public half: it cannot be written again.
    Create(Create),
    /// Lists the keys made, oldest first.
    List(List),
}

#[derive(Debug, Args)]
struct Create {
    /// What you call the key.
    #[arg(long, value_name = "NAME", default_value = "APNs")]
    name: String,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    out: OutFolder,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Create(Create {
            name,
            state,
            out,
            format,
        }) => {
            let mut dir = state.open()?;
            let made = dir.change(|portal| {
                let made = portal.create_key(&name, SystemTime::now());
                made.map_err(PortalError::from)
            })?;
            let file = format!("AuthKey_{}.p8", made.key_id);
            let [key] = out.write([File::secret(file, &made.key_pem)])?;
            let report = Created {
                key,
                key_id: made.key_id,
                team_id: DEFAULT_TEAM,
            };
            output::print(&report, format.json)
        }
        Action::List(List { state, format }) => {
            let keys = state.look()?.keys().to_vec();
            output::print(&Listed { keys }, format.json)
        }
    }
}

#[derive(Serialize)]
struct Created {
    key: PathBuf,
    key_id: String,
    team_id: &'static str,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        output::fields(
            f,
            &[
                (
                    "key",
                    &format_args!(
                        "{}  (keep it secret, and keep it: it is not written again)",
                        self.key.display()
                    ),
                ),
                ("key id", &self.key_id),
                ("team id", &self.team_id),
            ],
        )?;
        write!(
            f,
            "\nNext: sign provider tokens with it: ES256, header kid = the key id, claims iss = the team id and iat = now"
        )
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listed {
    keys: Vec<AuthKey>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return f.write_str("There are no keys.\n\nNext: apns-certs key create");
        }
        let head = ["KEY ID", "NAME", "CREATED"].map(str::to_owned);
        let rows = self.keys.iter().map(|key| {
            [
                key.key_id.clone(),
                key.name.clone(),
                output::day(key.created),
            ]
        });
        output::table(f, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
        f.write_str("\nNext: a key that was lost is made anew: apns-certs key create")
    }
}
