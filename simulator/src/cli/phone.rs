//! `apns-simulator phone`: phones in a process of their own, on the real courier port.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::dial::Endpoint;
use crate::phone::{Phone, PhoneEvent, Types};
use crate::phone_link::{AppServerUrl, LinkConfig, PhoneLink};
use apns_certs::Ca;
use apns_net::credentials::Identity;
use apns_net::tls::Roots;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Code, Failure, state_folder, stop_signal};

/// Lines waiting to be printed; beyond them the phones wait.
const EVENTS_WAITING_MAX: usize = 1_024;
/// For more, run more processes.
const PHONES_MAX: u32 = 10_000;

/// Options of `apns-simulator phone`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with the service running as `apns-simulator run`:
  apns-simulator phone --app com.example.Mail --app-server http://127.0.0.1:22003

Prints a line for each token received, notification shown, badge changed and sound played, until SIGINT. Exits with 69 when \
--timeout passes before every phone got its tokens.")]
pub(crate) struct Arguments {
    /// The courier port of the service, of the sandbox or of production
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:22002")]
    courier: Endpoint,
    /// The service's state folder, whose CA issues a certificate for each phone [default: as for `run`]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["certificate", "key", "ca"])]
    state: Option<PathBuf>,
    /// The team the phones belong to: they are in its project, and see pushes of its providers only
    #[arg(long, value_name = "TEAM", conflicts_with = "certificate")]
    team: Option<String>,
    /// A device certificate, for one phone
    #[arg(long, value_name = "PEM", requires = "key", requires = "ca")]
    certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "PEM", requires = "certificate")]
    key: Option<PathBuf>,
    /// The CA that issued the courier's certificate
    #[arg(long, value_name = "PEM", requires = "certificate")]
    ca: Option<PathBuf>,
    /// The phone's name; several are numbered
    #[arg(long, default_value = "iPhone")]
    name: String,
    /// An app to install, with the types it registers for; may be repeated
    #[arg(
        long = "app",
        value_name = "TOPIC[:alert,badge,sound]",
        required = true
    )]
    apps: Vec<App>,
    /// Where the apps post their device tokens
    #[arg(long, value_name = "URL")]
    app_server: Option<AppServerUrl>,
    /// How many phones
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(PHONES_MAX)))]
    count: u32,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    /// Exit 0 once this many notifications have been shown on lock screens
    #[arg(long, value_name = "N")]
    until: Option<u64>,
    /// Give up after this long
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Log as JSON lines, on stderr
    #[arg(long)]
    log_json: bool,
}

/// An app of the command line: its topic and types.
#[derive(Debug, Clone, PartialEq, Eq)]
struct App {
    topic: String,
    types: Types,
}

impl FromStr for App {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (topic, types) = text
            .split_once(':')
            .map_or((text, None), |(topic, types)| (topic, Some(types)));
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if topic.is_empty() || !topic.chars().all(allowed) {
            return Err(format!(
                "{topic:?} is not a bundle id: letters, digits, dots and hyphens"
            ));
        }
        let types = types.map_or(Ok(Types::ALL), |types| {
            types
                .split(',')
                .try_fold(Types::NONE, |all, word| match word {
                    "alert" => Ok(all | Types::ALERT),
                    "badge" => Ok(all | Types::BADGE),
                    "sound" => Ok(all | Types::SOUND),
                    _ => Err(format!(
                        "unknown type {word:?}: expected alert, badge or sound"
                    )),
                })
        })?;
        Ok(Self {
            topic: topic.to_owned(),
            types,
        })
    }
}

/// Runs phones until a signal, enough notifications, or the timeout.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    apns_net::log::init(arguments.log_json);
    let issuer = Issuer::load(&arguments)?;
    let (events, mut happening) = mpsc::channel(EVENTS_WAITING_MAX);
    let mut phones = Vec::new();
    for number in 1..=arguments.count {
        let name = if arguments.count == 1 {
            arguments.name.clone()
        } else {
            format!("{} {number}", arguments.name)
        };
        phones.push(start(&arguments, &issuer, &name, events.clone())?);
    }
    drop(events);
    let ended = tokio::select! {
        ended = print(&arguments, &mut happening) => ended,
        ended = stop_signal() => ended,
        () = timeout(arguments.timeout) => Err(too_late(&arguments, &phones)),
    };
    // Nobody prints any more; phones that still wait to be printed must not wait.
    drop(happening);
    for phone in phones {
        phone.shutdown().await;
    }
    ended
}

