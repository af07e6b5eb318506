//! Which values of a rule fit a request, on what, and in which view.

use super::kind::{Kind, address, list_path, user};
use super::seen::{Whose, origins};
use crate::check::{
    AddressPattern, AddressRange, ConditionKind, Conditions, DomainPattern, ListIndex, PortRange,
    Scope, SniPattern, UserPattern, host_text,
};
use crate::client::{Known, Request};
use crate::decide::{Outcome, Trial};
use crate::lists::ListEntry;
use crate::matcher::{Agree, Item, Second, UrlFit, Whose as Looked};
use crate::regex::{Field, Reading, RegexPattern};
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
        Kind::Asked(ConditionKind::Application) => {
            let (scheme, connect) = (request.uri.scheme(), request.uri.is_connect());
            let fits = asked.application.covers(scheme, connect);
            fits.then(|| plain(asked.application.word().to_owned())).into_iter().collect()
        }
        // What they are is no condition; `walk` tells them.
        Kind::Validity | Kind::Exceptions => Vec::new(),
        Kind::Asked(ConditionKind::Windows) => {
            let minute = trial.matcher.minute(trial.now, trial.findings);
            let here = asked.windows.iter().filter(|window| window.covers(minute));
            here.map(|window| plain(window.to_string())).collect()
        }
        Kind::Asked(ConditionKind::Users) => users(asked, rules, trial),
        Kind::Asked(ConditionKind::Ports) => ports(asked, request).map(plain).collect(),
        Kind::Asked(ConditionKind::Methods) => methods(asked, trial).map(plain).collect(),
        Kind::Asked(ConditionKind::Domains) => domains(asked, rules, trial),
        Kind::Asked(ConditionKind::Uri) => prefixes(&asked.uri, request),
        Kind::Asked(ConditionKind::Sni) => {
            let Known::Is(name) = request.sni() else { return Vec::new() };
            let fits = asked.sni.iter().filter_map(|own| match own {
                SniPattern::Any => Some("*".to_owned()),
                SniPattern::Name(own) => own.covers(Host::Name(name)).then(|| own.to_string()),
            });
            fits.take(FITS_MAX).map(plain).collect()
        }
        Kind::Asked(ConditionKind::Destinations) => destinations(asked, rules, trial),
        Kind::Asked(ConditionKind::Sources) => {
            let lists = trial.matcher.sources(request, trial.findings).lists.clone();
            addresses(attribute, &asked.sources, request.client.address, &lists, rules)
        }
        Kind::Asked(ConditionKind::Agents) => {
            let Known::Is(header) = request.user_agent() else { return Vec::new() };
            let header = header.to_ascii_lowercase();
            let holds = |text: &&String| {
                header.windows(text.len().max(1)).any(|part| part == text.as_bytes())
            };
            asked.user_agents.iter().filter(holds).take(FITS_MAX).cloned().map(plain).collect()
        }
        Kind::Asked(ConditionKind::Anomalies) => {
            let here = asked.anomalies.iter().filter(|own| own.of(request) == Outcome::Holds);
            here.map(|own| plain(own.word().to_owned())).collect()
        }
        Kind::Asked(ConditionKind::Regex(field)) => {
            let own = field.of(asked).iter();
            let own = own.map(|own| (own, (attribute, own.to_string(), None)));
            patterns(field, &own.collect::<Vec<_>>(), trial)
        }
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

/// Ranges that hold one of the ports of the request.
fn ports(asked: &Conditions, request: &Request<'_>) -> impl Iterator<Item = String> {
    let holds = move |range: &&PortRange| {
        let mut ports = request.ports();
        ports.any(|port| (range.first..=range.last).contains(&port))
    };
    asked.ports.iter().filter(holds).take(FITS_MAX).map(PortRange::to_string)
}

/// Methods that the request's is: in any spelling for what stops the client.
fn methods(asked: &Conditions, trial: &Trial<'_>) -> impl Iterator<Item = String> {
    let (method, any) = (trial.request.method(), trial.holds_in_any());
    let fits = move |own: &&String| match any {
        true => own.as_bytes().eq_ignore_ascii_case(method),
        false => own.as_bytes() == method,
    };
    asked.methods.iter().filter(fits).take(FITS_MAX).cloned()
}

/// Domains, and lists by their names, URLs and expressions.
fn domains(asked: &Conditions, rules: &Ruleset, trial: &mut Trial<'_>) -> Vec<Fit> {
    let request = trial.request;
    let lists = listed(&asked.domain_lists, rules, request);
    let mut found: Vec<Fit> = named(&asked.domains, request).chain(lists).take(FITS_MAX).collect();
    found.extend(urls(&asked.domain_lists, rules, trial));
    let expressions = asked.list_expressions.iter().map(|own| {
        let value = list_path(rules, own.list).to_owned();
        let entry = ListEntry::Expression(own.pattern.to_string());
        (&own.pattern, ("match-domain-list", value, Some(entry)))
    });
    found.extend(patterns(Field::Uri, &expressions.collect::<Vec<_>>(), trial));
    found
}

