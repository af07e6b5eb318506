//! Which values of a rule fit a request, on what, and in which view.

use super::kind::{Kind, address, list_path};
use super::seen::{Whose, origins};
use crate::check::{
    AddressPattern, AddressRange, Conditions, DomainPattern, ListIndex, Scope, SniPattern,
    host_text,
};
use crate::client::{Known, Request};
use crate::decide::{Outcome, Trial};
use crate::matcher::{Item, Whose as Looked};
use crate::regex::{Field, Reading};
use crate::ruleset::Ruleset;
use crate::uri::{Host, PathKnown, UriPrefix, ViewName};

/// How many values that fit are kept of each kind; a rule may have a hundred thousand.
pub const FITS_MAX: usize = 20;

/// A value that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The attribute that has it.
    pub attribute: &'static str,
    /// The value, in its canonical form.
    pub value: String,
    /// Which of the connection's hosts it fits; nothing where it looks at none.
    pub whose: Option<Whose>,
    /// The view of the URI in which it fits, where it looks at views.
    pub view: Option<ViewName>,
    /// What of a list it is.
    pub entry: Option<ListEntry>,
}

/// An entry of a list. A set knows no lines; the tools look them up in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// This name of a list of names.
    Name(DomainPattern),
    /// What of a list of addresses holds this one.
    Holds(std::net::IpAddr),
}

/// The values of one kind that fit, the first [`FITS_MAX`]. An attribute that holds has at least one,
/// unless nobody could tell and the rule stops the client.
pub(super) fn fits(
    kind: Kind,
    asked: &Conditions,
    rules: &Ruleset,
    trial: &mut Trial<'_>,
) -> Vec<Fit> {
    let request = trial.request;
    let attribute = kind.attribute();
    let plain = |value: String| Fit { attribute, value, whose: None, view: None, entry: None };
    let mut found = match kind {
        Kind::Application => {
            let (scheme, connect) = (request.uri.scheme(), request.uri.is_connect());
            let fits = asked.application.covers(scheme, connect);
            fits.then(|| plain(asked.application.word().to_owned())).into_iter().collect()
        }
        Kind::Domains => {
            let lists = listed(&asked.domain_lists, rules, request);
            named(&asked.domains, request).chain(lists).take(FITS_MAX).collect()
        }
        Kind::Uri => prefixes(&asked.uri, request),
        Kind::Sni => {
            let Known::Is(name) = request.sni() else { return Vec::new() };
            let fits = asked.sni.iter().filter_map(|own| match own {
                SniPattern::Any => Some("*".to_owned()),
                SniPattern::Name(own) => own.covers(Host::Name(name)).then(|| own.to_string()),
            });
            fits.take(FITS_MAX).map(plain).collect()
        }
        Kind::Destinations => {
            let hosts = origins(request).into_iter().filter_map(|(whose, host, _)| match whose {
                Whose::Request => Some((whose, host, Looked::Own)),
                Whose::Connect => Some((whose, host, Looked::Connect)),
                Whose::Sni | Whose::Elsewhere => None,
            });
            let mut found = Vec::new();
            for (whose, host, looked) in hosts {
                let Host::Address(of) = host else { continue };
                let holders = trial.matcher.destinations(host, looked, trial.findings);
                let lists = holders.map(|found| found.lists.clone()).unwrap_or_default();
                let fits = addresses(attribute, &asked.destinations, of, &lists, rules);
                found.extend(fits.into_iter().map(|fit| Fit { whose: Some(whose), ..fit }));
            }
            found
        }
        Kind::Sources => {
            let lists = trial.matcher.sources(request, trial.findings).lists.clone();
            addresses(attribute, &asked.sources, request.client.address, &lists, rules)
        }
        Kind::Agents => {
            let Known::Is(header) = request.user_agent() else { return Vec::new() };
            let header = header.to_ascii_lowercase();
            let holds = |text: &&String| {
                header.windows(text.len().max(1)).any(|part| part == text.as_bytes())
            };
            asked.user_agents.iter().filter(holds).take(FITS_MAX).cloned().map(plain).collect()
        }
        Kind::Anomalies => {
            let here = asked.anomalies.iter().filter(|own| own.of(request) == Outcome::Holds);
            here.map(|own| plain(own.word().to_owned())).collect()
        }
        Kind::Regex(field) => patterns(field, asked, trial),
    };
    found.dedup();
    found.truncate(FITS_MAX);
    found
}

impl DomainPattern {
    /// Whether the host is this name, or below it where that counts.
    #[must_use]
    pub fn covers(&self, host: Host<'_>) -> bool {
        match (host, self.scope) {
            (Host::Name(name), Scope::Tree) => name.parents().any(|parent| parent == self.name),
            (Host::Name(name), Scope::Host) => name.as_str() == self.name,
            (Host::Address(address), Scope::Tree | Scope::Host) => host_text(address) == self.name,
        }
    }
}

