//! The developer portal: App IDs, certificates from signing requests, keys for provider tokens.

pub(super) mod certificates;
mod office;
mod view;

use std::sync::Arc;

use apns_certs::csr::CsrError;
use apns_certs::portal::{Identifier, PortalError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::office::Office;
use self::office::OfficeError;
pub(super) use self::office::Offices;
use self::view::{AppIdView, KeyView};
use super::Desk;
use super::ask::{Asked, Body, In};
use super::problem::Problem;

const NAME_LEN_MAX: usize = 100;

/// An App ID to be created
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAppId {
    /// `com.example.App`, or `com.example.*`, which can have no push; `web.…` for a website, `pass.…` for passes.
    #[schema(value_type = String, min_length = 1, max_length = 155, pattern = "^(\\*|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*(\\.\\*)?)$")]
    id: Identifier,
    /// Enable push for it at once.
    push: Option<bool>,
}

/// Every App ID
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppIdList {
    app_ids: Vec<AppIdView>,
}

/// A key to be made
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What its owner calls it.
    #[schema(max_length = 100)]
    name: Option<String>,
}

/// A key as it is handed out, once
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedKey {
    /// The `kid` of the tokens it signs.
    key_id: String,
    /// Their `iss`.
    team: String,
    /// The private key, as in the file `AuthKey_<key id>.p8`. It cannot be had again.
    private_key: String,
}

/// Every key
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyList {
    keys: Vec<KeyView>,
}

/// Lists the App IDs
#[utoipa::path(get, path = "/v1/portal/app-ids", tag = "portal", responses((status = 200, body = AppIdList)))]
pub(super) async fn app_ids(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
) -> Result<Json<AppIdList>, Problem> {
    let now = asked.project.now();
    let app_ids = office(&desk, &asked)?.app_ids(now);
    Ok(Json(AppIdList {
        app_ids: app_ids.iter().map(AppIdView::of).collect(),
    }))
}

/// Creates an App ID, or finds that it is there
#[utoipa::path(
    post, path = "/v1/portal/app-ids", tag = "portal", request_body = NewAppId,
    responses((status = 201, body = AppIdView), (status = 200, body = AppIdView, description = "It was there already"))
)]
pub(super) async fn create_app_id(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Body(NewAppId { id, push }): Body<NewAppId>,
) -> Result<(StatusCode, Json<AppIdView>), Problem> {
    let now = asked.project.now();
    let (new, app_id) = office(&desk, &asked)?.create_app_id(&id, push.unwrap_or(false), now)?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(AppIdView::of(&app_id))))
}

/// Enables push for an App ID
#[utoipa::path(
    post, path = "/v1/portal/app-ids/{id}/push", tag = "portal", params(("id" = String, Path, description = "The App ID", min_length = 1, max_length = 155, pattern = "^(\\*|[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*(\\.\\*)?)$")),
    responses((status = 200, body = AppIdView), (status = 409, body = Problem, description = "It has a wildcard"))
)]
pub(super) async fn enable_push(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    In(id): In<String>,
) -> Result<Json<AppIdView>, Problem> {
    let id = id
        .parse::<Identifier>()
        .map_err(|error| Problem::bad("bad_path", error))?;
    let app_id = office(&desk, &asked)?.enable_push(&id, asked.project.now())?;
    Ok(Json(AppIdView::of(&app_id)))
}

/// Lists the keys for provider tokens
#[utoipa::path(get, path = "/v1/portal/keys", tag = "portal", responses((status = 200, body = KeyList)))]
pub(super) async fn keys(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
) -> Result<Json<KeyList>, Problem> {
    let keys = office(&desk, &asked)?.keys();
    Ok(Json(KeyList {
        keys: keys.iter().map(KeyView::of).collect(),
    }))
}

/// Makes a key for provider tokens
///
/// The HTTP/2 ports take tokens signed with it from now on.
#[utoipa::path(
    post, path = "/v1/portal/keys", tag = "portal", request_body = NewKey, responses((status = 201, body = CreatedKey))
)]
pub(super) async fn create_key(
    State(desk): State<Arc<Desk>>,
    asked: Asked,
    Body(NewKey { name }): Body<NewKey>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let name = name.unwrap_or_default();
    if name.chars().count() > NAME_LEN_MAX {
        return Err(Problem::bad(
            "bad_name",
            format!("a key's name has at most {NAME_LEN_MAX} characters"),
        ));
    }
    let office = office(&desk, &asked)?;
    let (key, made) = office.create_key(&name, asked.project.now())?;
    asked.project.with(|world, _| world.add_provider_key(key));
    let created = CreatedKey {
        key_id: made.key_id,
        team: office.team().to_owned(),
        private_key: made.key_pem,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

fn office<A, B>(desk: &Desk, asked: &Asked<A, B>) -> Result<Arc<Office>, Problem> {
    Ok(desk.offices.of(asked.project.name())?)
}

impl From<OfficeError> for Problem {
    fn from(error: OfficeError) -> Self {
        match error {
            OfficeError::NoCa => Self::conflict("no_portal", error),
            OfficeError::Full => Self::full(error),
            OfficeError::Portal(error) => error.into(),
        }
    }
}

impl From<PortalError> for Problem {
    /// What to do is said in requests, where the portal itself speaks of commands.
    fn from(error: PortalError) -> Self {
        match error {
            PortalError::UnknownAppId { id, .. } => Self::missing(
                "no_such_app_id",
                format!("there is no App ID {id}: create it with POST /v1/portal/app-ids"),
            ),
            PortalError::Wildcard(id) => Self::conflict(
                "wildcard",
                format!(
                    "push cannot be enabled for {id}: APNs delivers to one app, and a wildcard stands for many; create an App ID for the app \
                     itself with POST /v1/portal/app-ids"
                ),
            ),
            PortalError::PushNotEnabled(id) => Self::conflict(
                "push_not_enabled",
                format!(
                    "push is not enabled for {id}: enable it with POST /v1/portal/app-ids/{id}/push"
                ),
            ),
            PortalError::NoAppId(kind) => Self::bad(
                "bad_body",
                format!("a certificate of kind {kind} is issued for an App ID: name it as app_id"),
            ),
            PortalError::NotIssued { wanted, .. } => Self::missing(
                "no_such_certificate",
                format!(
                    "the portal has issued no certificate {wanted}; GET /v1/portal/certificates lists those there are"
                ),
            ),
            error => {
                let cause = std::error::Error::source(&error)
                    .map_or_else(String::new, |cause| format!(": {cause}"));
                Self::conflict("not_issued", format!("{error}{cause}"))
            }
        }
    }
}

impl From<CsrError> for Problem {
    fn from(error: CsrError) -> Self {
        Self::bad("bad_csr", error)
    }
}
