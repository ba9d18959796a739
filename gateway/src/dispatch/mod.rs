//! One task per app: from the store upstream, and what became of it back into the store.
//!
//! ```text
//! store ──page──▶ stock ──▶ aside? ──▶ upstream ──confirmed, answered, refused──▶ settling ──▶ store
//! ```
//!
//! The store is the only truth. What every upstream needs is the [`Backlog`]; how one is driven is the business of its kind:
//! [`Binary`] or [`Http2`].

mod aside;
#[cfg(test)]
mod aside_lives;
mod backlog;
mod binary;
mod http2;
mod lanes;
#[cfg(test)]
mod lanes_lives;
mod settling;
mod stock;
mod turns;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info_span};

use self::backlog::Backlog;
use self::binary::Binary;
use self::http2::Http2;
use crate::app::App;
use crate::config::UpstreamConfig;
use crate::reload::Current;
use crate::setup::AppSetup;
use crate::shared::Shared;
use crate::store::StoreDown;
use crate::upstream::connect::Connector;
use crate::upstream::http2::token::ProviderToken;

/// What an app's pushes go through.
pub(crate) struct Dispatcher {
    driver: Driver,
    span: Span,
}

enum Driver {
    Binary(Box<Binary>),
    Http2(Box<Http2>),
}

impl Dispatcher {
    pub(crate) fn new(
        app: Arc<App>,
        setup: &AppSetup,
        connector: Connector,
        key: Option<Current<ProviderToken>>,
        shared: &Shared,
    ) -> Self {
        let span =
            info_span!("upstream", app.topic, %app.environment, address = %connector.address);
        let backlog = Backlog::new(app, &setup.config, shared);
        let driver = match &setup.config.upstream {
            UpstreamConfig::Binary(upstream) => {
                Driver::Binary(Box::new(Binary::new(backlog, upstream, connector)))
            }
            UpstreamConfig::Http2(upstream) => {
                let http2 = Http2::new(
                    backlog,
                    upstream,
                    connector,
                    setup.envelope(shared.store.installation()),
                    key,
                );
                Driver::Http2(Box::new(http2))
            }
        };
        Self { driver, span }
    }

    /// Sends until told to stop; then waits for what is on its way.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), StoreDown> {
        let Self { driver, span } = self;
        let running = async {
            match driver {
                Driver::Binary(binary) => binary.run(stop).await,
                Driver::Http2(http2) => http2.run(stop).await,
            }
        };
        running.instrument(span).await
    }
}
