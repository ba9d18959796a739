//! `apns-certs app-id`: which apps there are, and which of them may use push.

use std::fmt;
use std::time::SystemTime;

use apns_certs::portal::{AppId, Identifier, IdentifierKind, Portal, PortalError, PushStatus};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::arguments::{Format, StateFolder};
use super::failure::Failure;
use super::output;

/// Creates App IDs, enables push for them, and lists them.
///
/// Push certificates are issued for explicit App IDs only (com.example.App). Website push ids (web.com.example) and pass
/// type ids (pass.com.example) are created the same way and need no enabling.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates an App ID.
    Create(One),
    /// Enables push for an App ID without wildcard.
    EnablePush(One),
    /// Lists the App IDs and the state of their push certificates.
    List(All),
}

#[derive(Debug, Args)]
struct One {
    /// A bundle id (com.example.App), possibly with a wildcard at its end (com.example.*).
    #[arg(value_name = "APP-ID")]
    id: Identifier,
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    state: StateFolder,
    #[command(flatten)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Create(one) => one.change("created", "there already", |portal, id| {
            Ok(portal.create_app_id(id))
        }),
        Action::EnablePush(one) => {
            one.change("push enabled", "push enabled before", |portal, id| {
                portal.enable_push(&id)
            })
        }
        Action::List(all) => {
            let app_ids = all.state.look()?.app_ids(SystemTime::now());
            output::print(&List { app_ids }, all.format.json)
        }
    }
}

impl One {
    /// Changes the portal and reports how the App ID stands then.
    fn change(
        &self,
        new: &'static str,
        old: &'static str,
        change: impl FnOnce(&mut Portal, Identifier) -> Result<bool, PortalError>,
    ) -> Result<(), Failure> {
        let mut dir = self.state.open()?;
        let (changed, app_id) = dir.change(|portal| {
            let changed = change(portal, self.id.clone())?;
            let app_id = portal.app_id(&self.id, SystemTime::now());
            Ok::<_, PortalError>((changed, app_id.expect("the change found it or made it")))
        })?;
        let outcome = if changed { new } else { old };
        output::print(&Report { app_id, outcome }, self.format.json)
    }
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    app_id: AppId,
    outcome: &'static str,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AppId {
            id,
            kind,
            development,
            production,
        } = &self.app_id;
        output::fields(
            f,
            &[
                ("App ID", &format_args!("{id} ({kind}), {}", self.outcome)),
                ("Development Push SSL Certificate", development),
                ("Production Push SSL Certificate", production),
            ],
        )?;
        write!(f, "\nNext: {}", next(&self.app_id))
    }
}

/// What to do with an App ID that stands like this.
fn next(app_id: &AppId) -> String {
    let AppId {
        id,
        kind,
        development,
        production,
    } = app_id;
    let issue = |kind: &str| {
        format!("apns-certs issue --csr Push.certSigningRequest --app-id {id} --kind {kind}")
    };
    match (kind, production) {
        (IdentifierKind::Wildcard, _) => {
            "a wildcard App ID cannot have push: create one for the app itself".to_owned()
        }
        (_, PushStatus::Off) => format!("apns-certs app-id enable-push {id}"),
        (IdentifierKind::Website, _) => issue("web"),
        (IdentifierKind::Pass, _) => issue("pass"),
        (IdentifierKind::Management, _) => issue("mdm"),
        (IdentifierKind::App, _) if *development == PushStatus::Configurable => {
            issue("development")
        }
        (IdentifierKind::App, PushStatus::Configurable) => issue("production"),
        (IdentifierKind::App, _) => {
            "both environments have a certificate: apns-certs certificate list".to_owned()
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List {
    app_ids: Vec<AppId>,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.app_ids.first() else {
            return f.write_str(
                "There are no App IDs.\n\nNext: apns-certs app-id create com.example.App",
            );
        };
        let head = ["APP ID", "KIND", "DEVELOPMENT PUSH", "PRODUCTION PUSH"].map(str::to_owned);
        let rows = self.app_ids.iter().map(|app_id| {
            [
                app_id.id.to_string(),
                app_id.kind.to_string(),
                app_id.development.to_string(),
                app_id.production.to_string(),
            ]
        });
        output::table(f, &std::iter::once(head).chain(rows).collect::<Vec<_>>())?;
        // The one that has furthest to go, apart from those that go nowhere.
        let urgency = |app_id: &&AppId| match (app_id.development, app_id.production) {
            (_, PushStatus::Off) => 0,
            (PushStatus::Enabled, _) | (_, PushStatus::Enabled) => 2,
            (_, PushStatus::Unavailable) => 3,
            _ => 1,
        };
        let app_id = self.app_ids.iter().min_by_key(urgency).unwrap_or(first);
        write!(f, "\nNext: {}", next(app_id))
    }
}
