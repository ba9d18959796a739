//! Verbs that ask a running gateway, through its admin port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use apns_net::credentials::Environment;
use apns_net::http::ask;
use clap::{Args, Subcommand};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::{Held, Holding, Letters, Problem, Requeued, Requeueing, Status, UpstreamStatus};
use crate::config::Config;
use crate::ends::days;
use crate::store::unix_seconds;

/// Longer than the admin port takes for any answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// Which gateway is asked, and how the answer is written.
#[derive(Args)]
pub(super) struct Running {
    /// The configuration that the gateway runs with, which has an admin address.
    #[arg(long, value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Where to ask, instead: the gateway's admin port.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<SocketAddr>,
    /// Writes the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct AppName {
    /// The topic of the app.
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Its environment, where the topic is served in both.
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<String>,
}

#[derive(Args)]
pub(super) struct Hold {
    #[command(flatten)]
    app: AppName,
    /// For whoever asks how things stand.
    #[arg(long, value_name = "WHY", default_value = "an operator put it on hold")]
    reason: String,
    #[command(flatten)]
    running: Running,
}

#[derive(Args)]
pub(super) struct Resume {
    #[command(flatten)]
    app: AppName,
    #[command(flatten)]
    running: Running,
}

#[derive(Subcommand)]
pub(super) enum DeadLetters {
    /// Shows them, in the order they died.
    List {
        #[command(flatten)]
        app: AppName,
        /// Only those behind this id.
        #[arg(long, value_name = "ID")]
        after: Option<u64>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        #[command(flatten)]
        running: Running,
    },
    /// Puts them back at the end of the queue, and forgets what was known against their tokens.
    Requeue {
        #[command(flatten)]
        app: AppName,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        running: Running,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The one with this id.
    #[arg(long, value_name = "ID")]
    id: Option<u64>,
    /// All that are not malformed.
    #[arg(long)]
    all: bool,
}

/// `apns-gateway status`.
pub(super) async fn status(running: &Running) -> anyhow::Result<()> {
    let status: Status = running.get("/v1/status").await?;
    if running.json {
        return json(&status);
    }
    let commits = status.store.commits;
    println!(
        "{}, {} connections of backends, {commits} commits of {:.1} ms",
        if status.stopping {
            "stopping"
        } else {
            "running"
        },
        status.connections,
        status.store.commit_seconds * 1e3 / commits.max(1) as f64,
    );
    if status.store.full {
        println!(
            "THE STORE IS FULL: {} of {} MiB are in use; backends are not read until deliveries have made room",
            status.store.size >> 20,
            status.store.size_max >> 20
        );
    }
    println!(
        "the certificate that backends are shown {}",
        ends(status.listen_certificate_not_after)
    );
    for app in &status.apps {
        println!();
        println!("{} ({})", app.topic, app.environment);
        println!(
            "  accepted {} = delivered {} + rejected {} + expired {} + given up {} + queued {}",
            app.accepted, app.delivered, app.rejected, app.expired, app.given_up, app.queued
        );
        if let Some(age) = app.oldest_age {
            println!("  the oldest queued one is {age} s old");
        }
        println!(
            "  dead letters {}, feedback tuples {}, tokens known to be bad {}",
            app.dead_letters, app.feedback, app.dead_tokens
        );
        let UpstreamStatus {
            connections,
            in_flight,
            streams_max,
            certificate_not_after,
        } = app.upstream;
        let streams = match streams_max {
            0 => String::new(),
            max => format!(" of {max} streams"),
        };
        println!("  upstream: {connections} connections, {in_flight} on their way{streams}");
        if let Some(end) = certificate_not_after {
            println!("  its certificate {}", ends(end));
        }
        if let Some(reason) = &app.held {
            println!("  ON HOLD: {reason}");
        }
    }
    Ok(())
}

/// When a certificate does, whose last second that is.
fn ends(not_after: u64) -> String {
    let now = unix_seconds(SystemTime::now());
    match not_after.checked_sub(now) {
        Some(left) => format!("ends in {}", days(Duration::from_secs(left))),
        None => format!("ENDED {} ago", days(Duration::from_secs(now - not_after))),
    }
}

/// `apns-gateway hold`.
pub(super) async fn hold(hold: &Hold) -> anyhow::Result<()> {
    let path = format!("{}/hold", hold.app.path(&hold.running).await?);
    let holding = Holding {
        reason: hold.reason.clone(),
    };
    said(&hold.running, &hold.running.post(&path, &holding).await?)
}

/// `apns-gateway resume`.
pub(super) async fn resume(resume: &Resume) -> anyhow::Result<()> {
    let path = format!("{}/resume", resume.app.path(&resume.running).await?);
    said(&resume.running, &resume.running.post(&path, &()).await?)
}

fn said(running: &Running, held: &Held) -> anyhow::Result<()> {
    if running.json {
        return json(held);
    }
    match &held.held {
        Some(reason) => println!("on hold: {reason}"),
        None => println!("not on hold"),
    }
    Ok(())
}

/// `apns-gateway dead-letters`.
pub(super) async fn dead_letters(verb: &DeadLetters) -> anyhow::Result<()> {
    match verb {
        DeadLetters::List {
            app,
            after,
            limit,
            running,
        } => {
            let mut path = format!("{}/dead-letters?limit={limit}", app.path(running).await?);
            if let Some(after) = after {
                path.push_str(&format!("&after={after}"));
            }
            list(&running.get(&path).await?, running)
        }
        DeadLetters::Requeue {
            app,
            which,
            running,
        } => {
            let path = format!("{}/dead-letters/requeue", app.path(running).await?);
            let which = which.id.map_or(Requeueing::All(true), Requeueing::Id);
            let answer: Requeued = running.post(&path, &which).await?;
            if running.json {
                return json(&answer);
            }
            println!("{} queued again", answer.requeued);
            Ok(())
        }
    }
}

fn list(letters: &Letters, running: &Running) -> anyhow::Result<()> {
    if running.json {
        return json(letters);
    }
    if letters.dead_letters.is_empty() {
        println!("no dead letters");
    }
    for letter in &letters.dead_letters {
        println!(
            "{}  {}  from {}, {} bytes: {}{}",
            letter.id,
            letter.token,
            letter.backend,
            letter.payload_len,
            letter.reason,
            if letter.malformed {
                " (cannot be requeued)"
            } else {
                ""
            }
        );
    }
    if let Some(next) = letters.next {
        println!("there may be more: --after {next}");
    }
    Ok(())
}

impl AppName {
    /// The path of the app's routes.
    async fn path(&self, running: &Running) -> anyhow::Result<String> {
        let status: Status = running.get("/v1/status").await?;
        let mut found = status.apps.iter().filter(|app| {
            app.topic == self.topic
                && self
                    .environment
                    .as_deref()
                    .is_none_or(|environment| app.environment.as_str() == environment)
        });
        let path = |environment: Environment| format!("/v1/apps/{environment}/{}", self.topic);
        match (found.next(), found.next()) {
            (Some(app), None) => Ok(path(app.environment)),
            (Some(_), Some(_)) => bail!(
                "{} is served in both environments: add --environment production or --environment sandbox",
                self.topic
            ),
            (None, _) => bail!(
                "the gateway has no app {}; it has {}",
                self.topic,
                status
                    .apps
                    .iter()
                    .map(|app| format!("{} ({})", app.topic, app.environment))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
}

impl Running {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.ask(Method::GET, path, String::new()).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.ask(Method::POST, path, serde_json::to_string(body)?)
            .await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> anyhow::Result<T> {
        let address = self.address()?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json");
        let host = address.ip().to_string();
        let asking = ask(&host, address.port(), request, body);
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asking)
            .await
            .with_context(|| {
                format!("the gateway at {address} did not answer within {ANSWER_TIMEOUT:?}")
            })?
            .with_context(|| {
                format!("no gateway at {address}: does it run, with this admin port?")
            })?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).with_context(|| {
                format!("what answers at {address} is no gateway of this version")
            });
        }
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => bail!("{problem}"),
            Err(_) => bail!("{address} answered {}", answer.status),
        }
    }

    fn address(&self) -> anyhow::Result<SocketAddr> {
        if let Some(address) = self.admin {
            return Ok(address);
        }
        let file = self
            .config
            .as_ref()
            .context("clap asks for one of the two")?;
        let admin = Config::load(file)?.admin.with_context(|| {
            format!(
                "{} has no [admin]: add it with an address, or name the port with --admin",
                file.display()
            )
        })?;
        if admin.address.port() == 0 {
            bail!(
                "admin.address has port 0: name the port that the gateway was given with --admin"
            );
        }
        Ok(admin.address)
    }
}

fn json(answer: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
