//! Only licences that let anybody use what we publish.

use crate::crates::tree;
use crate::expect_none;

/// Permissive, compatible with ours, known to the people who read this list.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be satisfied with allowed licences alone. `a/b` is an old spelling of `a OR b`.
fn satisfiable(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let satisfied = any(&mut words);
    satisfied && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut satisfied = all(words);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= all(words);
    }
    satisfied
}

fn all(words: &mut Words<'_>) -> bool {
    let mut satisfied = one(words);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= one(words);
    }
    satisfied
}

fn one(words: &mut Words<'_>) -> bool {
    let Some(word) = words.next() else {
        return false;
    };
    if word == "(" {
        let satisfied = any(words);
        return words.next() == Some(")") && satisfied;
    }
    let mut licence = word.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    ALLOWED.contains(&licence.as_str())
}

#[test]
fn every_licence_in_the_tree_is_on_the_list() {
    let findings: Vec<_> = tree()
        .into_iter()
        .filter(|(.., licence)| !satisfiable(licence))
        .map(|(name, version, licence)| format!("{name} {version}: {licence:?}"))
        .collect();
    expect_none("a licence that is not on the list", &findings);
}

#[test]
fn an_expression_is_read_as_spdx_means_it() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "ISC AND (GPL-2.0 OR Apache-2.0)",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(satisfiable(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR OpenSSL)",
        "MIT WITH Strings",
        "(MIT",
        "MIT MIT",
    ] {
        assert!(!satisfiable(bad), "{bad}");
    }
}
