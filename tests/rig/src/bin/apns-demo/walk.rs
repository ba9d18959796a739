//! The walk: the five steps from registration to delivery, and the way back. Each step is judged by what went over the
//! sockets — a phone's messages on its courier connection, the app server's answers — and fails when it does not come in time.

use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use apns_proto::Token;
use apns_proto::courier::{Message, Status};
use apns_proto::feedback::Tuple;
use apns_simulator::event::{Sent, What};
use apns_simulator::phone_link::{Line, Side};
use apns_simulator::token_text;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout, timeout_at};

use crate::explain;
use crate::house::{House, TOPIC, Upstream};

/// What a step waits for must come within this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks at something that nobody announces.
const PAUSE: Duration = Duration::from_millis(100);

/// How wide the picture of a phone is.
const PHONE_WIDTH: usize = 44;

/// Walks it, and leaves `phones` phones with both apps.
pub(crate) async fn walk(house: &mut House, phones: u32) -> anyhow::Result<()> {
    println!("The whole flow on this machine, without Apple");
    println!();
    println!(
        "  simulator (is APNs)   {}",
        house.stage.simulator().binary()
    );
    println!(
        "  gateway               {}",
        house.gateway.ready_file().backend
    );
    println!(
        "  certificates          a development CA, minted now; every connection is authenticated on both sides"
    );
    let token = registration(house).await?;
    delivery(house, &token).await?;
    way_back(house).await?;
    for _ in 2..phones {
        house.add_phone()?;
        let phone = house.phones.last().context("it was just added")?;
        house.stage.install_apps(phone)?;
    }
    println!();
    Ok(())
}

/// Shows each phone whenever it has received something, until the phones are gone.
pub(crate) async fn watch(house: &mut House) {
    // What is left of the walk has been told.
    while house.lines.try_recv().is_ok() {}
    while let Some(line) = house.lines.recv().await {
        if !acknowledges(&line) {
            continue;
        }
        let phone = house
            .phones
            .iter()
            .find(|phone| *phone.name() == *line.phone);
        if let Some(phone) = phone {
            println!();
            tell(&line);
            println!(
                "{}",
                phone.with(|phone| phone.lock_screen_text(SystemTime::now(), PHONE_WIDTH))
            );
        }
    }
}

/// Steps 1 to 3, on the first phone.
async fn registration(house: &mut House) -> anyhow::Result<Token> {
    step(1, "The application registers for push");
    house.add_phone()?;
    let phone = &house.phones[0];
    house.stage.install_apps(phone)?;
    let name = phone.name().to_owned();
    println!("  app → {name}: registerForRemoteNotificationTypes: alert | badge | sound");
    let asks = |line: &Line| matches!(&line.message, Message::ScopedToken { app, .. } if app == TOPIC.as_bytes());
    tell_until(house, &name, asks)
        .await
        .context("step 1: the phone did not ask for a device token")?;

    step(2, "The application receives its device token from APNs");
    let given = |line: &Line| match &line.message {
        Message::ScopedTokenAck {
            status: Status::OK,
            token: Some(token),
            topic,
        } if *topic == apns_simulator::world::topic_hash(TOPIC) => Some(token.clone()),
        _ => None,
    };
    let line = tell_until(house, &name, |line| given(line).is_some())
        .await
        .context("step 2: APNs gave no device token")?;
    let token = given(&line).context("it was waited for")?;
    println!("  app: My token is:{}", token_text::description(&token));

    step(3, "The application sends the device token to its server");
    println!(
        "  app → app server: POST /apps/{TOPIC}/tokens  {}",
        token_text::description(&token)
    );
    wait_for(async || {
        let tokens = get(house, &format!("/apps/{TOPIC}/tokens")).await?;
        let hex = token.to_hex();
        let known = tokens["tokens"].as_array().into_iter().flatten();
        Ok(known.filter(|known| known["token"] == hex.as_str()).count() == 1)
    })
    .await
    .context("step 3: the app server does not have the token")?;
    println!("  app server: registered");
    Ok(token)
}

