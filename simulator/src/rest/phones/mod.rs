//! Phones: switched on, looked at, put into airplane mode, taken out of service.

pub(super) mod apps;
mod view;

use apns_net::credentials::Environment;
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::apps::NewApp;
pub(super) use self::view::payload;
use self::view::{AppView, NoteView, PhoneView, ReceivedView};
use super::ask::{Asked, Body, In, Nothing, within};
use super::problem::Problem;
use crate::inbox::EnvironmentName;
use crate::phone::{ActionError, Phone};
use crate::phones::AddPhoneError;
use crate::shared::Shared;
use crate::virtual_phone::VirtualPhone;
use crate::world::DeviceRefused;

const NAME_LEN_MAX: usize = 100;
/// Cells of the picture of a phone.
const PICTURE_WIDTH: usize = 40;

/// A phone to be switched on
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPhone {
    /// By which it is known from now on.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    name: String,
    /// The environment its apps are signed for; sandbox if nothing is said.
    #[schema(value_type = Option<EnvironmentName>)]
    environment: Option<Environment>,
    /// Apps that are on it from the start.
    #[serde(default)]
    #[schema(max_items = 100)]
    apps: Vec<NewApp>,
}

/// What is to change; what is left out stays
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneChange {
    /// On: the phone is offline at once.
    airplane: Option<bool>,
}

/// Every phone of the project
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PhoneList {
    phones: Vec<PhoneView>,
}

/// What a person sees who picks the phone up
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Screen {
    /// The notes on the lock screen, newest first.
    notes: Vec<NoteView>,
    /// The home screen.
    apps: Vec<AppView>,
    /// All of it drawn, for a terminal.
    picture: String,
}

/// What has arrived on the phone, oldest first
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// How many ever arrived, those counted once that arrived twice.
    total: u64,
    /// The last of them.
    received: Vec<ReceivedView>,
}

/// How much of a history is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Last {
    /// At most so many, the latest; 100 if nothing is said.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u16>,
}

/// Lists the phones
#[utoipa::path(get, path = "/v1/phones", tag = "phones", responses((status = 200, body = PhoneList)))]
pub(super) async fn list(asked: Asked) -> Json<PhoneList> {
    asked.project.with_phones(|_, phones, _| {
        Json(PhoneList {
            phones: phones.iter().map(PhoneView::of).collect(),
        })
    })
}

/// Switches a virtual phone on
///
/// When the answer is there, its apps have their tokens.
#[utoipa::path(
    post, path = "/v1/phones", tag = "phones", request_body = NewPhone,
    responses((status = 201, body = PhoneView))
)]
pub(super) async fn add(
    asked: Asked,
    Body(new): Body<NewPhone>,
) -> Result<(StatusCode, Json<PhoneView>), Problem> {
    let NewPhone {
        name,
        environment,
        apps,
    } = new;
    check_name(&name)?;
    let mut phone = Phone::new(&name);
    for app in &apps {
        app.install_on(&mut phone)?;
    }
    let environment = environment.unwrap_or(Environment::Sandbox);
    asked
        .project
        .with_phones(|world, phones, now| phones.add(now, world, phone, environment))?;
    let view = look(&asked.project, &name, PhoneView::of)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Shows a phone
#[utoipa::path(
    get, path = "/v1/phones/{phone}", tag = "phones", params(("phone" = String, Path, description = "Its name")),
    responses((status = 200, body = PhoneView))
)]
pub(super) async fn show(asked: Asked, In(name): In<String>) -> Result<Json<PhoneView>, Problem> {
    look(&asked.project, &name, PhoneView::of).map(Json)
}

/// Switches airplane mode
#[utoipa::path(
    patch, path = "/v1/phones/{phone}", tag = "phones", params(("phone" = String, Path, description = "Its name")),
    request_body = PhoneChange, responses((status = 200, body = PhoneView))
)]
pub(super) async fn change(
    asked: Asked,
    In(name): In<String>,
    Body(change): Body<PhoneChange>,
) -> Result<Json<PhoneView>, Problem> {
    act(&asked.project, &name, |phone| {
        if let Some(on) = change.airplane {
            phone.set_airplane(on);
        }
    })?;
    look(&asked.project, &name, PhoneView::of).map(Json)
}

/// Takes a phone out of service
///
/// It hangs up and never comes back. Its tokens stay, as those of a lost phone do.
#[utoipa::path(
    delete, path = "/v1/phones/{phone}", tag = "phones", params(("phone" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn remove(asked: Asked, In(name): In<String>) -> Result<StatusCode, Problem> {
    let removed = asked
        .project
        .with_phones(|world, phones, now| phones.remove(now, world, &name));
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_phone(&asked.project, &name))
    }
}

