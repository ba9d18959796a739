//! docs/certificates.md, followed from top to bottom as its reader would.
//!
//! Every `sh` block runs, in order, in one shell. A `text` block shows what is printed: each of its lines must be, `…` standing for
//! what differs from run to run.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::ran::{Ran, node_modules, root};

const PAGE: &str = "docs/certificates.md";

/// Twenty programs, some of them Java, beside other tests.
const WALK_TIMEOUT: Duration = Duration::from_secs(180);

/// What the reader types for the simulator's first port; the test takes another.
const PORT: &str = "port=22000\n";

/// Ports the simulator may take from its first on.
const PORTS: u16 = 32;

/// A fenced block of the page.
#[derive(Debug)]
struct Block<'a> {
    language: &'a str,
    /// Its first line in the page.
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !inside => {
                inside = true;
                blocks.push(Block {
                    language,
                    line: index + 2,
                    text: String::new(),
                });
            }
            Some(_) => inside = false,
            None if inside => {
                let block = blocks.last_mut().expect("the fence opened one");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "{PAGE}: a fence is not closed");
    blocks
}

/// The page as one script that says where it is, and leaves nothing running.
fn script(blocks: &[Block<'_>], port: u16) -> String {
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    let mut ports = 0;
    for block in blocks.iter().filter(|block| block.language == "sh") {
        ports += block.text.matches(PORT).count();
        script.push_str(&format!("echo '+ {PAGE}, line {}' >&2\n", block.line));
        script.push_str(&block.text.replace(PORT, &format!("port={port}\n")));
    }
    assert_eq!(
        ports, 1,
        "{PAGE} says {PORT:?} in one block, for this test to choose another"
    );
    script
}

/// The first of several ports that are free, below those the system gives to others.
fn free_ports() -> u16 {
    let own = u16::try_from(std::process::id() % 200).expect("less than 200");
    (0..200)
        .map(|n| 24_000 + (own + n) % 200 * PORTS)
        .find(|&base| {
            (base..base + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        })
        .expect("some ports are free")
}

fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || last == Some("") || last.is_some_and(|last| line.ends_with(last))
}

/// The folder of the programs that `cargo build` has made beside this test.
fn programs() -> &'static Path {
    let folder = Path::new(env!("CARGO_BIN_EXE_rig-simulator"))
        .parent()
        .expect("a program lies in a folder");
    for name in ["apns-certs", "apns-simulator", "apns-gateway"] {
        assert!(
            folder.join(name).is_file(),
            "no {name} in {}; run `cargo build --bins`",
            folder.display()
        );
    }
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_walk_ends_with_a_push_on_a_phone() {
    node_modules();
    let page = std::fs::read_to_string(root(PAGE)).expect("the page is there");
    let blocks = blocks(&page);
    // The reader begins in the root of the repository.
    let folder = TempDir::new().expect("a temporary folder");
    let home = folder.path().join("home");
    std::fs::create_dir(&home).expect("the folder can be written");
    std::os::unix::fs::symlink(root("examples"), folder.path().join("examples"))
        .expect("the folder can be written");
    let walk = folder.path().join("walk.sh");
    std::fs::write(&walk, script(&blocks, free_ports())).expect("the folder can be written");
    let path = std::env::var("PATH").expect("a PATH");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail"])
        .arg(&walk)
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs().display()))
        .env("HOME", &home)
        .env_remove("XDG_STATE_HOME")
        .env_remove("APNS_CERTS_STATE");
    let ran = Ran::within(WALK_TIMEOUT, &mut bash, Stdio::null(), folder.path())
        .await
        .succeeded();

    for block in blocks.iter().filter(|block| block.language == "text") {
        for pattern in block.text.lines().filter(|line| !line.is_empty()) {
            assert!(
                ran.stdout.lines().any(|line| fits(line, pattern)),
                "{PAGE}, block at line {}: nothing printed {pattern:?}\n{}\n{}",
                block.line,
                ran.stdout,
                ran.stderr
            );
        }
    }
    for language in ["PHP", "Java", "node"] {
        let shown = format!("shows \"Hello from {language}\"");
        assert_eq!(ran.stdout.matches(&shown).count(), 1, "{shown}: {ran:#?}");
    }
}

#[test]
fn a_shown_line_may_leave_out_what_differs() {
    for (line, pattern, fit) in [
        ("abc", "abc", true),
        ("abcd", "abc", false),
        ("abc", "a…c", true),
        ("abcc", "a…c", true),
        ("abd", "a…c", false),
        ("abc", "a…", true),
        ("xabc", "…abc", true),
        ("a1b2c", "a…b…c", true),
        ("a1b2", "a…b…c", false),
    ] {
        assert_eq!(fits(line, pattern), fit, "{line} {pattern}");
    }
}
