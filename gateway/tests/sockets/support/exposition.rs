//! The text that Prometheus reads, read as the format is written (OpenMetrics 1.0): whatever is not allowed is the end of a test.

use std::collections::{BTreeMap, BTreeSet};

/// What is said under one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// One line of it.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Family {
    /// What distinguishes its samples.
    pub(crate) fn labels(&self) -> BTreeSet<&str> {
        let all = self.samples.iter().flat_map(|sample| sample.labels.keys());
        all.map(String::as_str).collect()
    }

    /// Whether a sample may be called so.
    fn allows(&self, sample: &str) -> bool {
        let suffixes: &[&str] = match &*self.kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => panic!("{} is a {kind}", self.name),
        };
        let suffix = sample.strip_prefix(&*self.name);
        suffix.is_some_and(|suffix| suffixes.contains(&suffix))
    }

    fn check(&self) {
        assert!(!self.help.is_empty(), "{} is not explained", self.name);
        if let Some(unit) = &self.unit {
            assert!(self.name.ends_with(&format!("_{unit}")), "{self:?}");
        }
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            assert!(
                self.allows(&sample.name),
                "{} in {}",
                sample.name,
                self.name
            );
            assert!(
                seen.insert((&sample.name, &sample.labels)),
                "twice: {sample:?}"
            );
            assert!(sample.value >= 0.0, "{sample:?}");
        }
        if self.kind == "histogram" {
            self.check_histogram();
        }
    }

    /// Buckets only grow, and the last has all of them.
    fn check_histogram(&self) {
        let of = |suffix: &str| {
            let name = format!("{}{suffix}", self.name);
            let samples = self
                .samples
                .iter()
                .filter(move |sample| sample.name == name);
            samples.collect::<Vec<_>>()
        };
        let (buckets, count) = (of("_bucket"), of("_count"));
        let bounds: Vec<f64> = buckets
            .iter()
            .map(|bucket| number(&bucket.labels["le"]))
            .collect();
        assert!(
            bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY),
            "{bounds:?}"
        );
        assert!(
            buckets.is_sorted_by(|one, next| one.value <= next.value),
            "{buckets:?}"
        );
        assert_eq!(
            buckets.last().unwrap().value.to_bits(),
            count[0].value.to_bits()
        );
    }
}

/// Reads all of it.
pub(crate) fn families(text: &str) -> Vec<Family> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut families: Vec<Family> = Vec::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name), "{line}");
            assert!(
                families.iter().all(|family| family.name != name),
                "twice: {line}"
            );
            families.push(Family {
                name: name.to_owned(),
                kind: String::new(),
                unit: None,
                help: unescaped(help),
                samples: Vec::new(),
            });
            continue;
        }
        let family = families.last_mut().expect("HELP comes first");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!((name, &*family.kind), (&*family.name, ""), "{line}");
            kind.clone_into(&mut family.kind);
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert_eq!((name, &family.unit), (&*family.name, &None), "{line}");
            family.unit = Some(unit.to_owned());
        } else {
            assert!(!line.starts_with('#') && !family.kind.is_empty(), "{line}");
            family.samples.push(sample(line));
        }
    }
    families.iter().for_each(Family::check);
    families
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, mut rest) = series.split_at(series.find('{').unwrap_or(series.len()));
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner.strip_suffix('}').unwrap();
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let end = end_of_value(after);
            let value = unescaped(&after[..end]);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            rest = &after[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }
    Sample {
        name: name.to_owned(),
        labels,
        value: number(value),
    }
}

fn is_name(name: &str) -> bool {
    let letter = |char: char| char.is_ascii_alphabetic() || char == '_' || char == ':';
    name.starts_with(letter)
        && name
            .chars()
            .all(|char| letter(char) || char.is_ascii_digit())
}

/// Where the quotation mark is that ends a label's value.
fn end_of_value(text: &str) -> usize {
    let mut escaped = false;
    text.find(|char| match char {
        _ if std::mem::take(&mut escaped) => false,
        '\\' => {
            escaped = true;
            false
        }
        _ => char == '"',
    })
    .expect("it ends")
}

/// Help texts and labels escape three characters and no others.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(char @ ('\\' | '"')) => char,
                other => panic!("\\{other:?} in {text}"),
            },
            '"' => panic!("a bare quotation mark in {text}"),
            char => char,
        });
    }
    out
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => text.parse().unwrap(),
    }
}
