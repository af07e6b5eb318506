//! squidGuard's own reading of lists and URLs, written from what its binary was seen to do: it says which
//! row of the loss report explains a difference.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use anyhow::Result;

use super::conf::{CATEGORIES, Line};
use super::ours::Said;

/// The lists of a category.
#[derive(Default)]
struct Lists {
    /// Names, reversed, with a dot behind and every dot as U+0001, so that they sort as its database does.
    names: BTreeSet<String>,
    plain: HashSet<String>,
    urls: BTreeSet<String>,
    expressions: usize,
}

pub(super) struct Model {
    lists: Vec<Lists>,
}

impl Model {
    pub(super) fn read(home: &Path) -> Result<Self> {
        let mut lists = Vec::new();
        for name in CATEGORIES {
            let read = |file: &str| {
                let path = home.join(name).join(file);
                let bytes = if path.is_file() { std::fs::read(path)? } else { Vec::new() };
                anyhow::Ok(String::from_utf8_lossy(&bytes).to_lowercase())
            };
            let (names, urls) = (read("domains")?, read("urls")?);
            lists.push(Lists {
                names: names.lines().map(|line| key(line.trim())).collect(),
                plain: names.lines().map(|line| line.trim().to_owned()).collect(),
                urls: urls.lines().map(|line| portless(line.trim())).collect(),
                expressions: read("expressions")?.lines().count(),
            });
        }
        Ok(Self { lists })
    }

    /// The kind of loss that explains why squidGuard says something else.
    pub(super) fn why(&self, line: &Line, they: bool, we: &Said) -> Option<&'static str> {
        if matches!(we, Said::Invalid) {
            return Some("canonical-request");
        }
        let url = Url::of(&line.url);
        let digits = url.host.chars().all(|c| c.is_ascii_digit() || c == '.');
        if !digits && (url.host.starts_with('[') || url.host.starts_with("0x")) {
            return Some("in-addr");
        }
        let covering = |lists: &&Lists| suffixes(&url.host).any(|name| lists.plain.contains(name));
        if self.lists.iter().filter(covering).any(|lists| !lists.has_name(&url.host)) {
            return Some("list-gaps");
        }
        let broad = |lists: &Lists| {
            suffixes(&url.host).any(|name| lists.plain.contains(name) && is_icann_suffix(name))
        };
        if self.lists.iter().any(broad) {
            return Some("public-suffix");
        }
        let texts = [url.stripped.as_str(), url.full.as_str()];
        let listed = |lists: &Lists| {
            lists.urls.iter().any(|entry| texts.iter().any(|text| text.starts_with(entry.as_str())))
        };
        if let Some(lists) = self.lists.iter().find(|lists| listed(lists)) {
            if !texts.iter().any(|text| lists.has_url(text)) {
                return Some("list-gaps");
            }
            if line.url.chars().any(char::is_uppercase) {
                return Some("url-case");
            }
            return Some(if they && url.is_prefixed { "url-host-prefix" } else { "url-text" });
        }
        let expressions: usize = self.lists.iter().map(|lists| lists.expressions).sum();
        (expressions > 0 && line.url.contains(['%', ':'])).then_some("expression-text")
    }
}

impl Lists {
    /// Whether squidGuard finds a name, or one that it lies below: it looks at the first entry that is not
    /// before the name, and then at the one before that alone.
    fn has_name(&self, host: &str) -> bool {
        let wanted = key(host);
        let next = self.names.range(wanted.clone()..).next();
        let before = self.names.range(..wanted.clone()).next_back();
        match (next, before) {
            (Some(next), _) if *next == wanted => true,
            (Some(next), Some(before)) => !next.starts_with(before) && wanted.starts_with(before),
            (Some(_), None) => false,
            (None, before) => before.is_some_and(|before| wanted.starts_with(before)),
        }
    }

    /// The same of URLs, whose entries are compared from the front.
    fn has_url(&self, text: &str) -> bool {
        let next = self.urls.range(text.to_owned()..).next();
        let before = self.urls.range(..text.to_owned()).next_back();
        match (next, before) {
            (Some(next), _) if next == text => true,
            (Some(next), Some(before)) => {
                !next.starts_with(before.as_str()) && text.starts_with(before)
            }
            (Some(_), None) => false,
            (None, before) => before.is_some_and(|before| text.starts_with(before)),
        }
    }
}

/// `.a.example` from behind.
fn key(name: &str) -> String {
    let dotted = name.chars().rev().map(|c| if c == '.' { '\u{1}' } else { c });
    dotted.chain(['\u{1}']).collect()
}

fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |rest| rest.split_once('.').map(|(_, rest)| rest))
}

fn is_icann_suffix(name: &str) -> bool {
    use psl::Psl as _;
    let suffix = psl::List.suffix(name.as_bytes());
    suffix.is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() == name.len())
}

/// A URL entry without its port.
fn portless(entry: &str) -> String {
    let (host, path) = entry.split_at(entry.find('/').unwrap_or(entry.len()));
    format!("{}{path}", host.split(':').next().unwrap_or_default())
}

/// A URL as squidGuard compares it.
struct Url {
    host: String,
    /// With host and port as they are.
    full: String,
    /// Without `www`, `web`, `ftp` and digits, and without the port.
    stripped: String,
    /// Whether such a word was there.
    is_prefixed: bool,
}

impl Url {
    fn of(sent: &str) -> Self {
        let decoded = decoded(sent).to_lowercase();
        let rest = decoded.split_once("://").map_or(decoded.as_str(), |(_, rest)| rest);
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let mut path = path.to_owned();
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        let rest = format!("{path}{query}");
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = authority.split(':').next().unwrap_or_default().trim_end_matches('.');
        let bare = ["www", "web", "ftp"].into_iter().find_map(|word| {
            let rest = host.strip_prefix(word)?;
            rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('.')
        });
        Self {
            host: host.to_owned(),
            full: format!("{authority}{path}"),
            stripped: format!("{}{path}", bare.unwrap_or(host)),
            is_prefixed: bare.is_some(),
        }
    }
}

/// Escapes once.
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let byte = tail
            .get(..2)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
