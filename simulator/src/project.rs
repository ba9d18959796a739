//! A project: a world of its own, with its own clock. Tests that run at the same time each take one and never see each other.
//!
//! Which project a connection belongs to its certificate says: a provider's by the team (its subject's organizational unit, as Apple
//! issues them), a phone's by its subject's organization, where `apns-certs` writes the team; the default project's where it names none.
//! A team that is new gets a project at its first connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use apns_net::credentials::{CertificateInfo, Environment};
use apns_net::tls::Terms;
use apns_proto::Token;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::app_server::Registry;
use crate::clock::{Clock, OutOfRange};
use crate::event::Page;
use crate::faults::{Faults, Moment, Plan};
use crate::inbox::{Filter, Push};
use crate::knobs::{Knobs, WrongEnvironment};
use crate::phone::{Phone, Types};
use crate::phones::{AddPhoneError, Backend, OnPhoneError};
use crate::shared::Shared;
use crate::wait::{NotInTime, wait_for};
use crate::world::{Bounds, World};

/// One world of a simulator, with its own clock.
#[derive(Debug)]
pub struct Project {
    name: Arc<str>,
    start: Start,
    current: RwLock<Arc<Shared>>,
    backend: Backend,
    changes: watch::Sender<()>,
}

/// What a project is like at its start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) bounds: Bounds,
    /// Of each new project; it can be taken.
    pub(crate) faults: Plan,
    pub(crate) knobs: Knobs,
    /// Of the whole simulator: each project draws its tokens from another one.
    pub(crate) seed: u64,
    /// Stops the simulator.
    pub(crate) stop: CancellationToken,
}

impl Project {
    fn new(name: &str, start: Start) -> Self {
        let name: Arc<str> = name.into();
        let changes = watch::Sender::new(());
        let backend = Backend::default();
        let world = start.world_after(0, &name);
        let shared = Shared::new(
            name.clone(),
            world,
            backend.clone(),
            changes.clone(),
            start.stop.child_token(),
        );
        Self {
            name,
            start,
            current: RwLock::new(Arc::new(shared)),
            backend,
            changes,
        }
    }

    /// The team it belongs to.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Looks at the world, or changes it; the faces are told.
    pub fn world<T>(&self, act: impl FnOnce(&mut World, SystemTime) -> T) -> T {
        self.shared().with(act)
    }

    /// Looks at what goes wrong on demand, or changes it.
    pub fn faults<T>(&self, act: impl FnOnce(&mut Faults) -> T) -> T {
        self.world(|world, _| act(world.faults_mut()))
    }

