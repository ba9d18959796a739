//! The admin port: what an operator, a script or Prometheus sees of a running gateway, and the little they can change.
//!
//! ```text
//! operator ──HTTP/1 on loopback──▶ guard (Host, Origin) ──▶ livez, readyz, metrics, v1 ──▶ status (looks) · letters, holds (change)
//! ```
//!
//! It asks nobody for a password, so it listens on loopback alone and answers to names of this machine alone. Nothing changes by GET;
//! payloads never leave the store.

mod holds;
mod letters;
mod metrics;
mod problem;
mod status;

use std::sync::Arc;
use std::time::Duration;

use apns_net::credentials::Environment;
use apns_net::http;
use apns_net::http::guard::{self, Refused};
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::shared::Shared;
use crate::store::StoreDown;

pub(crate) use self::holds::{Held, Holding};
pub(crate) use self::letters::{Letters, Requeued, Requeueing};
pub(crate) use self::problem::Problem;
pub(crate) use self::status::{Status, UpstreamStatus};

/// Of a request.
const BODY_LEN_MAX: usize = 16 * 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> Result<(), StoreDown> {
    http::serve(listener, routes(shared), stop).await;
    Ok(())
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route(
            "/v1/apps/{environment}/{topic}/dead-letters",
            get(letters::list),
        )
        .route(
            "/v1/apps/{environment}/{topic}/dead-letters/requeue",
            post(letters::requeue),
        )
        .route("/v1/apps/{environment}/{topic}/hold", post(holds::hold))
        .route("/v1/apps/{environment}/{topic}/resume", post(holds::resume))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(guarded))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .with_state(shared)
}

/// Lets a request through, within its time, or says why not.
async fn guarded(request: Request, next: Next) -> Response {
    if let Err(refused) = guard::check(&[], request.method(), request.headers()) {
        let status = match refused {
            Refused::HostCount | Refused::HostSyntax => StatusCode::BAD_REQUEST,
            Refused::Host { .. } | Refused::Origin | Refused::Site => StatusCode::FORBIDDEN,
        };
        return Problem::new(status, refused.to_string()).into_response();
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no answer within {REQUEST_TIMEOUT:?}: the store is slow"),
        )
        .into_response(),
    }
}

/// Whether the process lives.
async fn livez() -> &'static str {
    "ok\n"
}

/// Whether backends can be taken. An upstream that is down does not change that: what comes is kept.
async fn readyz(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.drain.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let text = metrics::text(Status::of(&shared).await?)?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8".to_owned();
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

async fn status(State(shared): State<Arc<Shared>>) -> Result<Json<Status>, Problem> {
    Ok(Json(Status::of(&shared).await?))
}

/// The app that a path names.
fn app(
    shared: &Shared,
    path: Result<Path<(Environment, String)>, PathRejection>,
) -> Result<&Arc<App>, Problem> {
    let Path((environment, topic)) = path?;
    shared.app(&topic, environment).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no app {topic} in {environment}: /v1/status lists those there are"),
        )
    })
}

async fn no_such_route(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is no {} here, but /livez, /readyz, /metrics, /v1/status and \
             /v1/apps/ENVIRONMENT/TOPIC/ with dead-letters, hold and resume behind it",
            request.uri().path()
        ),
    )
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not take {}: see the header allow",
            request.uri().path(),
            request.method()
        ),
    )
}
