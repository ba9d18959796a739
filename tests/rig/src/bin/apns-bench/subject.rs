//! What is measured, in a process of its own: the simulator, asked for its costs over standard input and output.
//!
//! One line of JSON at the start: the CA goes in, the ports come out. Then one line per question, answered by one line; the tokens of new phones
//! follow their line as raw bytes.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use apns_certs::Ca;
use apns_net::credentials::Environment;
use apns_rig::certificates::{TOPIC, certificates};
use apns_rig::eventually::eventually_within;
use apns_simulator::world::Bounds;
use apns_simulator::{Addresses, Config, Handle, Simulator};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Of every token that the simulator gives out.
pub(crate) const TOKEN_LEN: usize = 32;
/// A phone accepts a notification twice over: the events of its arrival and of its delivery.
const EVENTS_PER_NOTIFICATION: u64 = 2;
/// All that is expected must have happened by then.
const PATIENCE: Duration = Duration::from_secs(600);

/// The simulator's process, as the bench sees it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Subject {
    ports: Addresses,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

#[derive(Debug, Serialize, Deserialize)]
struct Start {
    ca: String,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    /// So many more phones, please.
    Phones(usize),
    /// Bytes of memory that are resident.
    Rss,
    /// So many notifications will come.
    Expect(usize),
    /// Nanoseconds of CPU time since then, once they have all been delivered.
    Cpu,
}

impl Subject {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("subject")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the bench cannot start itself")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (mut input, output) = input.zip(output).context("a child without pipes")?;
        let ca = &certificates().ca;
        let start = Start {
            ca: ca.cert_pem().to_owned(),
            key: ca.key_pem(),
        };
        write_line(&mut input, &start).await?;
        let mut output = BufReader::new(output);
        let ports = read_line(&mut output).await?;
        Ok(Self {
            ports,
            input,
            output,
            _child: child,
        })
    }

    pub(crate) const fn ports(&self) -> Addresses {
        self.ports
    }

    /// Adds phones, and gives out their tokens.
    pub(crate) async fn phones(&mut self, count: usize) -> anyhow::Result<Vec<[u8; TOKEN_LEN]>> {
        self.ask(Question::Phones(count)).await?;
        let mut tokens = vec![[0; TOKEN_LEN]; count];
        self.output.read_exact(tokens.as_flattened_mut()).await?;
        Ok(tokens)
    }

    pub(crate) async fn rss(&mut self) -> anyhow::Result<i64> {
        self.ask(Question::Rss).await
    }

    /// Says how many notifications will come from now on.
    pub(crate) async fn expect(&mut self, count: usize) -> anyhow::Result<()> {
        self.ask(Question::Expect(count)).await.map(drop)
    }

    /// What they cost, once they have all been delivered.
    pub(crate) async fn cpu_ns(&mut self) -> anyhow::Result<i64> {
        self.ask(Question::Cpu).await
    }

    async fn ask(&mut self, question: Question) -> anyhow::Result<i64> {
        write_line(&mut self.input, &question).await?;
        read_line(&mut self.output).await
    }
}

async fn write_line(input: &mut ChildStdin, line: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    input.write_all(&line).await?;
    Ok(input.flush().await?)
}

async fn read_line<T: for<'a> Deserialize<'a>>(
    output: &mut BufReader<ChildStdout>,
) -> anyhow::Result<T> {
    let mut line = String::new();
    output.read_line(&mut line).await?;
    ensure!(!line.is_empty(), "the subject ended early");
    Ok(serde_json::from_str(&line)?)
}

/// The other side: a simulator, until standard input ends.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let mut lines = std::io::stdin().lines();
    let start = lines.next().context("no CA")??;
    let Start { ca, key } = serde_json::from_str(&start)?;
    let mut config = Config::with_ca(&Ca::from_pem(&ca, &key)?)?;
    config.bounds = Bounds {
        devices_max: 2_000_000,
        ..Bounds::default()
    };
    let simulator = Simulator::start(config).await?;
    answer(&simulator.addresses(Environment::Sandbox), &[])?;
    let (mut phones, mut expected, mut began_ns) = (0, 0, 0);
    for line in lines {
        match serde_json::from_str(&line?)? {
            Question::Phones(count) => {
                let mut tokens = Vec::with_capacity(count * TOKEN_LEN);
                for _ in 0..count {
                    phones += 1;
                    let name = format!("iPhone {phones}");
                    let project = simulator.default_project();
                    let token = project.add_phone(&name, TOPIC, Environment::Sandbox)?;
                    tokens.extend_from_slice(token.as_bytes());
                }
                answer(&phones, &tokens)?;
            }
            Question::Rss => answer(&rss()?, &[])?,
            Question::Expect(count) => {
                expected = newest(&simulator) + EVENTS_PER_NOTIFICATION * count as u64;
                began_ns = cpu_ns()?;
                answer(&0, &[])?;
            }
            Question::Cpu => {
                eventually_within(PATIENCE, "every notification", async || {
                    let newest = newest(&simulator);
                    (newest >= expected).then_some(()).ok_or(newest)
                })
                .await;
                answer(&(cpu_ns()? - began_ns), &[])?;
            }
        }
    }
    Ok(())
}

fn newest(simulator: &Handle) -> u64 {
    simulator.world(|world, _| world.newest_event())
}

fn answer(line: &impl Serialize, bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, line)?;
    output.write_all(b"\n")?;
    output.write_all(bytes)?;
    Ok(output.flush()?)
}

/// CPU time of this process: user and system, all threads, as getrusage counts it.
fn cpu_ns() -> anyhow::Result<i64> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Ok(time.tv_sec * 1_000_000_000 + time.tv_nsec)
}

fn rss() -> anyhow::Result<i64> {
    let mut status = String::new();
    std::fs::File::open("/proc/self/status")?.read_to_string(&mut status)?;
    for line in status.lines() {
        if let Some(rss) = line.strip_prefix("VmRSS:") {
            let kilobytes: i64 = rss.trim().trim_end_matches(" kB").parse()?;
            return Ok(kilobytes * 1024);
        }
    }
    bail!("/proc/self/status has no VmRSS")
}