    /// At most `max` events with a sequence number above `after`; 0 is before the first.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> Page {
        self.world(|world, _| world.events(after, max))
    }

    /// Waits until `look` sees what it looks for; it looks again after every event. `what` names it in the error.
    ///
    /// # Errors
    ///
    /// When it does not happen within `deadline`.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&World) -> Option<T>,
    ) -> Result<T, NotInTime> {
        let changes = self.changes.subscribe();
        wait_for(changes, what, deadline, || {
            self.world(|world, _| look(world))
        })
        .await
    }

    /// Switches a virtual phone on, with an app that registers for everything: the app's device token.
    ///
    /// # Errors
    ///
    /// When there is a phone of this name, or no room for it.
    pub fn add_phone(
        &self,
        name: &str,
        topic: &str,
        environment: Environment,
    ) -> Result<Token, AddPhoneError> {
        let mut phone = Phone::new(name);
        let app_name = topic.rsplit('.').next().unwrap_or(topic);
        phone
            .install(topic, app_name, true)
            .and_then(|()| phone.register(topic, Types::ALL))
            .expect("a new phone has room for an app");
        self.switch_on(phone, topic, environment)
    }

    /// Switches a phone on: the device token of one of its apps.
    pub(crate) fn switch_on(
        &self,
        phone: Phone,
        topic: &str,
        environment: Environment,
    ) -> Result<Token, AddPhoneError> {
        let name = phone.name().to_owned();
        let name = name.as_str();
        self.shared().with_phones(|world, phones, now| {
            phones.add(now, world, phone, environment)?;
            let app = phones.get(name).and_then(|phone| phone.phone.app(topic));
            let token = app.and_then(|app| app.token().cloned());
            token.ok_or_else(|| {
                phones.remove(now, world, name);
                AddPhoneError::NoToken
            })
        })
    }

    /// Does something to a virtual phone, or looks at it. What follows from it has happened when this returns: a phone that left
    /// airplane mode has got what was stored for it, say.
    ///
    /// # Errors
    ///
    /// When there is no such phone, or no room for its connection.
    pub fn on_phone<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Phone) -> T,
    ) -> Result<T, OnPhoneError> {
        let acted = self
            .shared()
            .with_phones(|world, phones, now| phones.act(now, world, name, act));
        Ok(acted.ok_or(OnPhoneError::NoSuchPhone)??)
    }

    /// Waits for a push that passes the filter, from before or from now on; the error names the one that comes nearest.
    ///
    /// # Errors
    ///
    /// When there is none within `deadline`.
    pub async fn wait_for_push(
        &self,
        filter: &Filter,
        deadline: Duration,
    ) -> Result<Push, NotInTime> {
        let changes = self.changes.subscribe();
        let found = || {
            self.shared()
                .inbox(|inbox| inbox.pushes().find(|push| filter.matches(push)).cloned())
        };
        wait_for(changes, "the push", deadline, found)
            .await
            .map_err(|late| {
                let what = self
                    .shared()
                    .inbox(|inbox| match filter.nearest_miss(inbox.pushes()) {
                        Some(miss) => format!("{} (the nearest miss is {miss})", late.what),
                        None => format!("{} (there is none at all)", late.what),
                    });
                NotInTime { what, ..late }
            })
    }

    /// From now on the apps of its virtual phones hand in their device tokens there, those of one environment.
    pub(crate) fn set_backend(&self, environment: Environment, registry: Registry) {
        self.backend.set(environment, registry);
    }

    /// Makes it as it was at the start: no phones, no tokens, nothing stored, no feedback, no events, the real time, the simulator's knobs and faults; keys
    /// of provider tokens and revoked certificates stay, as the portal does. Its connections are closed, as they are when the simulator stops; what they
    /// still do nobody sees. Events are numbered on.
    pub fn reset(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let newest = current.with(|world, _| world.newest_event());
        let world = self.start.world_after(newest, &self.name);
        let fresh = Shared::new(
            self.name.clone(),
            world,
            self.backend.clone(),
            self.changes.clone(),
            self.start.stop.child_token(),
        );
        let credentials = current.with(|world, _| world.credentials().clone());
        fresh.with(|world, _| world.set_credentials(credentials));
        let old = std::mem::replace(&mut *current, Arc::new(fresh));
        drop(current);
        old.stop().cancel();
        self.changes.send_replace(());
        info!(project = &*self.name, "reset");
    }

    /// How its knobs are set.
    #[must_use]
    pub fn knobs(&self) -> Knobs {
        self.world(|world, _| world.knobs())
    }

    /// Sets its knobs. Each is looked at when it is needed: [`payload_cap`](Knobs::payload_cap) when a provider connects, the others at every notification
    /// or handshake.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.world(|world, _| world.set_knobs(knobs));
    }

    /// What time it is in this project.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.shared().now()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared().clock()
    }

    /// Stops its clock.
    pub fn freeze(&self) {
        let Ok(()) = self.shared().set_clock(|clock, real| {
            clock.freeze(real);
            Ok::<_, Infallible>(())
        });
    }

    /// Moves its clock forward, whether it stands or runs. What is due by then — expiries above all — has happened when this returns.
    ///
    /// # Errors
    ///
    /// When that is beyond the year 9999; the clock stays as it was.
    pub fn advance(&self, by: Duration) -> Result<(), OutOfRange> {
        self.shared()
            .set_clock(|clock, real| clock.advance(real, by))
    }

    /// Sets its clock, forward or back, whether it stands or runs.
    ///
    /// # Errors
    ///
    /// When that is before 1970 or beyond the year 9999; the clock stays as it was.
    pub fn jump(&self, to: SystemTime) -> Result<(), OutOfRange> {
        self.shared().set_clock(|clock, real| clock.jump(real, to))
    }

    /// Has its clock show the real time again.
    pub fn follow_real_time(&self) {
        let Ok(()) = self.shared().set_clock(|clock, _| {
            clock.follow();
            Ok::<_, Infallible>(())
        });
    }

    /// The world as it is now. A connection keeps the one it came to.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether nothing would be lost by making it anew.
    fn is_idle(&self) -> bool {
        let shared = self.shared();
        // Ours and its own: no connection has it.
        Arc::strong_count(&shared) == 2
            && shared.clock() == Clock::Real
            && shared.with(|world, _| world.is_empty())
    }
}

