//! Who may ask. The API asks nobody for a password; so it answers only who reaches it under a name of this machine, which a web page that rebinds its
//! own name cannot, and changes nothing for a page of another origin.

use std::sync::Arc;
use std::time::Duration;

use apns_net::http::guard::{Refused, check};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Desk;
use super::problem::Problem;

/// Longer than anything may be waited for.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Lets a request through, or says why not.
pub(super) async fn guard(
    State(desk): State<Arc<Desk>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check(&desk.hosts, request.method(), request.headers()).map_err(problem)?;
    Ok(next.run(request).await)
}

/// Ends what takes too long, a body that comes slowly included.
pub(super) async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::with_status(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            format!(
                "the request did not end within {} s",
                REQUEST_TIMEOUT.as_secs()
            ),
        )
        .into_response(),
    }
}

fn problem(refused: Refused) -> Problem {
    let (code, message) = match refused {
        Refused::HostCount | Refused::HostSyntax => {
            return Problem::bad("bad_host", refused.to_string());
        }
        Refused::Host { .. } => (
            "forbidden_host",
            format!("{refused}; add a name with --rest-host"),
        ),
        Refused::Origin | Refused::Site => ("forbidden_origin", refused.to_string()),
    };
    Problem::forbidden(code, message)
}
