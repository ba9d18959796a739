//! What is said when something is wrong: a status, a word for programs, a sentence for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong, where, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// One word.
    error: &'static str,
    /// One sentence.
    message: String,
}

impl Problem {
    fn new(status: StatusCode, error: &'static str, message: impl ToString) -> Self {
        Self {
            status,
            error,
            message: message.to_string(),
        }
    }

    /// The request itself is wrong.
    pub(super) fn bad(error: &'static str, message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, message)
    }

    /// It may not be asked from there.
    pub(super) fn forbidden(error: &'static str, message: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, error, message)
    }

    /// There is no such thing.
    pub(super) fn missing(error: &'static str, message: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, message)
    }

    /// It cannot be done as things are.
    pub(super) fn conflict(error: &'static str, message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, error, message)
    }

    /// Something is full.
    pub(super) fn full(message: impl ToString) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "no_room", message)
    }

    pub(super) fn with_status(
        status: StatusCode,
        error: &'static str,
        message: impl ToString,
    ) -> Self {
        Self::new(status, error, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
