//! Small policies for tests: rules written in a line, both twins built from one policy.

use std::net::IpAddr;
use std::sync::Arc;

use super::naive::{NaivePolicy, NaiveSets};
use super::{DomainIndex, write_index_with};
use crate::build::{BuildFault, Loaded, build};
use crate::check::{CheckedRule, Conditions, DomainPattern, ListKind, Mode, Scope, Validity};
use crate::client::{Client, Earlier, Known, Phase, Request, Tunnel};
use crate::compile::{CompiledList, CompiledPolicy};
use crate::digest::Digest;
use crate::lists::{
    AddressList, ListFormat, NameList, RawList, UrlList, read_addresses, read_list, read_names,
};
use crate::regex::{Backend, RegexPattern, compile_all};
use crate::ruleset::Ruleset;
use crate::uri::{CanonicalUri, Domain, Form, Host, UriBuffer, UriPrefix};
use crate::users::{UserList, read_users};
use crate::verdict::{Action, RuleId, Tls};
use crate::zone::Zone;

/// A policy on its way: rules, and lists as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketch {
    pub(crate) rules: Vec<(Action, Conditions)>,
    pub(crate) lists: Vec<(ListKind, String)>,
    pub(crate) default_action: Option<Action>,
    /// What each rule says of TLS; nothing where this is shorter than the rules.
    pub(crate) tls: Vec<Option<Tls>>,
    /// What else each rule says; nothing where this is shorter than the rules.
    pub(crate) more: Vec<More>,
    /// Where its clocks are; UTC where nothing is said.
    pub(crate) zone: Option<&'static str>,
}

/// What few rules say.
#[derive(Debug, Clone, Default)]
pub(crate) struct More {
    pub(crate) except: Conditions,
    pub(crate) validity: Validity,
    pub(crate) mode: Mode,
}

/// Both twins.
pub(crate) struct Twins {
    pub(crate) compiled: CompiledPolicy,
    pub(crate) ruleset: Ruleset,
    pub(crate) naive: NaivePolicy,
}

impl Sketch {
    pub(crate) fn rule(mut self, action: Action, conditions: Conditions) -> Self {
        self.rules.push((action, conditions));
        self
    }

    /// Adds to the rule before.
    pub(crate) fn with(mut self, more: More) -> Self {
        self.more.resize_with(self.rules.len() - 1, More::default);
        self.more.push(more);
        self
    }

    pub(crate) fn list(mut self, kind: ListKind, text: &str) -> Self {
        self.lists.push((kind, text.to_owned()));
        self
    }

    pub(crate) fn build(&self) -> Twins {
        self.try_build().unwrap()
    }

    pub(crate) fn try_build(&self) -> Result<Twins, BuildFault> {
        self.build_for(Backend::built_in())
    }

    pub(crate) fn build_for(&self, backend: Backend) -> Result<Twins, BuildFault> {
        let rules = (1..).zip(&self.rules).map(|(id, (action, conditions))| CheckedRule {
            id: RuleId(id),
            name: format!("rule-{id}"),
            file: "test.policy".into(),
            line: id,
            action: *action,
            description: None,
            category: None,
            tls: self.tls.get(id as usize - 1).copied().flatten(),
            conditions: conditions.clone(),
            except: Some(self.more_of(id).except)
                .filter(|except| *except != Conditions::default())
                .map(Box::new),
            validity: self.more_of(id).validity,
            mode: self.more_of(id).mode,
        });
        let (mut lists, mut names, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        let mut users: Vec<(Digest, UserList)> = Vec::new();
        let mut urls: Vec<(Digest, UrlList)> = Vec::new();
        for (number, (kind, text)) in self.lists.iter().enumerate() {
            let set = Digest::of(format!("{kind:?} {text}").as_bytes());
            match kind {
                ListKind::Domains => names.push((set, name_list(text))),
                ListKind::Addresses => addresses.push((set, address_list(text))),
                ListKind::Users => users.push((set, read_users(text.as_bytes()).unwrap().0)),
                ListKind::Urls => urls.push((set, url_list(text))),
                // The rules have them.
                ListKind::Expressions => {}
            }
            let path = format!("lists/list-{number}.txt");
            let source = Digest::of(text.as_bytes());
            lists.push(CompiledList { path, kind: *kind, source, set, entries: 0 });
        }
        let default_action = self.default_action.unwrap_or(Action::Permit);
        let compiled = CompiledPolicy { rules: rules.collect(), lists, default_action };
        names.sort_by_key(|(set, _)| *set);
        names.dedup_by_key(|(set, _)| *set);
        let mut sets = NaiveSets::default();
        names.iter().for_each(|(set, names)| sets.add_names(*set, names));
        addresses.iter().for_each(|(set, list)| sets.add_addresses(*set, list));
        users.iter().for_each(|(set, list)| sets.add_users(*set, list));
        urls.sort_by_key(|(set, _)| *set);
        urls.dedup_by_key(|(set, _)| *set);
        urls.iter().for_each(|(set, urls)| sets.add_urls(*set, urls));
        let borrowed: Vec<(Digest, &NameList)> = names.iter().map(|(a, b)| (*a, b)).collect();
        let urls: Vec<(Digest, &UrlList)> = urls.iter().map(|(a, b)| (*a, b)).collect();
        let index = write_index_with(&borrowed, &urls, 11);
        let index = Arc::new(DomainIndex::open(index).unwrap());
        let regexes = compile_all(&compiled, backend).unwrap();
        let name = self.zone.unwrap_or("UTC");
        let zone = Zone::named(name).unwrap();
        let ruleset = build(&compiled, Loaded { index, addresses, regexes, users, zone })?;
        let naive = NaivePolicy::new(compiled.clone(), sets).in_zone(name);
        Ok(Twins { compiled, ruleset, naive })
    }
}

impl Sketch {
    fn more_of(&self, id: u32) -> More {
        self.more.get(id as usize - 1).cloned().unwrap_or_default()
    }
}

fn name_list(text: &str) -> NameList {
    read_names(text.as_bytes()).unwrap().0
}

fn url_list(text: &str) -> UrlList {
    let list = RawList::file(text.as_bytes().to_vec());
    read_list(&list, Some(ListFormat::Urls)).unwrap().0.urls
}

fn address_list(text: &str) -> AddressList {
    read_addresses(text.as_bytes()).unwrap().0
}

/// `=name` for the host alone, else the name and those below it.
pub(crate) fn domains(texts: &[&str]) -> Vec<DomainPattern> {
    let pattern = |text: &&str| match text.strip_prefix('=') {
        Some(name) => DomainPattern { name: name.into(), scope: Scope::Host },
        None => DomainPattern { name: (*text).into(), scope: Scope::Tree },
    };
    texts.iter().map(pattern).collect()
}

pub(crate) fn prefixes(texts: &[&str]) -> Vec<UriPrefix> {
    texts.iter().map(|text| UriPrefix::parse(text).unwrap()).collect()
}

/// What a test says of a request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) phase: Phase,
    pub(crate) tunnel: Tunnel,
    pub(crate) uri: String,
    pub(crate) client: IpAddr,
    pub(crate) sni: Known<String>,
    pub(crate) user_agent: Known<String>,
    /// Host and port of the CONNECT, SNI and User-Agent, as a tag brings them back.
    pub(crate) earlier: Option<(String, u16, Known<String>, Known<String>)>,
    pub(crate) referer: Known<String>,
    pub(crate) method: &'static str,
    pub(crate) user: Option<&'static str>,
}

