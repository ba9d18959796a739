//! Apps on a phone: installed, started, allowed this and that, deleted.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::AppView;
use super::{Asked, Body, In, Problem, act, look};
use crate::phone::{ActionError, AppState, Phone, Settings, Types};
use crate::shared::Shared;

const NAME_LEN_MAX: usize = 100;

/// What an app registers for
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Alert,
    Badge,
    Sound,
}

/// Whether an app runs, and where
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// On the screen: nothing is shown, the app gets the payload.
    Foreground,
    /// Running out of sight.
    Background,
    /// Not started, or ended.
    NotRunning,
}

/// An app to be installed
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct NewApp {
    /// Its bundle id.
    #[schema(
        min_length = 1,
        max_length = 155,
        pattern = "^[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*$"
    )]
    topic: String,
    /// The name under its icon; the last word of the topic if nothing is said.
    #[schema(max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: Option<String>,
    /// Whether it is signed with the `aps-environment` entitlement, without which it gets no token; it is if nothing is said.
    entitled: Option<bool>,
    /// What it registers for at its first launch; everything if nothing is said, and `[]` is nothing of these. `null` is as nothing said.
    types: Option<Vec<Kind>>,
    /// Whether it registers at all; it does if nothing is said.
    register: Option<bool>,
}

/// What is to change; what is left out stays
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct AppChange {
    /// Launched to the foreground, sent to the background, or killed.
    state: Option<State>,
    /// What the user allows.
    settings: Option<SettingsChange>,
    /// The number the app sets on its own icon.
    badge: Option<u32>,
    /// The app registers, for these types.
    types: Option<Vec<Kind>>,
}

/// What the user allows, in Settings › Notifications; what is left out stays
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct SettingsChange {
    /// The master switch.
    allowed: Option<bool>,
    /// Alerts on the lock screen.
    alerts: Option<bool>,
    /// Sounds.
    sound: Option<bool>,
    /// The number on the icon.
    badge: Option<bool>,
}

/// Installs an app
///
/// It is launched once and registers; when the answer is there, it has its token.
#[utoipa::path(
    post, path = "/v1/phones/{phone}/apps", tag = "apps", params(("phone" = String, Path, description = "The phone's name")),
    request_body = NewApp, responses((status = 201, body = AppView))
)]
pub(in crate::rest) async fn install(
    asked: Asked,
    In(name): In<String>,
    Body(app): Body<NewApp>,
) -> Result<(StatusCode, Json<AppView>), Problem> {
    act(&asked.project, &name, |phone| app.install_on(phone))??;
    let view = look_at(&asked.project, &name, &app.topic)?;
    Ok((StatusCode::CREATED, view))
}

/// Shows an app
#[utoipa::path(
    get, path = "/v1/phones/{phone}/apps/{topic}", tag = "apps",
    params(("phone" = String, Path, description = "The phone's name"), ("topic" = String, Path, description = "The bundle id")),
    responses((status = 200, body = AppView))
)]
pub(in crate::rest) async fn show(
    asked: Asked,
    In((name, topic)): In<(String, String)>,
) -> Result<Json<AppView>, Problem> {
    look_at(&asked.project, &name, &topic)
}

/// Launches, kills or configures an app
#[utoipa::path(
    patch, path = "/v1/phones/{phone}/apps/{topic}", tag = "apps",
    params(("phone" = String, Path, description = "The phone's name"), ("topic" = String, Path, description = "The bundle id")),
    request_body = AppChange, responses((status = 200, body = AppView))
)]
pub(in crate::rest) async fn change(
    asked: Asked,
    In((name, topic)): In<(String, String)>,
    Body(change): Body<AppChange>,
) -> Result<Json<AppView>, Problem> {
    act(&asked.project, &name, |phone| change.make(phone, &topic))??;
    look_at(&asked.project, &name, &topic)
}

