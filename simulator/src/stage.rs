//! APNs, a provider and phones in one process: what `apns-simulator run` and the demo put up.
//!
//! Ports, from the port base on: binary, feedback, courier, app server, REST API, HTTP/2; those of the other environment are ten higher.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apns_certs::dev::{self, DevError, DevOptions, DevSet};
use apns_certs::portal_dir::PortalDirError;
use apns_certs::{Ca, KeyKind, Kind, MintError, PushCertificate};
use apns_net::credentials::{CredentialsError, Environment, Identity};
use apns_net::listen::{self, BindError};
use apns_net::ready::PortBase;
use apns_net::tls::{Roots, TlsError, TlsVersions};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::app_server::{AppServer, AppServerConfig, AppServerError, ProviderApp};
use crate::dial::Endpoint;
use crate::faults::Plan;
use crate::knobs::Knobs;
use crate::phone::{ActionError, Phone, Types};
use crate::phone_link::{Line, LinkConfig, PhoneLink};
use crate::provider_keys::{self, SigningKey};
use crate::rest::{Rest, RestConfig, RestError};
use crate::{AddPhoneError, Addresses, Config, Handle, NotInTime, Simulator, StartError};

/// Phones must have their tokens by then.
const TOKENS_TIMEOUT: Duration = Duration::from_secs(30);

/// The place of the other environment's first port: far enough to leave room for more faces.
const OTHER_PLACE: u16 = 10;

/// What to put up.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// Folder of the certificates; they are made when they are missing or about to expire.
    pub state: PathBuf,
    /// Where the listeners are.
    pub port_base: PortBase,
    /// The app's bundle id. The phones have a second push app, `<topic>.second`: a phone whose last push app goes hangs up,
    /// and reports nothing [C-15].
    pub topic: String,
    /// The environment of phones and app server, and of the first ports; the other one listens beside it.
    pub environment: Environment,
    /// The TLS versions they speak.
    pub tls: TlsVersions,
    /// What goes wrong from the start.
    pub faults: Plan,
    /// How the knobs are set.
    pub knobs: Knobs,
}

/// A running simulator with its certificates.
#[derive(Debug)]
pub struct Stage {
    options: StageOptions,
    set: DevSet,
    signing_key: SigningKey,
    ca: Arc<Ca>,
    simulator: Handle,
}