/// Who gives the phones their certificates.
enum Issuer {
    Ca {
        ca: Ca,
        roots: Roots,
        team: Option<String>,
    },
    One {
        identity: Identity,
        roots: Roots,
    },
}

impl Issuer {
    fn load(arguments: &Arguments) -> Result<Self, Failure> {
        let unusable = |error: &dyn std::error::Error| Failure::chain(Code::Config, error);
        if arguments.certificate.is_none() {
            let ca = load_ca(&state_folder(arguments.state.clone())?)?;
            let roots = Roots::Certificates(vec![ca.certificate_der().clone()]);
            let team = arguments.team.clone();
            return Ok(Self::Ca { ca, roots, team });
        }
        let path = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        if arguments.count > 1 {
            return Err(Failure::new(
                Code::Config,
                "--certificate is for one phone: use --state with --count",
            ));
        }
        let identity = Identity::from_pem_files(path(&arguments.certificate), path(&arguments.key))
            .map_err(|error| unusable(&error))?;
        Ok(Self::One {
            identity,
            roots: Roots::File(path(&arguments.ca)),
        })
    }

    fn identity(&self, name: &str) -> Result<(Identity, Roots), Failure> {
        match self {
            Self::Ca { ca, roots, team } => {
                let minted = match team {
                    Some(team) => ca.device_of_team(name, team),
                    None => ca.device(name),
                };
                let minted = minted.map_err(|error| Failure::chain(Code::Failure, &error))?;
                let identity = minted
                    .identity()
                    .map_err(|error| Failure::chain(Code::Failure, &error))?;
                Ok((identity, roots.clone()))
            }
            Self::One { identity, roots } => Ok((identity.clone(), roots.clone())),
        }
    }
}

/// The CA that `apns-simulator run` keeps in its state folder.
fn load_ca(state: &Path) -> Result<Ca, Failure> {
    let read = |name: &str| {
        let path = state.join(name);
        std::fs::read_to_string(&path).map_err(|error| {
            let line = format_args!(
                "cannot read {}: {error}; is this the state folder of `apns-simulator run`, and has it been started?",
                path.display()
            );
            Failure::new(Code::Config, line)
        })
    };
    Ca::from_pem(&read("ca.pem")?, &read("ca-key.pem")?)
        .map_err(|error| Failure::chain(Code::Config, &error))
}

fn start(
    arguments: &Arguments,
    issuer: &Issuer,
    name: &str,
    events: mpsc::Sender<(Arc<str>, PhoneEvent)>,
) -> Result<PhoneLink, Failure> {
    let mut phone = Phone::new(name);
    for App { topic, types } in &arguments.apps {
        let app_name = topic.rsplit('.').next().unwrap_or(topic);
        phone
            .install(topic, app_name, true)
            .and_then(|()| phone.register(topic, *types))
            .map_err(|error| Failure::new(Code::Config, format_args!("{topic}: {error}")))?;
    }
    let (identity, roots) = issuer.identity(name)?;
    let config = LinkConfig {
        courier: arguments.courier.clone(),
        identity,
        roots,
        app_server: arguments.app_server.clone(),
        events: Some(events),
        transcript: None,
    };
    PhoneLink::start(phone, config).map_err(|error| Failure::chain(Code::Config, &error))
}

/// Prints what happens until enough was shown, or nobody reads.
async fn print(
    arguments: &Arguments,
    happening: &mut mpsc::Receiver<(Arc<str>, PhoneEvent)>,
) -> Result<(), Failure> {
    let mut shown = 0;
    while arguments.until.is_none_or(|until| shown < until) {
        let Some((phone, event)) = happening.recv().await else {
            break;
        };
        shown += u64::from(matches!(event, PhoneEvent::Shown(_)));
        let line = if arguments.json {
            json_line(&phone, &event).to_string()
        } else {
            text_line(&phone, &event)
        };
        if writeln!(std::io::stdout(), "{line}").is_err() {
            break;
        }
    }
    Ok(())
}