impl Ask {
    /// A plain request: everything is known.
    pub(crate) fn get(uri: &str) -> Self {
        Self {
            phase: Phase::Request,
            tunnel: Tunnel::Opaque,
            uri: uri.into(),
            client: IpAddr::from([10, 0, 0, 7]),
            sni: Known::Absent,
            user_agent: Known::Is("Mozilla/5.0 (X11)".into()),
            earlier: None,
            referer: Known::Absent,
            method: "GET",
            user: None,
        }
    }

    /// A CONNECT before the `ClientHello`.
    pub(crate) fn connect(authority: &str, tunnel: Tunnel) -> Self {
        Self { phase: Phase::Connect, tunnel, sni: Known::Unknown, ..Self::get(authority) }
    }

    /// The same tunnel after the `ClientHello`.
    pub(crate) fn hello(authority: &str, tunnel: Tunnel, sni: Known<&str>) -> Self {
        let sni = match sni {
            Known::Unknown => Known::Unknown,
            Known::Absent => Known::Absent,
            Known::Is(name) => Known::Is(name.to_owned()),
        };
        let user_agent = Known::Unknown;
        Self { phase: Phase::Hello, tunnel, sni, user_agent, ..Self::get(authority) }
    }

    /// Gives the request to `judge`; nothing where it is malformed.
    pub(crate) fn with<T>(&self, judge: impl FnOnce(&Request<'_>) -> T) -> Option<T> {
        let form = if self.uri.contains("://") { Form::Absolute } else { Form::Connect };
        let (mut buffer, mut name) = (UriBuffer::default(), String::new());
        let uri = CanonicalUri::parse(&mut buffer, form, self.uri.as_bytes()).ok()?;
        let sni = match &self.sni {
            Known::Unknown => Known::Unknown,
            Known::Absent => Known::Absent,
            Known::Is(raw) => Known::Is(Domain::parse(&mut name, raw.as_bytes()).ok()?),
        };
        let user_agent = header(&self.user_agent);
        let referer = header(&self.referer);
        let user = self.user.map(str::as_bytes);
        let client = Client { address: self.client, user, sni, user_agent, referer };
        let (phase, tunnel, method) = (self.phase, self.tunnel, self.method.as_bytes());
        let (mut host, mut name) = (String::new(), String::new());
        let earlier = match &self.earlier {
            None => None,
            Some((text, port, sni, agent)) => Some(Earlier {
                host: Host::parse(&mut host, text.as_bytes()).ok()?,
                port: *port,
                sni: match sni {
                    Known::Unknown => Known::Unknown,
                    Known::Absent => Known::Absent,
                    Known::Is(raw) => Known::Is(Domain::parse(&mut name, raw.as_bytes()).ok()?),
                },
                user_agent: match agent {
                    Known::Unknown => Known::Unknown,
                    Known::Absent => Known::Absent,
                    Known::Is(header) => Known::Is(header.as_bytes()),
                },
            }),
        };
        Some(judge(&Request { phase, tunnel, method, uri: &uri, client, earlier }))
    }
}

fn header(text: &Known<String>) -> Known<&[u8]> {
    match text {
        Known::Unknown => Known::Unknown,
        Known::Absent => Known::Absent,
        Known::Is(header) => Known::Is(header.as_bytes()),
    }
}

pub(crate) fn patterns(texts: &[&str]) -> Vec<RegexPattern> {
    texts.iter().map(|text| RegexPattern::parse(text).unwrap()).collect()
}

impl Ruleset {
    /// How many rules are looked at for a request that none of them holds for.
    pub(crate) fn candidates(&self, ask: &Ask) -> usize {
        let mut findings = super::Findings::default();
        findings.fit(&self.matcher);
        let mut candidates = super::Candidates::default();
        ask.with(|request| {
            self.matcher.gather(request, &mut findings, &mut candidates);
            std::iter::from_fn(|| candidates.next(self.matcher.runs())).count()
        })
        .unwrap_or(0)
    }
}
