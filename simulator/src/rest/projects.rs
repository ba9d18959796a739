//! Projects: which there are, and emptying one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Desk;
use super::ask::Asked;
use crate::project::Project;

/// A project
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
struct ProjectView {
    /// Whose it is; the name of `?project=`.
    team: String,
    /// Whether it is the one that requests without `?project=` are about.
    default: bool,
    /// Phones that were ever connected.
    phones: usize,
    /// Pushes that ever came.
    pushes: u64,
    /// Connections that are open.
    connections: usize,
}

/// Every project
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectList {
    /// The default one first, the others by their teams.
    projects: Vec<ProjectView>,
}

/// Lists the projects
#[utoipa::path(get, path = "/v1/projects", tag = "projects", responses((status = 200, body = ProjectList)))]
pub(super) async fn list(State(desk): State<Arc<Desk>>, _: Asked) -> Json<ProjectList> {
    let default = desk.projects.default_project().name();
    let mut projects: Vec<_> = desk
        .projects
        .all()
        .iter()
        .map(|project| ProjectView::of(project, default))
        .collect();
    projects.sort_by(|a, b| (!a.default, &a.team).cmp(&(!b.default, &b.team)));
    Json(ProjectList { projects })
}

/// Empties the project
///
/// Its phones (those that `run` switched on, too), pushes, events, tokens and feedback are gone, its faults and knobs are those of the start, its clock shows the real time. Its
/// connections are closed, and who waits in it is told.
#[utoipa::path(
    post, path = "/v1/reset", tag = "projects",
    responses((status = 204, description = "It is empty"))
)]
pub(super) async fn reset(asked: Asked) -> StatusCode {
    asked.owner.reset();
    StatusCode::NO_CONTENT
}

impl ProjectView {
    fn of(project: &Project, default: &str) -> Self {
        let shared = project.shared();
        Self {
            team: project.name().to_owned(),
            default: project.name() == default,
            phones: shared.with(|world, _| world.devices_len()),
            pushes: shared.inbox(|inbox| inbox.total()),
            connections: shared.connections().len(),
        }
    }
}
