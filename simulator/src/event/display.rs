//! Events as one line: no payload, tokens shortened.

use std::fmt;

use apns_proto::Token;

use super::{
    Device, DeviceId, Dropped, Event, Offline, RegistrationRefused, Request, Route, Sent, What,
};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.seq, self.what)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match &*self.topic {
            "" => "no topic",
            topic => topic,
        };
        let environment = self.environment;
        match &self.sent {
            Sent::Frame {
                command,
                identifier,
                ..
            } => {
                write!(f, "{command} for {topic} in {environment}")?;
                if let Some(identifier) = identifier {
                    write!(f, ", identifier {identifier}")?;
                }
            }
            Sent::Post(post) => {
                write!(f, "HTTP/2 ")?;
                if let Some(push_type) = post.push_type {
                    write!(f, "{push_type} ")?;
                }
                write!(f, "push for {topic} in {environment}, apns-id {}", post.id)?;
            }
            Sent::File { .. } => write!(f, "an .apns file for {topic} in {environment}")?,
        }
        self.token
            .as_ref()
            .map_or(Ok(()), |token| write!(f, ", token {token}"))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued(device) => write!(f, "on its way to {device}"),
            Self::Stored(device) => write!(f, "stored for {device}, which is offline"),
            Self::Dropped(device, why) => write!(f, "not delivered to {device}: {why}"),
            Self::AppGone(device) => write!(f, "not delivered: the app is gone from {device}"),
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStored => {
                f.write_str("the phone is offline and the expiry asks not to store it")
            }
            Self::Expired => f.write_str("it expired before the phone came online"),
            Self::NoRoom => f.write_str("too many notifications are stored"),
            Self::Unwanted => f.write_str("the user switched this app's notifications off"),
            Self::AppGone => f.write_str("the app is gone"),
            Self::RegisteredSince => {
                f.write_str("the app was gone when it arrived, and has registered again since")
            }
            Self::Refused(status) => write!(f, "the phone answered with status {status}"),
            Self::TokenForgotten => f.write_str("its token was forgotten"),
        }
    }
}

impl fmt::Display for Offline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "its connection closed",
            Self::Replaced => "it connected again",
            Self::Stalled => "it did not take what was queued for it",
            Self::Fault => "it said something out of place",
        })
    }
}

impl fmt::Display for RegistrationRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseToken => "the base token is not the one of this connection",
            Self::Topic => "the topic is not the hash of the bundle id",
            Self::NoRoom => "too many apps are registered",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { request, route } => write!(f, "accepted {request}: {route}"),
            Self::Refused {
                request,
                reason,
                why,
            } => write!(
                f,
                "refused {request} with {} {reason}: {why}",
                reason.status()
            ),
            Self::Rejected {
                request,
                status,
                clause,
                why,
            } => {
                write!(f, "rejected {request} with ")?;
                match status {
                    Some(status) => write!(f, "status {status}")?,
                    None => f.write_str("a bare close")?,
                }
                write!(f, " [{clause}]: {why}")
            }
            Self::Injected {
                fault,
                action,
                face,
                topic,
                connection,
                request,
            } => {
                write!(f, "injected {}", action.name())?;
                if let Some(face) = face {
                    write!(f, " into connection {connection} of the {face} face")?;
                }
                match request {
                    Some(request) => write!(f, " at {request}")?,
                    None => write!(f, " for {topic}")?,
                }
                write!(f, ": {fault}")
            }
            Self::Discarded {
                topic,
                environment,
                len,
            } => write!(
                f,
                "discarded {len} bytes of {topic} in {environment} behind a rejected notification"
            ),
            Self::Overwritten {
                push,
                by,
                device,
                topic,
            } => write!(f, "#{push} for {topic} on {device} gave way to #{by}"),
            Self::Dropped {
                push,
                device,
                topic,
                why,
            } => write!(f, "dropped #{push} for {topic} on {device}: {why}"),
            Self::Delivered {
                push,
                device,
                topic,
                token,
            } => write!(f, "delivered #{push} to {topic} on {device}, token {token}"),
            Self::AppGone {
                push,
                device,
                topic,
                token,
                ..
            } => {
                write!(
                    f,
                    "{device} answered #{push} with \"app gone\": {topic}, token {token}, goes on the feedback list"
                )
            }
            Self::FeedbackForgotten {
                topic,
                environment,
                token,
            } => {
                write!(
                    f,
                    "the feedback list of {topic} in {environment} is full: forgot {token}"
                )
            }
            Self::FeedbackRead {
                topic,
                environment,
                tuples,
            } => write!(
                f,
                "feedback of {topic} in {environment} read: {tuples} tokens"
            ),
            Self::DeviceRefused { name } => write!(f, "turned {name} away: too many phones"),
            Self::BaseTokenIssued { device, token } => {
                write!(f, "{device} got the base token {token}")
            }
            Self::BaseTokenRefused { device, token } => write!(
                f,
                "{device} came with the base token {token}, which is not its own"
            ),
            Self::Online { device, stored } => write!(
                f,
                "{device} is online, {stored} stored notifications on their way"
            ),
            Self::Offline { device, why } => write!(f, "{device} is offline: {why}"),
            Self::Registered {
                device,
                topic,
                token,
                again,
            } => registered(f, device, topic, token, *again),
            Self::RegistrationRefused { device, topic, why } => {
                write!(f, "refused {topic} on {device} a token: {why}")
            }
            Self::TokenForgotten {
                device,
                topic,
                token,
            } => write!(f, "forgot the token {token} of {topic} on {device}"),
            Self::ClockSet { frozen: true } => f.write_str("the clock was set, and stands"),
            Self::ClockSet { frozen: false } => f.write_str("the clock was set"),
            Self::CourierFault { device, why } => {
                write!(f, "{device} broke the courier protocol: {why}")
            }
        }
    }
}

fn registered(
    f: &mut fmt::Formatter<'_>,
    device: &Device,
    topic: &str,
    token: &Token,
    again: bool,
) -> fmt::Result {
    write!(
        f,
        "{topic} registered on {device}{}, token {token}",
        if again { " again" } else { "" }
    )
}
