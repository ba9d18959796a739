//! The sockets backends connect to: from an accepted TLS connection to its caller, and to who serves it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use apns_net::credentials::Environment;
use apns_net::listen::{Accepted, Configurations, Limits, serve};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tracing::{Instrument, debug, info_span, warn};

use crate::backend;
use crate::feedback;
use crate::reload::Current;
use crate::shared::Shared;

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Pushes, in place of port 2195.
    Push,
    /// Feedback, in place of port 2196.
    Feedback,
}

/// One bound listener.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Current<ServerConfig>,
    pub(crate) environment: Environment,
    pub(crate) service: Service,
}

impl Listener {
    /// Accepts and serves until told to drain, and until every connection has ended.
    pub(crate) async fn run(
        self,
        shared: Arc<Shared>,
        limits: Limits,
        backend_connections_max: usize,
    ) {
        let Self {
            socket,
            tls,
            environment,
            service,
        } = self;
        let drain = shared.drain.clone();
        let places = Places::new(backend_connections_max);
        let tls = Configurations::by_name(move |_| tls.get());
        serve(socket, tls, limits, drain, move |accepted| {
            let (shared, places) = (Arc::clone(&shared), places.clone());
            async move {
                let abort = shared.abort.clone();
                abort
                    .run_until_cancelled(welcome(accepted, environment, service, &shared, &places))
                    .await;
            }
        })
        .await;
    }
}

/// Finds out who is calling, and serves them.
async fn welcome(
    accepted: Accepted,
    environment: Environment,
    service: Service,
    shared: &Shared,
    places: &Places,
) {
    let Accepted {
        stream,
        peer,
        certificate: Some(certificate),
    } = accepted
    else {
        return; // The listener's policy requires one.
    };
    let refused = |reason: &dyn std::fmt::Display| {
        warn!(%peer, %reason, certificate = certificate.common_name, pin = %certificate.pin, "refused a connection");
        shared.counters.refused.add(1);
    };
    let caller = match shared.callers.who(&certificate, environment) {
        Ok(caller) => caller,
        Err(stranger) => return refused(&stranger),
    };
    let Some(_place) = places.take(&caller.name) else {
        return refused(&format_args!(
            "backend {} has its {} connections: raise listen.backend_connections_max if that is right",
            caller.name, places.max
        ));
    };
    let app = &shared.apps[caller.app];
    let voip = certificate.is_voip();
    let span = match service {
        Service::Push => info_span!("backend", %peer, topic = app.topic, name = %caller.name),
        Service::Feedback => info_span!("feedback", %peer, topic = app.topic, name = %caller.name),
    };
    let served = async {
        debug!(%environment, "connected");
        match service {
            Service::Push => backend::serve(stream, app, caller.name, voip, shared).await,
            Service::Feedback => feedback::serve(stream, app.id, caller.name, shared).await,
        }
    };
    // The supervisor hears of it from the store itself.
    if let Err(down) = served.instrument(span).await {
        debug!(%down, "ended");
    }
}

/// How many connections each backend has.
#[derive(Clone, Debug)]
struct Places {
    taken: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    max: usize,
}

/// One connection's place, free again when dropped.
struct Place {
    places: Places,
    name: Arc<str>,
}

impl Places {
    fn new(max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
        }
    }

    fn take(&self, name: &Arc<str>) -> Option<Place> {
        let mut taken = self.lock();
        let count = taken.entry(Arc::clone(name)).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place {
            places: self.clone(),
            name: Arc::clone(name),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_has_as_many_places_as_configured_and_gets_them_back() {
        let places = Places::new(2);
        let (one, other) = (Arc::from("one"), Arc::from("other"));
        let first = places.take(&one).unwrap();
        let _second = places.take(&one).unwrap();
        assert!(places.take(&one).is_none());
        assert!(
            places.take(&other).is_some(),
            "another backend is not affected"
        );
        drop(first);
        assert!(places.take(&one).is_some());
        assert_eq!(places.lock().len(), 1, "who has none is forgotten");
    }
}