/// Addresses that one of the hosts is.
fn destinations(asked: &Conditions, rules: &Ruleset, trial: &mut Trial<'_>) -> Vec<Fit> {
    let hosts = origins(trial.request).into_iter().filter_map(|(whose, host, _)| match whose {
        Whose::Request => Some((whose, host, Looked::Own)),
        Whose::Connect => Some((whose, host, Looked::Connect)),
        Whose::Sni | Whose::Elsewhere => None,
    });
    let mut found = Vec::new();
    for (whose, host, looked) in hosts {
        let Host::Address(of) = host else { continue };
        let holders = trial.matcher.destinations(host, looked, trial.findings);
        let lists = holders.map(|found| found.lists.clone()).unwrap_or_default();
        let fits = addresses("match-destination", &asked.destinations, of, &lists, rules);
        found.extend(fits.into_iter().map(|fit| Fit { whose: Some(whose), ..fit }));
    }
    found
}

/// The names and lists that mean the user.
fn users(asked: &Conditions, rules: &Ruleset, trial: &mut Trial<'_>) -> Vec<Fit> {
    let (Some(name), Some(hit)) =
        (trial.request.client.user, trial.matcher.user(trial.request, trial.findings))
    else {
        return Vec::new();
    };
    let lists = rules.matcher.runs().of(hit.lists);
    let fits = asked.users.iter().filter(|own| match own {
        UserPattern::Name(own) => own.as_bytes() == name,
        UserPattern::List(list) => lists.contains(&list.0),
    });
    let fit = |own: &UserPattern| match own {
        UserPattern::Name(_) => (user(own, rules), None),
        UserPattern::List(list) => {
            let name = String::from_utf8_lossy(name).into_owned();
            (list_path(rules, *list).to_owned(), Some(ListEntry::User(name)))
        }
    };
    let fits = fits.take(FITS_MAX).map(fit).map(|(value, entry)| Fit {
        attribute: "match-user",
        value,
        whose: None,
        view: None,
        entry,
    });
    fits.collect()
}

/// Lists that have the URL, at each of the hosts and in each view.
fn urls(asked: &[ListIndex], rules: &Ruleset, trial: &Trial<'_>) -> Vec<Fit> {
    let (request, tables) = (trial.request, rules.matcher.tables());
    let mut whose = vec![(Whose::Request, request.uri.host().to_string())];
    if let (Second::Other, Known::Is(name)) = (trial.findings.second, request.sni()) {
        whose.push((Whose::Sni, name.as_str().to_owned()));
    }
    whose.extend(request.connect_host().map(|host| (Whose::Connect, host.to_string())));
    let table = tables.index.urls();
    let mut found = Vec::new();
    for list in asked {
        let set = tables.urls_of_list.get(list.0 as usize).copied().flatten();
        let Some(set) = set else { continue };
        for (names, (whose, host)) in trial.findings.names().zip(&whose) {
            if names.urls.fit(table, &[set], Agree::Any) != UrlFit::Listed {
                continue;
            }
            let fit = |view, rest: &[u8]| Fit {
                attribute: "match-domain-list",
                value: list_path(rules, *list).to_owned(),
                whose: Some(*whose),
                view,
                entry: Some(ListEntry::Url {
                    host: host.clone(),
                    rest: String::from_utf8_lossy(rest).into_owned(),
                }),
            };
            match request.uri.path_known() {
                PathKnown::Unknown => found.push(fit(None, b"/")),
                PathKnown::Known => {
                    let views = request.uri.views().zip(request.uri.view_names());
                    let views = views.zip(names.urls.views(table, set));
                    let fitting = views.filter(|(_, fits)| *fits);
                    found.extend(fitting.map(|((view, name), _)| fit(Some(name), view.rest())));
                }
            }
            if found.len() >= FITS_MAX {
                return found;
            }
        }
    }
    found
}

/// A pattern with its attribute, its value and its entry of a list.
type PatternAsked<'a> = (&'a RegexPattern, (&'static str, String, Option<ListEntry>));

/// Patterns of a field, in each of its texts; each with its attribute, value and entry of a list.
fn patterns(field: Field, asked: &[PatternAsked<'_>], trial: &mut Trial<'_>) -> Vec<Fit> {
    let table = &trial.matcher.tables().regexes;
    let names: Vec<ViewName> = trial.request.uri.view_names().collect();
    let mut found = Vec::new();
    for (pattern, (attribute, value, entry)) in asked {
        let Some(number) = table.of(field).find(pattern) else { continue };
        // It was scanned for when the attribute was asked; this asks again only where it was not.
        let reading = match trial.request.uri.path_known() {
            PathKnown::Unknown if field == Field::Uri => Reading::Open,
            PathKnown::Unknown | PathKnown::Known => Reading::Whole,
        };
        trial.findings.regexes.fits(table, trial.request, field, reading, &[number]);
        let (views, elsewhere) = trial.findings.regexes.found(field, number);
        let fit = |whose, view| Fit {
            attribute,
            value: value.clone(),
            whose,
            view,
            entry: entry.clone(),
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
