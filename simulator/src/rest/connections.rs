//! The connections that are open: looked at, closed.

use apns_net::credentials::Environment;
use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{Asked, In};
use super::problem::Problem;
use super::time;
use crate::connections::{Connection, Who};
use crate::faults;
use crate::inbox::EnvironmentName;

/// A connection
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
struct ConnectionView {
    /// Not used again before a reset.
    id: u64,
    face: ConnectionFace,
    #[schema(value_type = EnvironmentName)]
    environment: Environment,
    /// Address and port of the other end.
    peer: String,
    /// A provider's certificate's; none over HTTP/2 with a provider token.
    topic: Option<String>,
    /// The phone's name.
    device: Option<String>,
    /// What a fault's `connection` calls it; none on the courier.
    number: Option<u64>,
    since: String,
    /// Notifications it has carried: accepted on a provider port, sent to the phone on the courier.
    notifications: u64,
}

/// Which port it came to
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ConnectionFace {
    Binary,
    Feedback,
    Http2,
    Courier,
}

/// Every open connection of the project
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionList {
    /// In the order they came.
    connections: Vec<ConnectionView>,
}

/// Lists the connections
///
/// Those of providers and of phones on the network; a virtual phone has none.
#[utoipa::path(get, path = "/v1/connections", tag = "connections", responses((status = 200, body = ConnectionList)))]
pub(super) async fn list(asked: Asked) -> Json<ConnectionList> {
    let all = asked.project.connections().all();
    Json(ConnectionList {
        connections: all
            .iter()
            .map(|connection| ConnectionView::of(connection))
            .collect(),
    })
}

/// Closes a connection
///
/// Without a word, over HTTP/2 with GOAWAY. What is under way has as long as at a shutdown.
#[utoipa::path(
    delete, path = "/v1/connections/{id}", tag = "connections", params(("id" = u64, Path, description = "The connection")),
    responses((status = 204, description = "It is being closed"))
)]
pub(super) async fn close(asked: Asked, In(id): In<u64>) -> Result<StatusCode, Problem> {
    if asked.project.connections().close(id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::missing(
        "no_such_connection",
        format!("connection {id} is not open; GET /v1/connections lists those that are"),
    ))
}

impl ConnectionView {
    fn of(connection: &Connection) -> Self {
        let view = Self {
            id: connection.id,
            face: ConnectionFace::Courier,
            environment: connection.environment,
            peer: connection.peer.to_string(),
            topic: None,
            device: None,
            number: None,
            since: time::text(connection.since),
            notifications: connection.notifications(),
        };
        match &connection.who {
            Who::Phone { device } => Self {
                device: Some(device.to_string()),
                ..view
            },
            Who::Provider {
                face,
                topic,
                number,
            } => Self {
                face: match face {
                    faults::Face::Binary => ConnectionFace::Binary,
                    faults::Face::Feedback => ConnectionFace::Feedback,
                    faults::Face::Http2 => ConnectionFace::Http2,
                },
                topic: topic.as_deref().map(str::to_owned),
                number: Some(*number),
                ..view
            },
        }
    }
}