/// Steps 4 and 5.
async fn delivery(house: &mut House, token: &Token) -> anyhow::Result<()> {
    step(4, "The server sends a message to APNs, through the gateway");
    let payload = json!({"aps": {"alert": {"title": "Ada", "body": "Lunch at noon?"}, "badge": 1, "sound": "default"}});
    println!("  app server → gateway → APNs, over two mutually authenticated TLS connections:");
    let report = post(house, &format!("/apps/{TOPIC}/push"), payload.to_string()).await?;
    let sent = arrived(house).context("step 4: nothing arrived at APNs")?;
    for part in explain::sent(&sent) {
        println!("    {part}");
    }
    let outcome = &report["results"][0];
    ensure!(
        report["sent"] == 1 && outcome["token"] == token.to_hex().as_str(),
        "step 4: the push was not sent: {report}"
    );
    let success = match house.upstream {
        Upstream::Binary => "silence, which is success [P-30]",
        Upstream::Http2 => "200, of which the backend hears nothing: silence is success [P-30]",
    };
    println!("  gateway: made it durable before it went on; APNs: {success}");

    step(
        5,
        "APNs sends the message to the iPhone, the iPhone to the application",
    );
    let name = house.phones[0].name().to_owned();
    tell_last(house, &name, acknowledges)
        .await
        .context("step 5: the phone did not acknowledge")?;
    let picture = house.phones[0].with(|phone| {
        let shown = phone.lock_screen().notes().len();
        (shown == 1).then(|| phone.lock_screen_text(SystemTime::now(), PHONE_WIDTH))
    });
    println!();
    println!(
        "{}",
        picture.context("step 5: the lock screen does not show it")?
    );
    Ok(())
}

/// Steps 6 and 7, on the second phone: an app is removed, and its server learns of it.
async fn way_back(house: &mut House) -> anyhow::Result<()> {
    step(
        6,
        "The user removes the application; the next push finds nobody",
    );
    house.add_phone()?;
    let phone = &house.phones[1];
    let name = phone.name().to_owned();
    house.stage.install_apps(phone)?;
    let token = phone.token(TOPIC, PATIENCE).await.context("step 6")?;
    wait_for(async || {
        let tokens = get(house, &format!("/apps/{TOPIC}/tokens")).await?;
        Ok(tokens["tokens"].as_array().map(Vec::len) == Some(2))
    })
    .await
    .context("step 6: the app server does not have the second token")?;
    println!(
        "  {name} has registered as {} did; now its user removes {TOPIC}",
        house.phones[0].name()
    );
    house.phones[1]
        .with(|phone| phone.uninstall(TOPIC))
        .context("step 6")?;
    println!("  app server → gateway → APNs: a push to both phones");
    let payload = json!({"aps": {"alert": "Are you still there?"}});
    let report = post(house, &format!("/apps/{TOPIC}/push"), payload.to_string()).await?;
    ensure!(
        report["sent"] == 2,
        "step 6: the push was not sent to both: {report}"
    );
    let app_gone = |line: &Line| {
        line.from == Side::Phone
            && matches!(
                line.message,
                Message::Ack {
                    status: Status::APP_GONE,
                    ..
                }
            )
    };
    tell_last(house, &name, app_gone)
        .await
        .context("step 6: the phone did not answer that the app is gone")?;

    step(7, "Feedback: the server reads which tokens are dead");
    if house.upstream == Upstream::Http2 {
        println!(
            "  app server → gateway → APNs: the next push, which APNs answers with 410 Unregistered"
        );
        let payload = json!({"aps": {"alert": "Hello?"}});
        post(house, &format!("/apps/{TOPIC}/push"), payload.to_string()).await?;
    }
    let hex = token.to_hex();
    let mut read = Value::Null;
    wait_for(async || {
        read = post(house, &format!("/apps/{TOPIC}/feedback"), String::new()).await?;
        Ok(read["tuples"]
            .as_array()
            .is_some_and(|tuples| !tuples.is_empty()))
    })
    .await
    .context("step 7: no feedback came")?;
    let tuple = &read["tuples"][0];
    ensure!(
        tuple["token"] == hex.as_str(),
        "step 7: another token came: {read}"
    );
    let timestamp = tuple["timestamp"]
        .as_u64()
        .and_then(|at| u32::try_from(at).ok());
    println!("  APNs → gateway → app server:");
    let tuple = Tuple {
        timestamp: timestamp.context("step 7: a tuple without a time")?,
        token: Token::new(HEXLOWER.decode(hex.as_bytes())?),
    };
    for part in explain::tuple(&tuple)? {
        println!("    {part}");
    }
    println!("  app server: will not push to it again");
    // For the reader's own pushes: installed again, the app has its token again.
    house.phones[1].with(|phone| {
        phone.install(TOPIC, "Mail", true)?;
        phone.register(TOPIC, apns_simulator::phone::Types::ALL)
    })?;
    Ok(())
}