impl Start {
    /// Whether there is a fault from the start that acts on handshakes.
    fn refuses_certificates(&self) -> bool {
        let mut rules = self.faults.rules.iter();
        rules.any(|rule| rule.moment == Moment::Handshake)
    }

    /// The world a project starts with, its events numbered on after `event`.
    fn world_after(&self, event: u64, project: &str) -> World {
        let digest = digest(&SHA256, project.as_bytes());
        let own = digest.as_ref().first_chunk().copied().unwrap_or_default();
        let seed = self.seed ^ u64::from_be_bytes(own);
        let mut world = World::after(event, self.bounds, seed);
        world.set_knobs(self.knobs);
        world
            .faults_mut()
            .load(self.faults.clone())
            .expect("the simulator has looked whether it can be taken");
        world
    }
}

/// The simulator has as many projects as it may have, and each is in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no room for project {name}: {max} are in use; reset one that is not needed any more")]
pub struct NoProject {
    /// The team.
    pub name: String,
    /// How many there are.
    pub max: usize,
}

/// All projects of a simulator.
#[derive(Debug)]
pub(crate) struct Projects {
    start: Start,
    max: usize,
    default: Arc<Project>,
    others: Mutex<HashMap<Arc<str>, Arc<Project>>>,
}

impl Projects {
    /// `default` is the team whose project is there from the start, and to which belongs who names no team; `max` counts it.
    pub(crate) fn new(default: &str, max: usize, start: Start) -> Self {
        Self {
            default: Arc::new(Project::new(default, start.clone())),
            start,
            max,
            others: Mutex::default(),
        }
    }

    pub(crate) const fn default_project(&self) -> &Arc<Project> {
        &self.default
    }

    /// A team's project, made if it is the first time.
    pub(crate) fn of(&self, team: Option<&str>) -> Result<Arc<Project>, NoProject> {
        let mut others = self.others();
        if let Some(known) = self.find(&others, team) {
            return Ok(known);
        }
        let name = team.unwrap_or_default();
        if others.len() + 1 >= self.max {
            let idle = others
                .values()
                .find(|project| Arc::strong_count(project) == 1 && project.is_idle())
                .map(|project| project.name.clone());
            let Some(idle) = idle else {
                return Err(NoProject {
                    name: name.to_owned(),
                    max: self.max,
                });
            };
            others.remove(&idle);
        }
        let project = Arc::new(Project::new(name, self.start.clone()));
        others.insert(project.name.clone(), project.clone());
        info!(project = name, "a new project");
        Ok(project)
    }

    /// A team's project, if it is there.
    pub(crate) fn known(&self, team: Option<&str>) -> Option<Arc<Project>> {
        self.find(&self.others(), team)
    }

    /// On what terms a provider's certificate is judged in the handshake: by the clock of its team's project and by its faults, and in the environment of
    /// the listener unless a knob lets it in everywhere. A team without a project has the real time. It is given one now where the faults of a new project
    /// may refuse its very first certificate; else not yet, because nobody has proved that this certificate is his.
    pub(crate) fn terms(&self, certificate: &CertificateInfo, usual: Terms) -> Terms {
        let team = team_of_provider(certificate);
        let project = if self.start.refuses_certificates() {
            self.of(team).ok()
        } else {
            self.known(team)
        };
        let (terms, knobs) = project.map_or((usual, self.start.knobs), |project| {
            project.world(|world, now| {
                let terms = world.certificate_terms(now, certificate, Terms { now, ..usual });
                (terms, world.knobs())
            })
        });
        match knobs.wrong_environment {
            WrongEnvironment::Alert => terms,
            WrongEnvironment::AcceptClose => Terms {
                environment: None,
                ..terms
            },
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Project>> {
        let mut all = vec![self.default.clone()];
        all.extend(self.others().values().cloned());
        all
    }

    fn find(
        &self,
        others: &HashMap<Arc<str>, Arc<Project>>,
        team: Option<&str>,
    ) -> Option<Arc<Project>> {
        match team {
            Some(team) if !team.is_empty() && team != self.default.name() => {
                others.get(team).cloned()
            }
            _ => Some(self.default.clone()),
        }
    }

    fn others(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Project>>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The team a provider's certificate names.
pub(crate) fn team_of_provider(certificate: &CertificateInfo) -> Option<&str> {
    certificate.team.as_deref()
}

/// The team a phone's certificate names.
pub(crate) fn team_of_device(certificate: &CertificateInfo) -> Option<&str> {
    certificate.organization.as_deref()
}