/// Deletes an app
///
/// APNs learns of it at the next push to it: then the token is on the feedback list. The last push app takes the phone offline instead.
#[utoipa::path(
    delete, path = "/v1/phones/{phone}/apps/{topic}", tag = "apps",
    params(("phone" = String, Path, description = "The phone's name"), ("topic" = String, Path, description = "The bundle id")),
    responses((status = 204, description = "It is gone"))
)]
pub(in crate::rest) async fn uninstall(
    asked: Asked,
    In((name, topic)): In<(String, String)>,
) -> Result<StatusCode, Problem> {
    act(&asked.project, &name, |phone| phone.uninstall(&topic))?
        .map_err(|error| app_problem(error, &topic))?;
    Ok(StatusCode::NO_CONTENT)
}

impl NewApp {
    pub(super) fn install_on(&self, phone: &mut Phone) -> Result<(), Problem> {
        let Self {
            topic,
            name,
            entitled,
            types,
            register,
        } = self;
        apns_certs::check_topic(topic).map_err(|error| Problem::bad("bad_topic", error))?;
        let last = topic.rsplit('.').next().unwrap_or(topic);
        let name = name.as_deref().unwrap_or(last);
        if name.chars().count() > NAME_LEN_MAX || name.chars().any(char::is_control) {
            return Err(Problem::bad(
                "bad_name",
                format!(
                    "an app's name has at most {NAME_LEN_MAX} characters, none of them a control character"
                ),
            ));
        }
        phone
            .install(topic, name, entitled.unwrap_or(true))
            .map_err(|error| app_problem(error, topic))?;
        if register.unwrap_or(true) {
            let types = types.as_deref().map_or(Types::ALL, types_of);
            phone.register(topic, types)?;
        }
        Ok(())
    }
}

impl AppChange {
    fn make(self, phone: &mut Phone, topic: &str) -> Result<(), Problem> {
        let app = phone
            .app(topic)
            .ok_or_else(|| app_problem(ActionError::NotInstalled, topic))?;
        let Settings {
            allowed,
            banner,
            sound,
            badge,
        } = app.settings();
        if let Some(change) = self.settings {
            let settings = Settings {
                allowed: change.allowed.unwrap_or(allowed),
                banner: change.alerts.unwrap_or(banner),
                sound: change.sound.unwrap_or(sound),
                badge: change.badge.unwrap_or(badge),
            };
            phone.set_settings(topic, settings)?;
        }
        if let Some(state) = self.state {
            phone.set_state(
                topic,
                match state {
                    State::Foreground => AppState::Foreground,
                    State::Background => AppState::Background,
                    State::NotRunning => AppState::NotRunning,
                },
            )?;
        }
        if let Some(badge) = self.badge {
            phone.set_badge(topic, badge)?;
        }
        if let Some(types) = self.types {
            phone.register(topic, types_of(&types))?;
        }
        Ok(())
    }
}

fn types_of(kinds: &[Kind]) -> Types {
    kinds.iter().fold(Types::NONE, |types, kind| {
        types
            | match kind {
                Kind::Alert => Types::ALERT,
                Kind::Badge => Types::BADGE,
                Kind::Sound => Types::SOUND,
            }
    })
}

fn look_at(project: &Shared, name: &str, topic: &str) -> Result<Json<AppView>, Problem> {
    look(project, name, |phone| {
        phone.phone.app(topic).map(AppView::of)
    })?
    .map(Json)
    .ok_or_else(|| app_problem(ActionError::NotInstalled, topic))
}

fn app_problem(error: ActionError, topic: &str) -> Problem {
    let sentence = match error {
        ActionError::NotInstalled => format!("no app {topic} is installed on this phone"),
        ActionError::AlreadyInstalled => format!("{topic} is installed on this phone already"),
        ActionError::NoRoom | ActionError::NoSuchNote => return error.into(),
    };
    match error {
        ActionError::NotInstalled => Problem::missing("no_such_app", sentence),
        _ => Problem::conflict("exists", sentence),
    }
}