/// Shows lock screen and home screen
#[utoipa::path(
    get, path = "/v1/phones/{phone}/screen", tag = "phones", params(("phone" = String, Path, description = "Its name")),
    responses((status = 200, body = Screen))
)]
pub(super) async fn screen(asked: Asked, In(name): In<String>) -> Result<Json<Screen>, Problem> {
    let now = asked.project.with(|_, now| now);
    look(&asked.project, &name, |VirtualPhone { phone, .. }| {
        Json(Screen {
            notes: phone
                .lock_screen()
                .notes()
                .rev()
                .map(NoteView::of)
                .collect(),
            apps: phone.apps().iter().map(AppView::of).collect(),
            picture: phone.lock_screen_text(now, PICTURE_WIDTH),
        })
    })
}

/// Lists what has arrived on a phone, and what it did with it
#[utoipa::path(
    get, path = "/v1/phones/{phone}/received", tag = "phones",
    params(("phone" = String, Path, description = "Its name"), Last), responses((status = 200, body = History))
)]
pub(super) async fn received(
    asked: Asked<Last, Nothing>,
    In(name): In<String>,
) -> Result<Json<History>, Problem> {
    let limit = within("limit", asked.query.limit.unwrap_or(100), 1..=10_000)?;
    let limit = usize::from(limit);
    look(&asked.project, &name, |VirtualPhone { phone, .. }| {
        let skip = phone.history().len().saturating_sub(limit);
        Json(History {
            total: phone.received_count(),
            received: phone.history().skip(skip).map(ReceivedView::of).collect(),
        })
    })
}

/// Taps a note on the lock screen
///
/// It goes, and its app comes to the foreground.
#[utoipa::path(
    post, path = "/v1/phones/{phone}/notes/{number}/open", tag = "phones",
    params(("phone" = String, Path, description = "Its name"), ("number" = u64, Path, description = "The note's number")),
    responses((status = 200, body = PhoneView))
)]
pub(super) async fn open(
    asked: Asked,
    In((name, number)): In<(String, u64)>,
) -> Result<Json<PhoneView>, Problem> {
    act(&asked.project, &name, |phone| phone.open(number))??;
    look(&asked.project, &name, PhoneView::of).map(Json)
}

/// Looks at a phone.
fn look<T>(
    project: &Shared,
    name: &str,
    look: impl FnOnce(&VirtualPhone) -> T,
) -> Result<T, Problem> {
    project
        .with_phones(|_, phones, _| phones.get(name).map(look))
        .ok_or_else(|| no_such_phone(project, name))
}

/// Does something to a phone.
fn act<T>(project: &Shared, name: &str, act: impl FnOnce(&mut Phone) -> T) -> Result<T, Problem> {
    project
        .with_phones(|world, phones, now| phones.act(now, world, name, act))
        .ok_or_else(|| no_such_phone(project, name))?
        .map_err(Problem::from)
}

fn no_such_phone(project: &Shared, name: &str) -> Problem {
    let names: Vec<_> = project.with_phones(|_, phones, _| {
        let names = phones.iter().map(|phone| phone.phone.name().to_owned());
        names.take(20).collect()
    });
    let there_is = if names.is_empty() {
        "there is none; POST /v1/phones switches one on".to_owned()
    } else {
        format!("there is {}", names.join(", "))
    };
    Problem::missing(
        "no_such_phone",
        format!("no phone is called {name:?}: {there_is}"),
    )
}

fn check_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.chars().count() > NAME_LEN_MAX || name.chars().any(char::is_control)
    {
        return Err(Problem::bad(
            "bad_name",
            format!(
                "a phone's name has 1 to {NAME_LEN_MAX} characters, none of them a control character"
            ),
        ));
    }
    Ok(())
}

impl From<AddPhoneError> for Problem {
    fn from(error: AddPhoneError) -> Self {
        match error {
            AddPhoneError::Exists => Self::conflict("exists", error),
            AddPhoneError::Refused(full) => full.into(),
            AddPhoneError::NoToken => Self::full(error),
        }
    }
}

impl From<DeviceRefused> for Problem {
    fn from(error: DeviceRefused) -> Self {
        Self::full(format!(
            "{error}: the project has as many as it may; POST /v1/reset removes them"
        ))
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotInstalled => Self::missing("no_such_app", error),
            ActionError::NoSuchNote => Self::missing("no_such_note", error),
            ActionError::AlreadyInstalled => Self::conflict("exists", error),
            ActionError::NoRoom => Self::full(error),
        }
    }
}
