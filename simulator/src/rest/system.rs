//! The API's own routes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Desk;
use super::ask::Asked;
use super::problem::Problem;
use crate::Addresses;

/// That the simulator is there, and where
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The simulator's version.
    version: &'static str,
    sandbox: Addresses,
    production: Addresses,
}

/// Whether the simulator is there, and where one connects to it
#[utoipa::path(get, path = "/v1/health", tag = "system", responses((status = 200, body = Health)))]
pub(super) async fn health(State(desk): State<Arc<Desk>>, _: Asked) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        sandbox: desk.sandbox,
        production: desk.production,
    })
}

/// The document that describes every other route.
pub(super) fn document(document: Value) -> Router<Arc<Desk>> {
    let document = Json(document);
    Router::new().route(
        "/v1/openapi.json",
        get(move |_: Asked| async move { document }),
    )
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::missing(
        "no_such_route",
        format!("there is no {} here; see /v1/openapi.json", uri.path()),
    )
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::with_status(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        format!(
            "{} does not take {method}; the header allow says what it takes, /v1/openapi.json what for",
            uri.path()
        ),
    )
}