/// Why the stage is not up.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The state folder cannot be used.
    #[error(transparent)]
    Certificates(#[from] DevError),
    /// The portal of the state folder cannot be used.
    #[error(transparent)]
    Portal(#[from] PortalDirError),
    /// A certificate cannot be minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// A certificate of the state folder cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The simulator does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The app server's port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The app server does not start.
    #[error(transparent)]
    AppServer(#[from] AppServerError),
    /// The REST API does not start.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// A phone's certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An app cannot be installed.
    #[error(transparent)]
    Phone(#[from] ActionError),
    /// A virtual phone cannot be switched on.
    #[error(transparent)]
    AddPhone(#[from] AddPhoneError),
    /// A phone got no token.
    #[error(transparent)]
    NotInTime(#[from] NotInTime),
}

impl StageError {
    /// The exit code of a process that ends because of it: 1 failure, 74 disk, 78 configuration.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Certificates(DevError::Folder { .. } | DevError::Write { .. })
            | Self::Portal(PortalDirError::Folder { .. } | PortalDirError::Write { .. }) => 74,
            Self::Certificates(_)
            | Self::Portal(_)
            | Self::Credentials(_)
            | Self::AppServer(_)
            | Self::Start(StartError::Tls(_) | StartError::Address(_) | StartError::Faults(_)) => {
                78
            }
            Self::Start(StartError::Bind(_))
            | Self::Mint(_)
            | Self::Bind(_)
            | Self::Rest(_)
            | Self::Tls(_)
            | Self::Phone(_)
            | Self::AddPhone(_)
            | Self::NotInTime(_) => 1,
        }
    }
}

/// What the ready file says of the simulator.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// The binary provider port of the environment that phones and app server are in.
    pub binary: SocketAddr,
    /// Its feedback service.
    pub feedback: SocketAddr,
    /// Where its phones connect.
    pub courier: SocketAddr,
    /// The HTTP/2 provider API.
    pub http2: SocketAddr,
    /// The ports of the sandbox.
    pub sandbox: Addresses,
    /// The ports of production.
    pub production: Addresses,
    /// Where apps post their tokens, and pushes are ordered.
    pub app_server: SocketAddr,
    /// Where tests drive it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<SocketAddr>,
    /// The CA to trust, in PEM.
    pub ca: PathBuf,
    /// The provider's push certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The topic of that certificate.
    pub topic: String,
    /// The provider's key, which does in place of the certificate over HTTP/2.
    pub provider_key: SigningKey,
    /// The phones.
    pub phones: Vec<ReadyPhone>,
}

/// A phone in the ready file.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyPhone {
    /// Its name.
    pub name: String,
    /// The device token of [`Ready::topic`] in hex.
    pub token: String,
}

impl Stage {
    /// Reads or makes the certificates and starts the simulator.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used or a port cannot be bound.
    pub async fn set_up(options: StageOptions) -> Result<Self, StageError> {
        let certificates = DevOptions {
            topic: options.topic.clone(),
            ..DevOptions::default()
        };
        let set = dev::load_or_write(&options.state, &certificates)?;
        let ca = Arc::new(set.load_ca()?);
        let (keys, signing_key) = provider_keys::load_or_make(&options.state)?;
        let identity = Identity::from_pem_files(&set.server, &set.server_key)?;
        let (default, other) = (
            addresses(options.port_base, 0),
            addresses(options.port_base, OTHER_PLACE),
        );
        let (sandbox, production) = match options.environment {
            Environment::Sandbox => (default, other),
            Environment::Production => (other, default),
        };
        let simulator = Simulator::start(Config {
            sandbox,
            production,
            environment: options.environment,
            tls: options.tls,
            faults: options.faults.clone(),
            knobs: options.knobs,
            ..Config::new(identity, vec![ca.certificate_der().clone()])
        })
        .await?;
        simulator.world(|world, _| {
            for key in keys {
                world.add_provider_key(key);
            }
        });
        Ok(Self {
            options,
            set,
            signing_key,
            ca,
            simulator,
        })
    }

    /// The running simulator.
    #[must_use]
    pub const fn simulator(&self) -> &Handle {
        &self.simulator
    }

    /// Its certificates.
    #[must_use]
    pub const fn certificates(&self) -> &DevSet {
        &self.set
    }

    /// The key that its provider tokens can be signed with.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// The topics of a phone's two push apps.
    #[must_use]
    pub fn topics(&self) -> [String; 2] {
        let topic = &self.options.topic;
        [topic.clone(), format!("{topic}.second")]
    }

    /// Starts the app server, which pushes through `gateway` and reads `feedback`. Virtual phones' apps hand in their tokens from now on.
    ///
    /// # Errors
    ///
    /// When its port cannot be bound.
    pub async fn app_server(
        &self,
        gateway: Endpoint,
        feedback: Endpoint,
    ) -> Result<AppServer, StageError> {
        let mut apps = Vec::new();
        for topic in self.topics() {
            let identity = if topic == self.set.topic {
                Identity::from_pem_files(&self.set.provider, &self.set.provider_key)?
            } else {
                let push = PushCertificate {
                    key: KeyKind::P256,
                    ..PushCertificate::new(Kind::Universal, &topic)
                };
                self.ca.push(&push)?.identity()?
            };
            apps.push(ProviderApp {
                topic,
                identity,
                roots: self.roots(),
                gateway: gateway.clone(),
                feedback: feedback.clone(),
            });
        }
        let listener = listen::bind(self.options.port_base.address(3)).await?;
        let quiet = AppServerConfig::QUIET;
        let server = AppServer::start(listener, AppServerConfig { apps, quiet })?;
        let project = self.simulator.default_project();
        project.set_backend(self.options.environment, server.registry());
        Ok(server)
    }

    /// Starts the REST API.
    ///
    /// # Errors
    ///
    /// When its port cannot be bound.
    pub async fn rest(&self, hosts: Vec<String>) -> Result<Rest, StageError> {
        let listener = listen::bind(self.options.port_base.address(4)).await?;
        let config = RestConfig {
            hosts,
            ca: Some(self.ca.clone()),
        };
        Ok(Rest::start(listener, &self.simulator, config)?)
    }

    /// Switches a virtual phone on that has both push apps.
    ///
    /// # Errors
    ///
    /// When there is one of this name.
    pub fn virtual_phone(&self, name: &str) -> Result<ReadyPhone, StageError> {
        let mut phone = Phone::new(name);
        self.install_on(&mut phone)?;
        let project = self.simulator.default_project();
        let token = project.switch_on(phone, &self.set.topic, self.options.environment)?;
        Ok(ReadyPhone {
            name: name.to_owned(),
            token: token.to_hex(),
        })
    }

    /// Switches a phone on that connects to the courier. It has no apps yet, and therefore no connection.
    ///
    /// # Errors
    ///
    /// When its certificate cannot be minted.
    pub fn phone(
        &self,
        name: &str,
        app_server: &AppServer,
        transcript: Option<mpsc::Sender<Line>>,
    ) -> Result<PhoneLink, StageError> {
        let config = LinkConfig {
            courier: self.simulator.courier().into(),
            identity: self.ca.device(name)?.identity()?,
            roots: self.roots(),
            app_server: Some(app_server.address().into()),
            events: None,
            transcript,
        };
        Ok(PhoneLink::start(Phone::new(name), config)?)
    }

    /// Installs both push apps on a phone; they register at once.
    ///
    /// # Errors
    ///
    /// When they are there already.
    pub fn install_apps(&self, phone: &PhoneLink) -> Result<(), StageError> {
        Ok(phone.with(|phone| self.install_on(phone))?)
    }

    fn install_on(&self, phone: &mut Phone) -> Result<(), ActionError> {
        for topic in self.topics() {
            let name = topic.rsplit('.').next().unwrap_or(&topic);
            phone.install(&topic, name, true)?;
            phone.register(&topic, Types::ALL)?;
        }
        Ok(())
    }

    /// Waits until a phone has its token.
    ///
    /// # Errors
    ///
    /// When it does not get it in time.
    pub async fn ready_phone(&self, phone: &PhoneLink) -> Result<ReadyPhone, StageError> {
        let token = phone.token(&self.set.topic, TOKENS_TIMEOUT).await?;
        Ok(ReadyPhone {
            name: phone.name().to_owned(),
            token: token.to_hex(),
        })
    }

    /// What the ready file says.
    #[must_use]
    pub fn ready(
        &self,
        app_server: &AppServer,
        rest: Option<&Rest>,
        phones: Vec<ReadyPhone>,
    ) -> Ready {
        Ready {
            binary: self.simulator.binary(),
            feedback: self.simulator.feedback(),
            courier: self.simulator.courier(),
            http2: self.simulator.http2(),
            sandbox: self.simulator.addresses(Environment::Sandbox),
            production: self.simulator.addresses(Environment::Production),
            app_server: app_server.address(),
            rest: rest.map(Rest::address),
            ca: self.set.ca.clone(),
            certificate: self.set.provider.clone(),
            key: self.set.provider_key.clone(),
            topic: self.set.topic.clone(),
            provider_key: self.signing_key.clone(),
            phones,
        }
    }

    /// Stops the simulator. Stop phones and app server before.
    pub async fn shutdown(self) {
        self.simulator.shutdown().await;
    }

    fn roots(&self) -> Roots {
        Roots::Certificates(vec![self.ca.certificate_der().clone()])
    }
}

fn addresses(base: PortBase, first: u16) -> Addresses {
    Addresses {
        binary: base.address(first),
        feedback: base.address(first + 1),
        courier: base.address(first + 2),
        http2: base.address(first + 5),
    }
}

/// Names a phone of a stage: "iPhone 1", "iPhone 2", …
#[must_use]
pub fn phone_name(number: u32) -> Arc<str> {
    format!("iPhone {number}").into()
}