fn text_line(phone: &str, event: &PhoneEvent) -> String {
    match event {
        PhoneEvent::DidRegister { topic, token } => {
            format!(
                "{phone}: {topic}: My token is:{}",
                crate::token_text::description(token)
            )
        }
        PhoneEvent::Shown(note) => {
            let lines: Vec<&str> = [&note.alert.title, &note.alert.subtitle, &note.alert.body]
                .into_iter()
                .flatten()
                .map(AsRef::as_ref)
                .collect();
            format!("{phone}: {}: shows {:?}", note.topic, lines.join(" — "))
        }
        PhoneEvent::SoundPlayed { topic, sound } => format!("{phone}: {topic}: plays {sound:?}"),
        event => format!("{phone}: {event}"),
    }
}

fn json_line(phone: &str, event: &PhoneEvent) -> Value {
    let (word, mut fields) = match event {
        PhoneEvent::DidRegister { topic, token } => (
            "token",
            json!({ "topic": **topic, "token": token.to_hex() }),
        ),
        PhoneEvent::DidFail { topic, error } => (
            "failed",
            json!({ "topic": **topic, "domain": error.domain, "code": error.code, "description": error.description }),
        ),
        PhoneEvent::Shown(note) => (
            "shown",
            json!({ "topic": *note.topic, "title": note.alert.title, "subtitle": note.alert.subtitle, "body": note.alert.body }),
        ),
        PhoneEvent::BadgeChanged { topic, badge } => {
            ("badge", json!({ "topic": **topic, "badge": badge }))
        }
        PhoneEvent::SoundPlayed { topic, sound } => {
            ("sound", json!({ "topic": **topic, "sound": sound }))
        }
        PhoneEvent::NotShown { topic, why } => (
            "not_shown",
            json!({ "topic": **topic, "why": why.to_string() }),
        ),
        PhoneEvent::Online => ("online", json!({})),
        PhoneEvent::Offline => ("offline", json!({})),
        event => ("other", json!({ "text": event.to_string() })),
    };
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("phone".to_owned(), phone.into());
        fields.insert("event".to_owned(), word.into());
    }
    fields
}

async fn timeout(secs: Option<u64>) {
    match secs {
        Some(secs) => tokio::time::sleep(Duration::from_secs(secs)).await,
        None => std::future::pending().await,
    }
}

fn too_late(arguments: &Arguments, phones: &[PhoneLink]) -> Failure {
    let without = phones
        .iter()
        .filter(|phone| phone.with(|phone| phone.apps().iter().any(|app| app.token().is_none())))
        .count();
    let secs = arguments.timeout.unwrap_or_default();
    if without > 0 {
        let line = format_args!(
            "{without} of {} phones have no token after {secs} s; is the courier at {}?",
            phones.len(),
            arguments.courier
        );
        return Failure::new(Code::Unavailable, line);
    }
    Failure::new(
        Code::Failure,
        format_args!("not enough notifications were shown within {secs} s"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_a_bundle_id_with_types_or_all_of_them() {
        let app = |topic: &str, types| {
            Ok(App {
                topic: topic.to_owned(),
                types,
            })
        };
        assert_eq!(
            "com.example.Mail".parse(),
            app("com.example.Mail", Types::ALL)
        );
        assert_eq!(
            "com.example.Mail:badge".parse(),
            app("com.example.Mail", Types::BADGE)
        );
        assert_eq!(
            "com.example.Mail:alert,sound".parse(),
            app("com.example.Mail", Types::ALERT | Types::SOUND)
        );
        for text in [
            "",
            ":alert",
            "com.example.Mail:",
            "com.example.Mail:alert,vibrate",
            "com/example",
        ] {
            assert!(text.parse::<App>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_json_line_names_phone_event_and_app() {
        let event = PhoneEvent::BadgeChanged {
            topic: "com.example.Mail".into(),
            badge: 3,
        };
        assert_eq!(
            json_line("iPhone 1", &event),
            json!({ "phone": "iPhone 1", "event": "badge", "topic": "com.example.Mail", "badge": 3 })
        );
    }
}