impl AddressRange {
    /// Whether the address is one of these.
    #[must_use]
    pub fn holds(&self, address: std::net::IpAddr) -> bool {
        let address = address.to_canonical();
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// Domains of the rule itself.
fn named(asked: &[DomainPattern], request: &Request<'_>) -> impl Iterator<Item = Fit> {
    let origins = origins(request);
    asked.iter().flat_map(move |own| {
        let fitting = origins.iter().filter(|(_, host, _)| own.covers(*host));
        let fits = fitting.map(|(whose, _, _)| Fit {
            attribute: "match-domain",
            value: own.to_string(),
            whose: Some(*whose),
            view: None,
            entry: None,
        });
        fits.collect::<Vec<_>>()
    })
}

/// Lists of names that name one of the hosts, each with the entry that does.
fn listed(
    asked: &[ListIndex],
    rules: &Ruleset,
    request: &Request<'_>,
) -> impl Iterator<Item = Fit> {
    let origins = origins(request);
    asked.iter().flat_map(move |list| {
        let entries = origins.iter().filter_map(|(whose, host, _)| {
            let entry = rules.list_entry(*list, *host)?;
            Some(Fit {
                attribute: "match-domain-list",
                value: list_path(rules, *list).to_owned(),
                whose: Some(*whose),
                view: None,
                entry: Some(ListEntry::Name(entry)),
            })
        });
        entries.collect::<Vec<_>>()
    })
}

impl Ruleset {
    /// The entry of a list of names that covers a host: the longest name, and of two the one that is the
    /// host alone.
    fn list_entry(&self, list: ListIndex, host: Host<'_>) -> Option<DomainPattern> {
        let tables = self.matcher.tables();
        let set = (*tables.set_of_list.get(list.0 as usize)?)?;
        let table = tables.index.table();
        let has = |name: &str, scope: Scope| {
            let group = table.group(name)?;
            let there = table.items(group).binary_search(&Item::new(set, scope)).is_ok();
            there.then(|| DomainPattern { name: name.to_owned(), scope })
        };
        match host {
            Host::Address(address) => {
                let text = host_text(address);
                has(&text, Scope::Host).or_else(|| has(&text, Scope::Tree))
            }
            Host::Name(name) => has(name.as_str(), Scope::Host)
                .or_else(|| name.parents().find_map(|parent| has(parent, Scope::Tree))),
        }
    }
}

/// Prefixes, at each of the hosts and in each view.
fn prefixes(asked: &[UriPrefix], request: &Request<'_>) -> Vec<Fit> {
    let uri = request.uri;
    let mut found = Vec::new();
    for (whose, host, port) in origins(request) {
        let text = host.to_string();
        for own in asked {
            let fit = |view| Fit {
                attribute: "match-uri",
                value: own.to_string(),
                whose: Some(whose),
                view,
                entry: None,
            };
            match uri.path_known() {
                PathKnown::Unknown => {
                    let rest = own.rest().as_bytes();
                    if own.matches(uri.scheme(), &text, port, rest) {
                        found.push(fit(None));
                    }
                }
                PathKnown::Known => {
                    let views = uri.views().zip(uri.view_names());
                    let views = views
                        .filter(|(view, _)| own.matches(uri.scheme(), &text, port, view.rest()));
                    found.extend(views.map(|(_, name)| fit(Some(name))));
                }
            }
            if found.len() >= FITS_MAX {
                return found;
            }
        }
    }
    found
}

/// Addresses, CIDRs, classes and lists that hold this one; `lists` are the runs of lists that were found
/// to.
fn addresses(
    attribute: &'static str,
    asked: &[AddressPattern],
    of: std::net::IpAddr,
    lists: &[crate::matcher::Run],
    rules: &Ruleset,
) -> Vec<Fit> {
    let runs = rules.matcher.runs();
    let holds = |pattern: &&AddressPattern| match pattern {
        AddressPattern::Range(range) => range.holds(of),
        AddressPattern::Class(class) => class.ranges().iter().any(|range| range.holds(of)),
        AddressPattern::List(list) => lists.iter().any(|run| runs.of(*run).contains(&list.0)),
    };
    let fits = asked.iter().filter(holds).take(FITS_MAX).map(|pattern| Fit {
        attribute,
        value: address(pattern, rules),
        whose: None,
        view: None,
        entry: match pattern {
            AddressPattern::List(_) => Some(ListEntry::Holds(of)),
            AddressPattern::Range(_) | AddressPattern::Class(_) => None,
        },
    });
    fits.collect()
}

/// Patterns of a field, in each of its texts.
fn patterns(field: Field, asked: &Conditions, trial: &mut Trial<'_>) -> Vec<Fit> {
    let table = &trial.matcher.tables().regexes;
    let names: Vec<ViewName> = trial.request.uri.view_names().collect();
    let mut found = Vec::new();
    for pattern in field.of(asked) {
        let Some(number) = table.of(field).find(pattern) else { continue };
        // It was scanned for when the attribute was asked; this asks again only where it was not.
        let reading = match trial.request.uri.path_known() {
            PathKnown::Unknown if field == Field::Uri => Reading::Open,
            PathKnown::Unknown | PathKnown::Known => Reading::Whole,
        };
        trial.findings.regexes.fits(table, trial.request, field, reading, &[number]);
        let (views, elsewhere) = trial.findings.regexes.found(field, number);
        let fit = |whose, view| Fit {
            attribute: field.attribute(),
            value: pattern.to_string(),
            whose,
            view,
            entry: None,
        };
        match field {
            Field::Uri => {
                let fitting = views.iter().zip(&names).filter(|(fits, _)| **fits);
                found.extend(fitting.map(|(_, name)| fit(None, Some(*name))));
                found.extend(elsewhere.then(|| fit(Some(Whose::Elsewhere), None)));
            }
            Field::Sni | Field::UserAgent | Field::Referer => {
                found.extend(views.contains(&true).then(|| fit(None, None)));
            }
        }
        if found.len() >= FITS_MAX {
            return found;
        }
    }
    found
}
