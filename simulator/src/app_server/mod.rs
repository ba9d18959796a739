//! The app server: the provider of steps 3 and 4. Apps post their device tokens to it over HTTP; it pushes to them over the
//! binary protocol and reads the feedback service, as a company's backend would.
//!
//! ```text
//! phone's app ──HTTP: its token──▶ tokens ──▶ push ──client::Session over mutual TLS──▶ gateway or simulator
//!                                    ▲── status 8, feedback ────────────────────────────────┘
//! ```
//!
//! It listens on loopback and asks nobody who they are.

mod feedback;
mod provider;
mod pushes;
mod routes;
mod tokens;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use apns_net::credentials::Identity;
use apns_net::http;
use apns_net::tls::Roots;
use apns_proto::{Expiry, Priority, Token};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use self::provider::{Batch, Provider};
use self::pushes::{Push, Pushes};
use self::tokens::Tokens;
use crate::dial::Endpoint;

const TOKENS_MAX: usize = 100_000;
const PUSHES_REMEMBERED: usize = 100;
/// Pushes waiting for their app's connection; further ones wait in their request.
const BATCHES_WAITING_MAX: usize = 16;

/// What the app server needs to know.
#[derive(Debug, Clone)]
pub struct AppServerConfig {
    /// The apps it serves, each with its own push certificate.
    pub apps: Vec<ProviderApp>,
    /// How long an unanswered notification is pending before it counts as sent [P-30].
    pub quiet: Duration,
}

impl AppServerConfig {
    /// Well above the 200 ms within which a legacy gateway answers.
    pub const QUIET: Duration = Duration::from_millis(500);
}

/// One app of the app server.
#[derive(Debug, Clone)]
pub struct ProviderApp {
    /// The app's topic: its bundle id.
    pub topic: String,
    /// The push certificate and its key.
    pub identity: Identity,
    /// Whom to trust as the gateway.
    pub roots: Roots,
    /// Where the binary protocol is spoken.
    pub gateway: Endpoint,
    /// Where the feedback service is.
    pub feedback: Endpoint,
}

/// Why the app server did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppServerError {
    /// A push certificate or the trusted certificates cannot be used.
    #[error("the credentials of {topic} cannot be used")]
    Credentials {
        /// The app.
        topic: String,
        /// What TLS says.
        source: apns_net::tls::TlsError,
    },
    /// The listener's address is unknown to the system.
    #[error("the app server's listener has no address")]
    Listener(#[source] io::Error),
}

/// A running app server.
#[derive(Debug)]
pub struct AppServer {
    address: SocketAddr,
    apps: Arc<Apps>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl AppServer {
    /// Starts serving on `listener`.
    ///
    /// # Errors
    ///
    /// Where an app's credentials cannot be used. Whether its gateway is there shows at the first push.
    pub fn start(listener: TcpListener, config: AppServerConfig) -> Result<Self, AppServerError> {
        let address = listener.local_addr().map_err(AppServerError::Listener)?;
        let stop = CancellationToken::new();
        let mut providers = Vec::new();
        let mut apps = Vec::new();
        for app in config.apps {
            let (app, provider) = App::open(app, config.quiet, &stop)?;
            apps.push(app);
            providers.push(provider);
        }
        let apps = Arc::new(Apps(apps));
        let routes = routes::routes(apps.clone());
        let stopping = stop.clone();
        let task = tokio::spawn(async move {
            let providers: Vec<_> = providers
                .into_iter()
                .map(|provider| tokio::spawn(provider.run()))
                .collect();
            http::serve(listener, routes, stopping).await;
            for provider in providers {
                if let Err(error) = provider.await {
                    tracing::error!(%error, "a provider's task failed");
                }
            }
        });
        Ok(Self {
            address,
            apps,
            stop,
            task,
        })
    }

    /// Where apps of this process hand in their tokens.
    pub(crate) fn registry(&self) -> Registry {
        Registry(self.apps.clone())
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no new request, those under way get two seconds.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the app server's task failed");
        }
    }
}

/// An app server's tokens, for apps that need no HTTP to get there.
#[derive(Debug)]
pub(crate) struct Registry(Arc<Apps>);

impl Registry {
    /// An app hands in its token. What is no app of this server's has another, or none.
    pub(crate) fn register(&self, topic: &str, token: &Token) {
        if let Some(app) = self.0.find(topic) {
            let registered = app.tokens().register(token.clone(), SystemTime::now());
            tracing::info!(topic, %token, ?registered, "an app handed in its device token");
        }
    }
}

/// Every app, few enough to look through.
#[derive(Debug)]
struct Apps(Vec<Arc<App>>);

impl Apps {
    fn find(&self, topic: &str) -> Option<&App> {
        self.iter().find(|app| app.topic == topic)
    }

    fn iter(&self) -> impl Iterator<Item = &App> {
        self.0.iter().map(|app| &**app)
    }
}

/// One app: its registry, its pushes, and the way to its provider connection.
#[derive(Debug)]
struct App {
    topic: String,
    tokens: Mutex<Tokens>,
    pushes: Mutex<Pushes>,
    batches: mpsc::Sender<Batch>,
    feedback: Endpoint,
    tls: Arc<ClientConfig>,
}

impl App {
    fn open(
        app: ProviderApp,
        quiet: Duration,
        stop: &CancellationToken,
    ) -> Result<(Arc<Self>, Provider), AppServerError> {
        let tls =
            apns_net::tls::client_config(Some(&app.identity), app.roots).map_err(|source| {
                AppServerError::Credentials {
                    topic: app.topic.clone(),
                    source,
                }
            })?;
        let (batches, waiting) = mpsc::channel(BATCHES_WAITING_MAX);
        let opened = Arc::new(Self {
            topic: app.topic,
            tokens: Mutex::new(Tokens::new(TOKENS_MAX)),
            pushes: Mutex::new(Pushes::new(PUSHES_REMEMBERED)),
            batches,
            feedback: app.feedback,
            tls: tls.clone(),
        });
        let provider = Provider::new(
            opened.clone(),
            app.gateway,
            tls,
            quiet,
            waiting,
            stop.clone(),
        );
        Ok((opened, provider))
    }

    fn topic(&self) -> &str {
        &self.topic
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pushes(&self) -> MutexGuard<'_, Pushes> {
        self.pushes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a payload for every registered token to the provider connection.
    async fn push(
        &self,
        payload: Bytes,
        expiry: Option<Expiry>,
        priority: Option<Priority>,
    ) -> Arc<Push> {
        let tokens = self
            .tokens()
            .iter()
            .map(|(token, _)| token.clone())
            .collect();
        let push = self.pushes().open(tokens, SystemTime::now());
        let batch = Batch {
            push: push.clone(),
            payload,
            expiry,
            priority,
        };
        if let Err(refused) = self.batches.send(batch).await {
            refused.0.fail_all("the app server is shutting down");
        }
        push
    }

    /// Reads the feedback list to its end and drops the tokens it names.
    async fn read_feedback(&self) -> feedback::Read {
        feedback::read(
            &self.feedback,
            self.tls.clone(),
            &self.topic,
            |tuple, reported_at| self.tokens().forget(&tuple.token, reported_at),
        )
        .await
    }
}