fn acknowledges(line: &Line) -> bool {
    let Message::Ack { status, .. } = line.message else {
        return false;
    };
    line.from == Side::Phone && status == Status::OK
}

fn step(number: u8, title: &str) {
    println!();
    println!("Step {number}. {title}");
}

/// Tells what is said on a phone's connection, up to the line that is waited for.
async fn tell_until(
    house: &mut House,
    phone: &str,
    wanted: impl Fn(&Line) -> bool,
) -> anyhow::Result<Line> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let line = next_line(house, deadline).await?;
        if &*line.phone != phone {
            continue;
        }
        tell(&line);
        if wanted(&line) {
            return Ok(line);
        }
    }
}

/// Tells only the line that is waited for, and the one before it.
async fn tell_last(
    house: &mut House,
    phone: &str,
    wanted: impl Fn(&Line) -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut before: Option<Line> = None;
    loop {
        let line = next_line(house, deadline).await?;
        if &*line.phone != phone {
            continue;
        }
        if wanted(&line) {
            before.iter().for_each(tell);
            tell(&line);
            return Ok(());
        }
        before = Some(line);
    }
}

async fn next_line(house: &mut House, deadline: Instant) -> anyhow::Result<Line> {
    let line = timeout_at(deadline, house.lines.recv()).await;
    line.map_err(|_| anyhow::anyhow!("nothing came within {PATIENCE:?}"))?
        .context("the phones are gone")
}

fn tell(line: &Line) {
    let (from, to) = match line.from {
        Side::Phone => (&*line.phone, "APNs"),
        Side::Apns => ("APNs", &*line.phone),
    };
    let command = line.frame.first().copied().unwrap_or_default();
    println!(
        "  {from} → {to}: {command:02x}, {} bytes: {}",
        line.frame.len(),
        explain::courier(&line.message)
    );
}

/// The newest notification that APNs accepted, as it came.
fn arrived(house: &House) -> Option<Sent> {
    let events = house.stage.simulator().events(0, usize::MAX).events;
    events.into_iter().rev().find_map(|event| match event.what {
        What::Accepted { request, .. } => Some(request.sent.clone()),
        _ => None,
    })
}

/// Looks until it is so.
async fn wait_for(mut look: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let mut looks = interval(PAUSE);
    let looking = async {
        loop {
            looks.tick().await;
            if look().await? {
                return Ok(());
            }
        }
    };
    timeout(PATIENCE, looking)
        .await
        .with_context(|| format!("not within {PATIENCE:?}"))?
}

async fn get(house: &House, path: &str) -> anyhow::Result<Value> {
    let (status, body) = timeout(PATIENCE, house.app_server().get(path)).await??;
    ensure!(status.is_success(), "GET {path}: {status}");
    Ok(serde_json::from_slice(&body)?)
}

async fn post(house: &House, path: &str, body: String) -> anyhow::Result<Value> {
    let answering = house.app_server();
    let (status, answer) =
        timeout(PATIENCE * 2, answering.post(path, "application/json", body)).await??;
    ensure!(
        status.is_success(),
        "POST {path}: {status}: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(serde_json::from_slice(&answer)?)
}
