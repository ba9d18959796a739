//! What is measured, in a process of its own, asked for its costs over standard input and output.
//!
//! One line of JSON at the start: what it needs goes in, where it listens comes out. Then one line per question, answered by one line, which raw
//! bytes may follow.

pub(crate) mod gateway;
pub(crate) mod simulator;

use std::io::{Lines, StdinLock, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Subcommand;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// All that is expected must have happened by then.
const PATIENCE: Duration = Duration::from_secs(600);

/// Which daemon a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Role {
    Simulator,
    Gateway,
}

impl Role {
    /// Is that daemon, until standard input ends.
    pub(crate) async fn serve(self) -> anyhow::Result<()> {
        match self {
            Self::Simulator => simulator::serve(Questions::new()).await,
            Self::Gateway => gateway::serve(Questions::new()).await,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Simulator => "simulator",
            Self::Gateway => "gateway",
        }
    }
}

/// What so many notifications took.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    notifications: u64,
    cpu: Duration,
    wall: Duration,
}

impl Cost {
    /// Of one notification, in microseconds of CPU time.
    pub(crate) fn cpu_us(self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.notifications as f64
    }

    /// Notifications per second of the clock on the wall.
    pub(crate) fn per_second(self) -> f64 {
        self.notifications as f64 / self.wall.as_secs_f64()
    }
}

/// Measures a cost, in the process that has it.
struct Meter {
    cpu: Duration,
    wall: Instant,
}

impl Meter {
    fn start() -> Self {
        Self {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    fn read(&self, notifications: usize) -> Cost {
        Cost {
            notifications: notifications as u64,
            cpu: cpu_time() - self.cpu,
            wall: self.wall.elapsed(),
        }
    }
}

/// CPU time of this process: user and system, all threads, as getrusage counts it.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime)
        .try_into()
        .expect("it does not run backwards")
}

/// Bytes of memory that are resident.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Rss {
    pub(crate) now: i64,
    /// The most there ever were.
    pub(crate) peak: i64,
}

impl Rss {
    fn read() -> anyhow::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let bytes = |name: &str| -> anyhow::Result<i64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let line = line.with_context(|| format!("/proc/self/status has no {name}"))?;
            let kilobytes: i64 = line.trim().trim_end_matches(" kB").parse()?;
            Ok(kilobytes * 1024)
        };
        Ok(Self {
            now: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// A daemon's process, as the bench sees it. It is killed when this is dropped.
#[derive(Debug)]
struct Process {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    child: Child,
}

impl Process {
    /// Starts it; its first answer is where it listens.
    async fn start<T: for<'a> Deserialize<'a>>(
        role: Role,
        start: &impl Serialize,
    ) -> anyhow::Result<(Self, T)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["subject", role.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the bench cannot start itself")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = input.zip(output).context("a child without pipes")?;
        let mut process = Self {
            input,
            output: BufReader::new(output),
            child,
        };
        let ready = process.ask(start).await?;
        Ok((process, ready))
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &mut self,
        question: &impl Serialize,
    ) -> anyhow::Result<T> {
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await?;
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        ensure!(!line.is_empty(), "the subject ended early");
        Ok(serde_json::from_str(&line)?)
    }

    /// Ends it where it is.
    async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The other end of a [`Process`].
struct Questions(Lines<StdinLock<'static>>);

impl Questions {
    fn new() -> Self {
        Self(std::io::stdin().lines())
    }

    /// The next one; `None`: that was the last.
    fn next<T: for<'a> Deserialize<'a>>(&mut self) -> anyhow::Result<Option<T>> {
        let Some(line) = self.0.next() else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_str(&line?)?))
    }

    fn answer(&self, line: &impl Serialize, bytes: &[u8]) -> anyhow::Result<()> {
        let mut output = std::io::stdout().lock();
        serde_json::to_writer(&mut output, line)?;
        output.write_all(b"\n")?;
        output.write_all(bytes)?;
        Ok(output.flush()?)
    }
}
