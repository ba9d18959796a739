//! What an event is about, taken apart for whoever wants to look something up.

use apns_net::credentials::Environment;
use apns_proto::Token;

use super::{Device, Request, Route, What};

/// The parts most events have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The event's kind in one word.
    pub kind: &'static str,
    /// The event of the notification it is about.
    pub push: Option<u64>,
    /// The name of the phone.
    pub phone: Option<&'a str>,
    /// The app.
    pub topic: Option<&'a str>,
    /// The environment, where it says one.
    pub environment: Option<Environment>,
    /// The token.
    pub token: Option<&'a Token>,
}

impl Route {
    /// The phone.
    #[must_use]
    pub const fn device(&self) -> &Device {
        match self {
            Self::Queued(device)
            | Self::Stored(device)
            | Self::Dropped(device, _)
            | Self::AppGone(device) => device,
        }
    }
}

impl What {
    /// What it is about.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        match self {
            Self::Accepted { request, route } => Parts {
                phone: Some(&route.device().name),
                ..of_request("accepted", request)
            },
            Self::Refused { request, .. } | Self::Rejected { request, .. } => {
                of_request("rejected", request)
            }
            Self::Injected {
                request: Some(request),
                ..
            } => of_request("injected", request),
            Self::Injected { topic, .. } => Parts {
                kind: "injected",
                topic: Some(topic),
                ..Parts::default()
            },
            Self::Discarded {
                topic, environment, ..
            } => of_list("discarded", topic, *environment),
            Self::Overwritten {
                push,
                device,
                topic,
                ..
            } => of_push("overwritten", *push, device, topic),
            Self::Dropped {
                push,
                device,
                topic,
                ..
            } => of_push("dropped", *push, device, topic),
            Self::Delivered {
                push,
                device,
                topic,
                token,
            } => Parts {
                token: Some(token),
                ..of_push("delivered", *push, device, topic)
            },
            Self::AppGone {
                push,
                device,
                topic,
                token,
                ..
            } => Parts {
                token: Some(token),
                ..of_push("app_gone", *push, device, topic)
            },
            Self::FeedbackForgotten {
                topic,
                environment,
                token,
            } => Parts {
                token: Some(token),
                ..of_list("feedback_forgotten", topic, *environment)
            },
            Self::FeedbackRead {
                topic, environment, ..
            } => of_list("feedback_read", topic, *environment),
            Self::DeviceRefused { name } => of_phone("device_refused", name),
            Self::BaseTokenIssued { device, .. } => of_phone("base_token_issued", &device.name),
            Self::BaseTokenRefused { device, .. } => of_phone("base_token_refused", &device.name),
            Self::Online { device, .. } => of_phone("online", &device.name),
            Self::Offline { device, .. } => of_phone("offline", &device.name),
            Self::Registered {
                device,
                topic,
                token,
                ..
            } => Parts {
                topic: Some(topic),
                token: Some(token),
                ..of_phone("registered", &device.name)
            },
            Self::RegistrationRefused { device, topic, .. } => Parts {
                topic: Some(topic),
                ..of_phone("registration_refused", &device.name)
            },
            Self::TokenForgotten {
                device,
                topic,
                token,
            } => Parts {
                topic: Some(topic),
                token: Some(token),
                ..of_phone("token_forgotten", &device.name)
            },
            Self::ClockSet { .. } => Parts {
                kind: "clock_set",
                ..Parts::default()
            },
            Self::CourierFault { device, .. } => of_phone("courier_fault", &device.name),
        }
    }
}

fn of_request<'a>(kind: &'static str, request: &'a Request) -> Parts<'a> {
    Parts {
        token: request.token.as_ref(),
        ..of_list(kind, &request.topic, request.environment)
    }
}

fn of_list<'a>(kind: &'static str, topic: &'a str, environment: Environment) -> Parts<'a> {
    Parts {
        kind,
        topic: Some(topic),
        environment: Some(environment),
        ..Parts::default()
    }
}

fn of_push<'a>(kind: &'static str, push: u64, device: &'a Device, topic: &'a str) -> Parts<'a> {
    Parts {
        push: Some(push),
        topic: Some(topic),
        ..of_phone(kind, &device.name)
    }
}

fn of_phone<'a>(kind: &'static str, name: &'a str) -> Parts<'a> {
    Parts {
        kind,
        phone: Some(name),
        ..Parts::default()
    }
}
