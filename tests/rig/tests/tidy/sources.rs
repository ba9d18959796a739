//! What the source itself must look like.

use std::path::{Path, PathBuf};

use crate::{expect_none, read, root};

/// The only file that may wait for time to pass in a test.
const MAY_WAIT: &str = "tests/rig/src/eventually.rs";

/// Files and folders of pure rules: they are given `now`, and never reach for anything outside.
const PURE: &[&str] = &[
    "proto/src",
    "certs-dev/src/portal",
    "gateway/src/contract",
    "gateway/src/translate",
    "gateway/src/verdict",
    "simulator/src/world",
    "simulator/src/phone",
    "simulator/src/faults",
    "simulator/src/provider_api",
];

/// What pure rules may not name.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "tokio::",
    "tracing::",
    "println!",
    "eprintln!",
];

/// Every Rust file of the repository, by its path below the root.
fn rust_files() -> Vec<PathBuf> {
    files("rs")
}

/// Every file with this extension.
pub(crate) fn files(extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules"
            {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(
                    path.strip_prefix(root())
                        .expect("below the root")
                        .to_owned(),
                );
            }
        }
    }
    assert!(files.len() > 8, "found {} files only", files.len());
    files.sort();
    files
}

/// The lines of `text` without what follows `//`, numbered from 1. A `//` inside a string ends the line too, which costs nothing here.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

/// What is below `tests` and a program like others: the conformance suite, and our client that it judges.
const PROGRAMS: &[&str] = &["tests/conformance/src", "tests/rig/src/bin/rig-client.rs"];

/// The lines of a file that are tests: all of them below `tests` and in the rig, those behind `#[cfg(test)]` elsewhere and in programs.
fn test_lines<'a>(path: &Path, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let program = PROGRAMS.iter().any(|program| path.starts_with(program));
    let whole = !program && path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem == "tests");
    code(text).skip_while(move |(_, line)| !whole && line.trim() != "#[cfg(test)]")
}

/// The lines that are not in a test of paused time, where waiting takes none.
fn in_real_time<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> impl Iterator<Item = (usize, &'a str)> {
    let (mut announced, mut paused) = (false, false);
    lines.filter(move |(_, line)| {
        announced |= line.contains("start_paused = true");
        if ["fn ", "async fn ", "pub"]
            .iter()
            .any(|start| line.trim_start().starts_with(start))
        {
            paused = std::mem::take(&mut announced);
        }
        !paused
    })
}

/// A finding for each of `lines` that contains one of `words`.
fn mentions<'a>(
    path: &Path,
    lines: impl Iterator<Item = (usize, &'a str)>,
    words: &[&str],
) -> Vec<String> {
    lines
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(number, line)| format!("{}:{number}: {}", path.display(), line.trim()))
        .collect()
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let this = Path::new(file!()).file_name().unwrap();
    let mut findings = Vec::new();
    for path in rust_files() {
        if path != Path::new(MAY_WAIT) && path.file_name() != Some(this) {
            let text = read(&root().join(&path));
            let waking = in_real_time(test_lines(&path, &text));
            findings.extend(mentions(&path, waking, &["sleep("]));
        }
    }
    expect_none(
        "a test sleeps; wait for a condition with apns_rig::eventually, or pause the clock",
        &findings,
    );
}

#[test]
fn no_test_is_switched_off() {
    let this = Path::new(file!()).file_name().unwrap();
    let mut findings = Vec::new();
    for path in rust_files()
        .into_iter()
        .filter(|path| path.file_name() != Some(this))
    {
        let text = read(&root().join(&path));
        findings.extend(mentions(
            &path,
            code(&text),
            &["#[ignore", "#![ignore", "cfg(any())"],
        ));
    }
    expect_none("a test is ignored", &findings);
}

#[test]
fn pure_rules_reach_for_nothing_outside() {
    let files = rust_files();
    let mut findings = Vec::new();
    for pure in PURE {
        let inside =
            |path: &&PathBuf| path.starts_with(pure) || path.with_extension("") == Path::new(pure);
        let mut seen = 0;
        for path in files.iter().filter(inside) {
            seen += 1;
            let text = read(&root().join(path));
            let rules = code(&text).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
            if path.file_stem().is_none_or(|stem| stem != "tests") {
                findings.extend(mentions(path, rules, IMPURE));
            }
        }
        assert!(
            seen > 0,
            "{pure} does not exist; say here where its rules went"
        );
    }
    expect_none("pure code names something impure", &findings);
}

#[test]
fn the_scanners_see_what_they_look_for() {
    let here = |path: &str, text: &str| {
        mentions(
            Path::new(path),
            in_real_time(test_lines(Path::new(path), text)),
            &["sleep("],
        )
        .len()
    };
    assert_eq!(
        here(
            "proto/src/a.rs",
            "sleep(1);\n#[cfg(test)]\nmod tests { sleep(2); }"
        ),
        1
    );
    assert_eq!(here("proto/tests/a.rs", "sleep(1);\n// sleep(2);"), 1);
    assert_eq!(here("proto/src/a/tests.rs", "sleep(1);"), 1);
    let paused =
        "#[tokio::test(start_paused = true)]\nasync fn a() {\nsleep(1);\n}\nfn b() {\nsleep(2);\n}";
    assert_eq!(here("proto/tests/a.rs", paused), 1);
}
