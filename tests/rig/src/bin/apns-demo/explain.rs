//! Bytes in words.

use apns_proto::courier::{Message, Status};
use apns_proto::feedback::Tuple;
use apns_simulator::event::{Post, Sent};
use bytes::BytesMut;
use data_encoding::HEXLOWER;

/// The parts of a command-2 frame, a line each [P-12].
fn framed(frame: &[u8]) -> Vec<String> {
    let Some(([command, length @ ..], mut items)) = frame.split_first_chunk::<5>() else {
        return vec![format!("{}   ?", HEXLOWER.encode(frame))];
    };
    let mut lines = vec![
        format!("{command:02x}            command {command}: a framed notification"),
        format!(
            "{}      length of the frame: {}",
            HEXLOWER.encode(length),
            u32::from_be_bytes(*length)
        ),
    ];
    while let Some(([item, high, low], rest)) = items.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (value, later) = rest.split_at(len);
        let means = match item {
            1 => "the device token".to_owned(),
            2 => format!("the payload: {}", String::from_utf8_lossy(value)),
            3 => "the identifier an error packet would name".to_owned(),
            4 => "the expiry".to_owned(),
            5 => "the priority".to_owned(),
            _ => "unknown".to_owned(),
        };
        lines.push(format!(
            "{item:02x} {high:02x}{low:02x} {:<11} item {item}, {len} bytes: {means}",
            short(value)
        ));
        items = later;
    }
    lines
}

/// What APNs was sent, a line for each part.
pub(crate) fn sent(sent: &Sent) -> Vec<String> {
    let Sent::Post(post) = sent else {
        return framed(sent.bytes());
    };
    let Post {
        id,
        push_type,
        expiry,
        priority,
        body,
        ..
    } = &**post;
    let said = |name: &str, value: Option<String>| value.map(|value| format!("{name:<16} {value}"));
    let headers = [
        said("apns-id", Some(id.to_string())),
        said(
            "apns-push-type",
            push_type.map(|push_type| push_type.to_string()),
        ),
        said(
            "apns-priority",
            priority.map(|priority| priority.0.to_string()),
        ),
        said("apns-expiration", expiry.map(|expiry| expiry.0.to_string())),
        said("body", Some(String::from_utf8_lossy(body).into_owned())),
    ];
    [":method          POST, to /3/device/ and the token [H-02]".to_owned()]
        .into_iter()
        .chain(headers.into_iter().flatten())
        .collect()
}

/// A feedback tuple, a line for each part [P-51].
pub(crate) fn tuple(tuple: &Tuple) -> anyhow::Result<Vec<String>> {
    let mut bytes = BytesMut::new();
    tuple.encode(&mut bytes)?;
    let (time, rest) = bytes.split_at(4);
    let (len, token) = rest.split_at(2);
    Ok(vec![
        format!(
            "{}      when APNs learned that the app is gone: {} s after 1970",
            HEXLOWER.encode(time),
            tuple.timestamp
        ),
        format!(
            "{}          length of the token: {}",
            HEXLOWER.encode(len),
            token.len()
        ),
        format!("{}   the token", short(token)),
    ])
}

/// What a courier message says.
pub(crate) fn courier(message: &Message) -> String {
    match message {
        Message::Connect { token: None, .. } => "Connect, without a base token yet".to_owned(),
        Message::Connect {
            token: Some(token), ..
        } => format!("Connect, with the base token {token}"),
        Message::ConnectAck { status, token } => match token {
            Some(token) => format!(
                "ConnectAck, {}: your base token is {token}",
                outcome(*status)
            ),
            None => format!("ConnectAck, {}", outcome(*status)),
        },
        Message::FilterTopics {
            enabled, ignored, ..
        } => {
            format!(
                "FilterTopics, {} wanted, {} ignored",
                enabled.len(),
                ignored.len()
            )
        }
        Message::Notification {
            token,
            payload,
            storage,
            ..
        } => {
            let stored = if storage.is_some() {
                ", which was stored"
            } else {
                ""
            };
            format!(
                "Notification to {token}, {} bytes of payload{stored}",
                payload.len()
            )
        }
        Message::Ack { status, .. } => format!("Ack, {}", outcome(*status)),
        Message::KeepAlive => "KeepAlive".to_owned(),
        Message::KeepAliveAck => "KeepAliveAck".to_owned(),
        Message::ScopedToken { app, .. } => {
            format!(
                "ScopedToken, a device token for {}, please",
                String::from_utf8_lossy(app)
            )
        }
        Message::ScopedTokenAck { status, token, .. } => match token {
            Some(token) => format!(
                "ScopedTokenAck, {}: the device token is {token}",
                outcome(*status)
            ),
            None => format!("ScopedTokenAck, {}", outcome(*status)),
        },
        Message::Unknown(_) => "something unknown".to_owned(),
    }
}

fn outcome(status: Status) -> String {
    match status {
        Status::OK => "status 0 (ok)".to_owned(),
        Status::APP_GONE => "status 3 (app gone)".to_owned(),
        Status(other) => format!("status {other}"),
    }
}

/// The first bytes of something long.
pub(crate) fn short(bytes: &[u8]) -> String {
    match bytes.get(..4) {
        Some(first) if bytes.len() > 4 => format!("{}…", HEXLOWER.encode(first)),
        _ => HEXLOWER.encode(bytes),
    }
}
