//! The HTTP routes.
//!
//! ```text
//! GET  /apps                     the apps and how many tokens each has
//! POST /apps/{topic}/tokens      an app posts its device token: text in any form of `token_text`, or JSON {"token": "…"}
//! GET  /apps/{topic}/tokens      the registry
//! POST /apps/{topic}/push        an APNs payload (JSON), to every token; optional headers apns-expiration, apns-priority
//! GET  /apps/{topic}/pushes      the latest pushes and what became of them
//! POST /apps/{topic}/feedback    reads the feedback service and drops the tokens it names
//! ```
//!
//! The outcome of a push to a token is `sent` (no answer within the quiet period: success is silence, [P-30]), `rejected` with
//! its status, `failed` with the reason, or `pending`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apns_proto::{Expiry, Priority};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::json;

use super::tokens::Registered;
use super::{App, Apps};
use crate::token_text;

/// Far above the largest payload of any API, so that the server, not we, says that one is too large.
const BODY_LEN_MAX: usize = 16 * 1024;
/// A push is answered after this long even where outcomes are still pending.
const PUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// For anything else, a slow body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

pub(super) fn routes(apps: Arc<Apps>) -> Router {
    Router::new()
        .route("/apps", get(list))
        .route("/apps/{topic}/tokens", get(tokens).post(register))
        .route("/apps/{topic}/push", post(push))
        .route("/apps/{topic}/pushes", get(pushes))
        .route("/apps/{topic}/feedback", post(feedback))
        .fallback(async || {
            Refusal(
                StatusCode::NOT_FOUND,
                "no such route; see GET /apps".to_owned(),
            )
        })
        .method_not_allowed_fallback(async || {
            Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "not with this method".to_owned(),
            )
        })
        .layer(middleware::from_fn(deadline))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .with_state(apps)
}

/// An error answer: status and one sentence, as JSON `{"error": "…"}`.
#[derive(Debug)]
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(why: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// A request's body; one that is too large is refused like everything else, in JSON.
struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => Err(Refusal(rejection.status(), rejection.body_text())),
        }
    }
}

async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the request took too long".to_owned(),
        )
        .into_response(),
    }
}

fn find<'a>(apps: &'a Apps, topic: &str) -> Result<&'a App, Refusal> {
    apps.find(topic).ok_or_else(|| {
        let known: Vec<_> = apps.iter().map(App::topic).collect();
        Refusal(
            StatusCode::NOT_FOUND,
            format!("no app {topic} here; there is {}", known.join(", ")),
        )
    })
}

async fn list(State(apps): State<Arc<Apps>>) -> Response {
    let apps: Vec<_> = apps
        .iter()
        .map(|app| json!({ "topic": app.topic(), "tokens": app.tokens().len() }))
        .collect();
    Json(json!({ "apps": apps })).into_response()
}

async fn register(
    State(apps): State<Arc<Apps>>,
    Path(topic): Path<String>,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let app = find(&apps, &topic)?;
    let text = posted_text(&body)?;
    let token = token_text::parse(&text).map_err(Refusal::bad)?;
    let registered = app.tokens().register(token.clone(), SystemTime::now());
    tracing::info!(topic, %token, ?registered, "an app posted its device token");
    let status = match registered {
        Registered::New => StatusCode::CREATED,
        Registered::Again => StatusCode::OK,
        Registered::Full => {
            return Err(Refusal(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("the registry of {topic} is full"),
            ));
        }
    };
    Ok((status, Json(json!({ "token": token.to_hex() }))).into_response())
}

/// The token's text: what is under `token` where the body is a JSON object, else the body itself. Not decided by
/// `content-type`: what posts tokens is five lines in somebody's app.
fn posted_text(body: &[u8]) -> Result<String, Refusal> {
    if let Ok(serde_json::Value::Object(posted)) = serde_json::from_slice(body) {
        let token = posted.get("token").and_then(serde_json::Value::as_str);
        return token
            .map(str::to_owned)
            .ok_or_else(|| Refusal::bad("the JSON object has no field token with a string in it"));
    }
    String::from_utf8(body.to_vec()).map_err(|_| {
        Refusal::bad(
            "the body is not text: send the device token as hex, or as base64, not as raw bytes",
        )
    })
}

async fn tokens(
    State(apps): State<Arc<Apps>>,
    Path(topic): Path<String>,
) -> Result<Response, Refusal> {
    let app = find(&apps, &topic)?;
    let tokens: Vec<_> = app
        .tokens()
        .iter()
        .map(|(token, at)| {
            let registered_at = at
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            json!({ "token": token.to_hex(), "registered_at": registered_at })
        })
        .collect();
    Ok(Json(json!({ "topic": topic, "tokens": tokens })).into_response())
}

async fn push(
    State(apps): State<Arc<Apps>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    Body(payload): Body,
) -> Result<Response, Refusal> {
    let app = find(&apps, &topic)?;
    check_payload(&payload)?;
    let expiry = number(&headers, "apns-expiration")?.map(Expiry);
    let priority = number(&headers, "apns-priority")?.map(Priority);
    let push = app.push(payload, expiry, priority).await;
    push.settled(PUSH_TIMEOUT).await;
    Ok(Json(push.report()).into_response())
}

fn check_payload(payload: &[u8]) -> Result<(), Refusal> {
    let text =
        std::str::from_utf8(payload).map_err(|_| Refusal::bad("the payload is not UTF-8"))?;
    if !text.trim_start().starts_with('{') {
        return Err(Refusal::bad(
            "the payload is not a JSON object such as {\"aps\":{\"alert\":\"hi\"}}",
        ));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map(drop)
        .map_err(|error| Refusal::bad(format!("the payload is not JSON: {error}")))
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Refusal> {
    headers
        .get(name)
        .map(|value| {
            let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
            parsed
                .ok_or_else(|| Refusal::bad(format!("the header {name} is not a number that fits")))
        })
        .transpose()
}

async fn pushes(
    State(apps): State<Arc<Apps>>,
    Path(topic): Path<String>,
) -> Result<Response, Refusal> {
    let app = find(&apps, &topic)?;
    Ok(Json(json!({ "topic": topic, "pushes": app.pushes().reports() })).into_response())
}

async fn feedback(
    State(apps): State<Arc<Apps>>,
    Path(topic): Path<String>,
) -> Result<Response, Refusal> {
    let app = find(&apps, &topic)?;
    let read = app.read_feedback().await;
    Ok(match read.error {
        None => Json(json!({ "topic": topic, "tuples": read.tuples })).into_response(),
        Some(error) => (
            StatusCode::BAD_GATEWAY,
            Json(json!({ "error": format!("the feedback list was not read to its end: {error}"), "tuples": read.tuples })),
        )
            .into_response(),
    })
}
