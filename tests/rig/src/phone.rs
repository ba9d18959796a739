//! A phone of the rig: on the real courier port, with a record of everything that happened on it.

use std::sync::{Arc, Mutex, PoisonError};

use apns_net::tls::Roots;
use apns_simulator::phone::{Note, Phone, PhoneEvent, Received, Types};
use apns_simulator::phone_link::{LinkConfig, PhoneLink};
use tokio::sync::mpsc;

use crate::certificates::{SECOND_TOPIC, TOPIC, certificates};
use crate::eventually::PATIENCE;

/// Events between phone and record; a full queue slows the phone.
const EVENTS_WAITING_MAX: usize = 1024;

/// A phone with two push apps, both registered.
#[derive(Debug)]
pub struct RigPhone {
    /// The phone and its connection.
    pub link: PhoneLink,
    /// The device token of [`TOPIC`], raw.
    pub token: Vec<u8>,
    /// The device token of [`SECOND_TOPIC`], raw.
    pub second_token: Vec<u8>,
    events: Arc<Mutex<Vec<PhoneEvent>>>,
}

impl RigPhone {
    /// Switches a phone on and waits for its tokens.
    ///
    /// # Panics
    ///
    /// When it does not get them in time.
    pub async fn start(name: &str, courier: std::net::SocketAddr) -> Self {
        let mut phone = Phone::new(name);
        for topic in [TOPIC, SECOND_TOPIC] {
            phone
                .install(topic, topic, true)
                .expect("an app can be installed");
            phone
                .register(topic, Types::ALL)
                .expect("an installed app can register");
        }
        let ca = &certificates().ca;
        let (sender, mut receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        let device = ca
            .device(name)
            .expect("a phone's certificate can be minted");
        let config = LinkConfig {
            courier: courier.into(),
            identity: device.identity().expect("a minted certificate can be used"),
            roots: Roots::Certificates(vec![ca.certificate_der().clone()]),
            app_server: None,
            events: Some(sender),
            transcript: None,
        };
        let link = PhoneLink::start(phone, config).expect("a minted certificate can be used");
        let events: Arc<Mutex<Vec<PhoneEvent>>> = Arc::default();
        let record = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some((_, event)) = receiver.recv().await {
                record
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(event);
            }
        });
        let token = async |topic| {
            link.token(topic, PATIENCE)
                .await
                .expect("the app gets its token")
                .as_bytes()
                .to_vec()
        };
        let (token, second_token) = (token(TOPIC).await, token(SECOND_TOPIC).await);
        Self {
            link,
            token,
            second_token,
            events,
        }
    }

    /// Everything that happened, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<PhoneEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the lock screen ever showed, oldest first.
    #[must_use]
    pub fn shown(&self) -> Vec<Note> {
        let note = |event| {
            if let PhoneEvent::Shown(note) = event {
                Some(note)
            } else {
                None
            }
        };
        self.events().into_iter().filter_map(note).collect()
    }

    /// The numbers of the [`numbered`](crate::numbered) notifications the lock screen ever showed, oldest first.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        let number = |note: Note| {
            let body = note.alert.body.unwrap_or_default();
            body.strip_prefix("number ")
                .and_then(|n| n.parse().ok())
                .unwrap_or_else(|| panic!("not numbered: {body}"))
        };
        self.shown().into_iter().map(number).collect()
    }

    /// What arrived, with its payload, oldest first; the phone keeps the last few thousand.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.link.with(|phone| phone.history().cloned().collect())
    }

    /// Says whether exactly `count` notifications were shown.
    ///
    /// # Errors
    ///
    /// How many were.
    pub fn shows_exactly(&self, count: usize) -> Result<(), String> {
        match self.shown().len() {
            shown if shown == count => Ok(()),
            shown => Err(format!("{shown} were shown")),
        }
    }
}
