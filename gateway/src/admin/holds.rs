//! Stopping an app, and letting it go on. What backends send meanwhile is accepted and kept.

use std::sync::Arc;

use apns_net::credentials::Environment;
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

use super::app;
use super::problem::Problem;
use crate::contract;
use crate::shared::Shared;

/// Why an app is to be stopped.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Holding {
    /// For whoever asks how things stand.
    pub(crate) reason: String,
}

/// How an app stands now.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Held {
    /// Why nothing is sent; none if something is.
    pub(crate) held: Option<String>,
}

pub(super) async fn hold(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(Environment, String)>, PathRejection>,
    holding: Result<Json<Holding>, JsonRejection>,
) -> Result<Json<Held>, Problem> {
    let app = app(&shared, path)?;
    let Json(Holding { reason }) = holding?;
    app.order(|rules| rules.hold_by_operator(reason.clone()));
    Ok(Json(Held { held: Some(reason) }))
}

pub(super) async fn resume(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<(Environment, String)>, PathRejection>,
) -> Result<Json<Held>, Problem> {
    app(&shared, path)?.order(contract::App::resume);
    Ok(Json(Held { held: None }))
}
