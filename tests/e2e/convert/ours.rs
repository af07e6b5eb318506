//! The converted policy, in process, asked at any moment.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use eg_policy::build::{Loaded, build};
use eg_policy::check::{HasUrls, ListContents, ListKind, Trust, check_with_lists};
use eg_policy::client::{Client, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::decide::{Scratch, decide};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::{ListFormat, ListSets, RawList, read_addresses, read_list};
use eg_policy::matcher::{DomainIndex, write_index_with};
use eg_policy::moment::Moment;
use eg_policy::regex::{Backend, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::SourceFile;
use eg_policy::uri::{CanonicalUri, Form, UriBuffer};
use eg_policy::users::read_users;
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;

use super::conf::Line;

/// What our policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Permit(String),
    Deny(String),
    Invalid,
}

impl Said {
    pub(super) const fn stops(&self) -> bool {
        matches!(self, Self::Deny(_) | Self::Invalid)
    }
}

pub(super) struct Ours {
    rules: Ruleset,
}

impl Ours {
    /// The ruleset of a converted folder, which must have no error.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("50-squidguard.policy");
        let text = std::fs::read_to_string(&path)?;
        let file = SourceFile::new(path.display().to_string(), text);
        let (checked, faults) = check_with_lists(&[(file, Trust::Operator)], |list| {
            if list.kind == ListKind::Addresses || list.kind == ListKind::Users {
                return Ok(ListContents::default());
            }
            let sets = read(&list.path, list.format).map_err(|fault| format!("{fault:#}"))?;
            let urls = if sets.urls.is_empty() { HasUrls::Absent } else { HasUrls::Present };
            Ok(ListContents { urls, expressions: sets.expressions.patterns().to_vec() })
        });
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        let errors: Vec<_> = errors.take(5).map(Diagnostic::render).collect();
        ensure!(errors.is_empty(), "{}", errors.join("\n"));
        let (mut names, mut addresses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        let (mut users, mut urls) = (Vec::new(), Vec::new());
        for list in &checked.lists {
            let bytes = std::fs::read(&list.path).with_context(|| list.path.clone())?;
            let (set, entries) = match list.kind {
                ListKind::Domains => {
                    let set = read(&list.path, list.format)?.names;
                    let about = (set.digest(), set.len());
                    names.push((set.digest(), set));
                    about
                }
                ListKind::Urls => {
                    let set = read(&list.path, list.format)?.urls;
                    let about = (set.digest(), set.len());
                    urls.push((set.digest(), set));
                    about
                }
                ListKind::Expressions => {
                    let set = read(&list.path, list.format)?.expressions;
                    (set.digest(), set.len())
                }
                ListKind::Addresses => {
                    let (set, _) = read_addresses(&bytes)?;
                    let about = (set.digest(), set.len());
                    addresses.push((set.digest(), set));
                    about
                }
                ListKind::Users => {
                    let (set, _) = read_users(&bytes)?;
                    let about = (set.digest(), set.len());
                    users.push((set.digest(), set));
                    about
                }
            };
            let (path, kind, source) = (list.path.clone(), list.kind, Digest::of(&bytes));
            lists.push(CompiledList { path, kind, source, set, entries });
        }
        names.sort_by_key(|(digest, _)| *digest);
        names.dedup_by_key(|(digest, _)| *digest);
        let sets: Vec<_> = names.iter().map(|(digest, set)| (*digest, set)).collect();
        urls.sort_by_key(|(digest, _)| *digest);
        urls.dedup_by_key(|(digest, _)| *digest);
        let urls: Vec<_> = urls.iter().map(|(digest, set)| (*digest, set)).collect();
        let index = Arc::new(DomainIndex::open(write_index_with(&sets, &urls, 7))?);
        let compiled = compile(checked, Action::Deny, lists);
        let regexes = compile_all(&compiled, Backend::built_in())?;
        let loaded = Loaded { index, addresses, regexes, users, zone: Zone::utc() };
        Ok(Self { rules: build(&compiled, loaded)? })
    }

    pub(super) fn asked(&self, line: &Line, unix_seconds: i64) -> Result<Said> {
        let mut buffer = UriBuffer::default();
        let Ok(uri) = CanonicalUri::parse(&mut buffer, Form::Absolute, line.url.as_bytes()) else {
            return Ok(Said::Invalid);
        };
        let client = Client {
            address: line.client.parse()?,
            user: (line.user != "-").then_some(line.user.as_bytes()),
            sni: Known::Absent,
            user_agent: Known::Absent,
            referer: Known::Absent,
        };
        let (phase, tunnel) = (Phase::Request, Tunnel::Opaque);
        let request = Request { phase, tunnel, method: b"GET", uri: &uri, client, earlier: None };
        let now = Moment::from_unix_micros(unix_seconds * 1_000_000);
        let mut scratch = Scratch::new(&self.rules);
        let verdict = decide(&self.rules, &mut scratch, &request, now);
        let rule = verdict.rule_name().to_owned();
        Ok(match verdict.action {
            Action::Permit => Said::Permit(rule),
            Action::Deny | Action::Warn | Action::Aup => Said::Deny(rule),
        })
    }
}

/// A list of names or URLs, as its rule says it is written.
fn read(path: &str, format: Option<ListFormat>) -> Result<ListSets> {
    let bytes = std::fs::read(path).with_context(|| path.to_owned())?;
    Ok(read_list(&RawList::file(bytes), format)?.0)
}
