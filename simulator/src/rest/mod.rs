//! The REST API: any test, in any language, sets up phones, waits for pushes and asserts what became of them.
//!
//! ```text
//! test ──HTTP/1, JSON──▶ guard (Host, Origin) ──▶ ask (which project? what parameters?) ──▶ a handler ──▶ the project's
//!                                                                                                world, phones, inbox
//! ```
//!
//! A handler is a call on what the library offers to everybody, and its answer as JSON. What there is, is listed in
//! `docs/simulator.md` and described, for machines, by the document at `/v1/openapi.json`, which is made from the handlers themselves.
//! Nothing named in a push is ever fetched, and nothing changes by GET.

mod ask;
mod clock;
mod connections;
mod document;
mod events;
mod faults;
mod feedback;
mod guard;
mod knobs;
mod phones;
mod portal;
mod problem;
mod projects;
mod pushes;
mod system;
mod time;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use apns_certs::Ca;
use apns_net::credentials::Environment;
use apns_net::http;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::portal::Offices;
use crate::project::Projects;
use crate::{Addresses, Handle};

/// Far above a certificate request and the largest `.apns` file.
const BODY_LEN_MAX: usize = 64 * 1024;

/// What the API needs to know beside the simulator.
#[derive(Debug, Default)]
pub struct RestConfig {
    /// Names under which it may be reached besides `localhost`, `127.0.0.1` and `[::1]`, without a port.
    pub hosts: Vec<String>,
    /// Signs what the portal issues; without it there is no portal.
    pub ca: Option<Arc<Ca>>,
}

/// Why the API did not start.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The listener's address is unknown to the system.
    #[error("the REST API's listener has no address")]
    Listener(#[source] io::Error),
}

/// A running REST API.
#[derive(Debug)]
pub struct Rest {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Rest {
    /// Serves `simulator` on `listener`.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn start(
        listener: TcpListener,
        simulator: &Handle,
        config: RestConfig,
    ) -> Result<Self, RestError> {
        let address = listener.local_addr().map_err(RestError::Listener)?;
        let stop = CancellationToken::new();
        let desk = Arc::new(Desk {
            projects: simulator.projects().clone(),
            sandbox: simulator.addresses(Environment::Sandbox),
            production: simulator.addresses(Environment::Production),
            hosts: config.hosts,
            offices: Offices::new(config.ca),
            stop: stop.clone(),
        });
        let task = tokio::spawn(http::serve(listener, service(desk), stop.clone()));
        tracing::info!(rest = %address, "the REST API listens");
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no new request, waits and streams end, other requests get two seconds.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the REST API's task failed");
        }
    }
}

/// What every handler is given.
#[derive(Debug)]
struct Desk {
    projects: Arc<Projects>,
    sandbox: Addresses,
    production: Addresses,
    hosts: Vec<String>,
    offices: Offices,
    stop: CancellationToken,
}

/// The routes, each with its part of the document.
fn routes() -> OpenApiRouter<Arc<Desk>> {
    #[derive(OpenApi)]
    #[openapi(info(
        title = "apns-simulator",
        description = "Drives a simulated APNs and its iPhones from tests: see docs/simulator.md.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ))]
    struct Document;

    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(system::health))
        .routes(routes!(projects::list))
        .routes(routes!(projects::reset))
        .routes(routes!(clock::show, clock::change))
        .routes(routes!(knobs::show, knobs::change))
        .routes(routes!(
            faults::list,
            faults::add,
            faults::replace,
            faults::clear
        ))
        .routes(routes!(faults::remove))
        .routes(routes!(feedback::show))
        .routes(routes!(connections::list))
        .routes(routes!(connections::close))
        .routes(routes!(phones::list, phones::add))
        .routes(routes!(phones::show, phones::change, phones::remove))
        .routes(routes!(phones::screen))
        .routes(routes!(phones::received))
        .routes(routes!(phones::open))
        .routes(routes!(phones::apps::install))
        .routes(routes!(
            phones::apps::show,
            phones::apps::change,
            phones::apps::uninstall
        ))
        .routes(routes!(pushes::list, pushes::send))
        .routes(routes!(pushes::wait::wait))
        .routes(routes!(pushes::show))
        .routes(routes!(pushes::file))
        .routes(routes!(pushes::wait::expect))
        .routes(routes!(events::stream))
        .routes(routes!(portal::app_ids, portal::create_app_id))
        .routes(routes!(portal::enable_push))
        .routes(routes!(
            portal::certificates::list,
            portal::certificates::issue
        ))
        .routes(routes!(portal::certificates::download))
        .routes(routes!(portal::certificates::revoke))
        .routes(routes!(portal::certificates::equip))
        .routes(routes!(portal::keys, portal::create_key))
}

fn service(desk: Arc<Desk>) -> Router {
    let (routes, document) = routes().split_for_parts();
    routes
        .merge(system::document(document::complete(document)))
        .fallback(system::no_such_route)
        .method_not_allowed_fallback(system::wrong_method)
        .layer(middleware::from_fn(guard::deadline))
        .layer(middleware::from_fn_with_state(desk.clone(), guard::guard))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .with_state(desk)
}
