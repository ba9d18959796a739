//! A running gateway, seen from outside.

use std::net::SocketAddr;
use std::sync::Arc;

use apns_net::credentials::Environment;
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::config::Config;
use crate::counters::Counters;
use crate::failure::Failure;
use crate::reload::{Reload, ReloadError};
use crate::shared::Shared;
use crate::store::{Counts, DeadLetter, LetterId, Requeue, Space, StoreDown, Trust};

/// A running gateway. Dropped, it ends where it is: what is committed is safe, and connections break.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    bound: Vec<(Environment, Bound)>,
    admin: Option<SocketAddr>,
    reload: Reload,
    supervisor: JoinHandle<Result<(), Failure>>,
    outcome: Option<Result<(), Failure>>,
}

/// Where the two services of one environment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) backend: SocketAddr,
    pub(crate) feedback: SocketAddr,
}

/// What a script that started the daemon reads: every listener's address, in the order of their ports.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyFile {
    /// Where pushes are taken: for production, if that is served.
    pub backend: SocketAddr,
    /// Where feedback is served, for the same environment.
    pub feedback: SocketAddr,
    /// Where pushes are taken for the sandbox, if production is served too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_backend: Option<SocketAddr>,
    /// Where its feedback is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_feedback: Option<SocketAddr>,
    /// The admin port, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
}

impl Handle {
    pub(crate) fn new(
        shared: Arc<Shared>,
        bound: Vec<(Environment, Bound)>,
        admin: Option<SocketAddr>,
        reload: Reload,
        supervisor: JoinHandle<Result<(), Failure>>,
    ) -> Self {
        Self {
            shared,
            bound,
            admin,
            reload,
            supervisor,
            outcome: None,
        }
    }

    /// Where pushes for an environment are taken, if it is served.
    pub fn backend_address(&self, environment: Environment) -> Option<SocketAddr> {
        self.bound(environment).map(|bound| bound.backend)
    }

    /// Where feedback of an environment is served, if it is.
    pub fn feedback_address(&self, environment: Environment) -> Option<SocketAddr> {
        self.bound(environment).map(|bound| bound.feedback)
    }

    fn bound(&self, environment: Environment) -> Option<Bound> {
        let (_, bound) = self
            .bound
            .iter()
            .find(|(served, _)| *served == environment)?;
        Some(*bound)
    }

    /// What goes into the ready file.
    pub fn ready_file(&self) -> ReadyFile {
        let (_, first) = self.bound[0];
        let second = self.bound.get(1).map(|(_, bound)| bound);
        ReadyFile {
            backend: first.backend,
            feedback: first.feedback,
            sandbox_backend: second.map(|bound| bound.backend),
            sandbox_feedback: second.map(|bound| bound.feedback),
            admin: self.admin,
        }
    }

    /// Where everything an app ever accepted is now, as of the newest commit; `None`: no such app is configured.
    pub fn counts(&self, topic: &str, environment: Environment) -> Option<Counts> {
        let app = self.app(topic, environment)?;
        Some(app.committed.borrow().counts)
    }

    /// Why an app is on hold, if it is.
    pub fn held(&self, topic: &str, environment: Environment) -> Option<String> {
        let app = self.app(topic, environment)?;
        app.rules().held().map(str::to_owned)
    }

    /// What upstream's verdicts on an app's tokens are worth by now.
    pub fn trust(&self, topic: &str, environment: Environment) -> Option<Trust> {
        let app = self.app(topic, environment)?;
        Some(app.rules().trust())
    }

    /// How full the store is.
    pub fn space(&self) -> Space {
        *self.shared.store.space().borrow()
    }

    /// Commits the store has made since it was opened.
    pub fn commits(&self) -> u64 {
        self.shared.store.commits()
    }

    /// What the store does not count.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Connections of backends that are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.len()
    }

    /// An app's dead letters behind `after`, in the order they died; none where no such app is configured.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn dead_letters(
        &self,
        topic: &str,
        environment: Environment,
        after: Option<LetterId>,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, StoreDown> {
        match self.app(topic, environment) {
            Some(app) => {
                self.shared
                    .store
                    .dead_letters(app.id, after, letters_max)
                    .await
            }
            None => Ok(Vec::new()),
        }
    }

    /// Puts dead letters back into the queue, and forgets what was known against their tokens. Returns how many.
    ///
    /// # Errors
    /// The store has stopped.
    pub async fn requeue(
        &self,
        topic: &str,
        environment: Environment,
        which: Requeue,
    ) -> Result<u64, StoreDown> {
        match self.app(topic, environment) {
            Some(app) => self.shared.requeue(app, which).await,
            None => Ok(0),
        }
    }

    fn app(&self, topic: &str, environment: Environment) -> Option<&Arc<App>> {
        self.shared.app(topic, environment)
    }

    /// Reads the certificates and keys of the configuration again. Open connections stay as they are. Of `config` itself only
    /// which keys sign provider tokens takes effect.
    ///
    /// # Errors
    /// One of them cannot be used; then all stay what they were.
    pub async fn reload(&self, config: &Config) -> Result<(), ReloadError> {
        self.reload.read_again(config, &self.shared).await
    }

    /// Waits until the gateway ends: told to by [`Handle::shutdown`], or because it cannot go on. Can be dropped and called
    /// again.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub async fn ended(&mut self) -> Result<(), Failure> {
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let outcome = (&mut self.supervisor).await.unwrap_or_else(|error| {
            Err(Failure::Task {
                task: "supervisor".to_owned(),
                reason: error.to_string(),
            })
        });
        self.outcome = Some(outcome.clone());
        outcome
    }

    /// Stops in good order: no new connections; those there are end when they are idle, or after the drain timeout; then
    /// what is on its way upstream is waited for; then the store is closed. Can be dropped: the stopping goes on until the
    /// handle is dropped too.
    ///
    /// # Errors
    /// Why it could not go on before that.
    pub async fn shutdown(&mut self) -> Result<(), Failure> {
        self.shared.drain.cancel();
        self.ended().await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.drain.cancel();
        self.shared.abort.cancel();
    }
}
