//! The attribute that finds a rule, and the rules that each key of a table finds.
//!
//! Of the attributes that a rule has, its anchor is the one whose keys it shares with the fewest other
//! rules. A request meets few keys of a table (the labels of a host, the 33 lengths of a prefix), so the
//! fewer rules a key finds, the fewer candidates there are; regular expressions, which cost a scan, and
//! texts of user agents, of which a header may hold any number, come last.

use std::collections::HashMap;

use super::lookup::{Anchored, Matcher, NamedRuns};
use super::network::NetworkTable;
use super::plan::{Networks, Plan, Sni, Users};
use super::prefix::Path;
use super::runs::{Run, Runs};
use super::scan::Found;
use super::table::{NameTable, Reach};
use super::tables::Tables;
use crate::check::{CheckedRule, DomainPattern, SniPattern};
use crate::regex::Field;

/// The attribute that finds a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// `match-uri`
    Uri,
    /// `match-domain` and `match-domain-list`
    Domains,
    /// `match-destination`
    Destinations,
    /// `match-sni`
    Sni,
    /// `match-source`
    Sources,
    /// `match-user-agent`
    Agents,
    /// `match-uri-regex` and the like
    Regex(Field),
    /// `match-user`
    Users,
    /// `match-port`
    Ports,
    /// `match-method`
    Methods,
}

impl Anchor {
    /// Every one; of two that are as good, the earlier is taken.
    const ALL: [Self; 13] = [
        Self::Uri,
        Self::Domains,
        Self::Destinations,
        Self::Sni,
        Self::Sources,
        Self::Users,
        Self::Ports,
        Self::Methods,
        Self::Regex(Field::Uri),
        Self::Regex(Field::Sni),
        Self::Regex(Field::UserAgent),
        Self::Regex(Field::Referer),
        Self::Agents,
    ];

    /// How many keys of its tables one request may meet, roughly.
    const fn weight(self) -> u64 {
        match self {
            Self::Uri | Self::Domains | Self::Destinations => 1,
            // While the SNI is not known, every rule that it finds may be a candidate.
            Self::Sni => 2,
            Self::Sources | Self::Users | Self::Ports => 4,
            // While the method inside a tunnel is not known, every rule that it finds may be a candidate.
            Self::Methods => 8,
            // The scan of a field costs as much as some tens of candidates.
            Self::Regex(_) => 100,
            Self::Agents => 1000,
        }
    }
}

/// A table with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Space {
    Prefix,
    Set,
    UrlSet,
    /// A group of the names in rules, met by the host.
    Name,
    /// The same, met by the SNI.
    SniName,
    SourceNode,
    SourceList,
    DestinationNode,
    DestinationList,
    Agent,
    Regex(Field),
    User,
    UserList,
    Port,
    Method,
}

/// A number in one of the tables.
type Key = (Space, u32);

/// Rules and the keys that find them.
struct Anchors<'b> {
    tables: &'b Tables,
    plans: &'b [Plan],
    rules: &'b [CheckedRule],
    runs: &'b mut Runs,
    /// The anchor of each rule; none for a rule that every request must see.
    chosen: Vec<Option<Anchor>>,
    /// Sorted.
    pairs: Vec<(Key, u32)>,
}

impl Matcher {
    /// Joins the tables with the rules that they find. Behind the plans of the rules come those of
    /// what they except, which nothing finds.
    pub(crate) fn new(
        tables: Tables,
        plans: Vec<Plan>,
        rules: &[CheckedRule],
        mut runs: Runs,
    ) -> Self {
        let mut anchors = Anchors {
            tables: &tables,
            plans: &plans,
            rules,
            runs: &mut runs,
            chosen: Vec::new(),
            pairs: Vec::new(),
        };
        anchors.choose();
        let by_set = anchors.found(Space::Set, tables.index.sets().len());
        let by_url_set = anchors.found(Space::UrlSet, tables.index.url_sets().len());
        let by_name = anchors.by_name();
        let by_prefix = anchors.found(Space::Prefix, tables.prefixes.len());
        let by_host = anchors.by_host();
        let by_source = anchors.networks(&tables.sources, Space::SourceNode, Space::SourceList);
        let by_destination =
            anchors.networks(&tables.destinations, Space::DestinationNode, Space::DestinationList);
        let by_agent = anchors.found(Space::Agent, tables.agents.len());
        let by_regex = Field::ALL.map(|field| anchors.regexes(field));
        let by_user = Anchored {
            by_node: anchors.found(Space::User, tables.users.len()),
            by_list: anchors.found(Space::UserList, tables.set_of_list.len()),
        };
        let by_port = anchors.found(Space::Port, tables.ports.len());
        let by_method = anchors.found(Space::Method, tables.methods.len());
        let any_method = anchors.anchored(Some(Anchor::Methods));
        let any_sni = anchors.anchored(Some(Anchor::Sni));
        let any_agent = anchors.anchored(Some(Anchor::Agents));
        let always = anchors.anchored(None);
        Self {
            runs,
            plans,
            tables,
            by_set,
            by_url_set,
            by_name,
            by_prefix,
            by_host,
            by_source,
            by_destination,
            by_agent,
            by_regex,
            by_user,
            by_port,
            by_method,
            any_method,
            any_sni,
            any_agent,
            always,
        }
    }
}

impl Anchors<'_> {
    fn choose(&mut self) {
        let mut keys = Vec::new();
        let mut uses: HashMap<Key, u64> = HashMap::new();
        for rule in 0..self.rules.len() {
            for anchor in Anchor::ALL.into_iter().filter(|anchor| self.has(rule, *anchor)) {
                self.keys(rule, anchor, &mut keys);
                keys.drain(..).for_each(|key| *uses.entry(key).or_default() += 1);
            }
        }
        for rule in 0..self.rules.len() {
            let of_rule = Anchor::ALL.into_iter().filter(|anchor| self.has(rule, *anchor));
            let best = of_rule.min_by_key(|anchor| {
                keys.clear();
                self.keys(rule, *anchor, &mut keys);
                let shared = keys.iter().filter_map(|key| uses.get(key)).max();
                shared.copied().unwrap_or(0) * anchor.weight()
            });
            if let Some(anchor) = best {
                keys.clear();
                self.keys(rule, anchor, &mut keys);
                self.pairs.extend(keys.drain(..).map(|key| (key, number(rule))));
            }
            self.chosen.push(best);
        }
        self.pairs.sort_unstable();
    }

    /// Whether a rule has an attribute of this kind.
    fn has(&self, rule: usize, anchor: Anchor) -> bool {
        self.plans.get(rule).is_some_and(|plan| match anchor {
            Anchor::Uri => plan.uri.is_some(),
            Anchor::Domains => plan.domains.is_some(),
            Anchor::Destinations => plan.destinations.is_some(),
            // No table finds a rule that takes any SNI.
            Anchor::Sni => plan.sni == Sni::Named,
            Anchor::Sources => plan.sources.is_some(),
            Anchor::Agents => plan.agents.is_some(),
            Anchor::Regex(field) => plan.regex(field).is_some(),
            Anchor::Users => plan.rest.as_ref().is_some_and(|rest| rest.users.is_some()),
            Anchor::Ports => plan.rest.as_ref().is_some_and(|rest| rest.ports.is_some()),
            Anchor::Methods => plan.rest.as_ref().is_some_and(|rest| rest.methods.is_some()),
        })
    }

    /// The keys that a rule has in the tables of one kind.
    fn keys(&self, rule: usize, anchor: Anchor, keys: &mut Vec<Key>) {
        let (Some(plan), Some(rule)) = (self.plans.get(rule), self.rules.get(rule)) else { return };
        let mut add = |space: Space, run: Option<Run>| {
            let numbers = run.map(|run| self.runs.of(run)).unwrap_or_default();
            keys.extend(numbers.iter().map(|number| (space, *number)));
        };
        let rest = plan.rest.as_deref();
        let nodes = |networks: Option<Networks>| networks.map(|networks| networks.nodes);
        let lists = |networks: Option<Networks>| networks.map(|networks| networks.lists);
        match anchor {
            Anchor::Uri => add(Space::Prefix, plan.uri),
            Anchor::Domains => {
                add(Space::Set, plan.domains);
                add(Space::UrlSet, Some(plan.listed.urls));
                add(Space::Regex(Field::Uri), Some(plan.listed.expressions));
                keys.extend(self.groups(rule.conditions.domains.iter(), Space::Name));
            }
            Anchor::Destinations => {
                add(Space::DestinationNode, nodes(plan.destinations));
                add(Space::DestinationList, lists(plan.destinations));
            }
            Anchor::Sni => {
                let names = rule.conditions.sni.iter().filter_map(SniPattern::name);
                keys.extend(self.groups(names, Space::SniName));
            }
            Anchor::Sources => {
                add(Space::SourceNode, nodes(plan.sources));
                add(Space::SourceList, lists(plan.sources));
            }
            Anchor::Agents => add(Space::Agent, plan.agents),
            Anchor::Regex(field) => add(Space::Regex(field), plan.regex(field)),
            Anchor::Users => {
                let users: Option<Users> = rest.and_then(|rest| rest.users);
                add(Space::User, users.map(|users| users.names));
                add(Space::UserList, users.map(|users| users.lists));
            }
            Anchor::Ports => add(Space::Port, rest.and_then(|rest| rest.ports)),
            Anchor::Methods => add(Space::Method, rest.and_then(|rest| rest.methods)),
        }
    }

    /// The groups of names in rules.
    fn groups<'n, N: Iterator<Item = &'n DomainPattern>>(
        &self,
        names: N,
        space: Space,
    ) -> impl Iterator<Item = Key> {
        let named = &self.tables.named;
        names.filter_map(move |name| Some((space, named.group(&name.name)?)))
    }

    /// The rules that have this anchor.
    fn anchored(&mut self, anchor: Option<Anchor>) -> Run {
        let chosen = self.chosen.iter().zip(0..);
        let rules = chosen.filter(|(chosen, _)| **chosen == anchor).map(|(_, rule)| rule);
        self.runs.add(rules.collect())
    }

    /// For each key of a table, the rules that it finds; nothing where it finds none at all.
    fn found(&mut self, space: Space, count: usize) -> Vec<Run> {
        let from = self.pairs.partition_point(|((other, _), _)| *other < space);
        let to = self.pairs.partition_point(|((other, _), _)| *other <= space);
        let pairs = self.pairs.get(from..to).unwrap_or_default();
        if pairs.is_empty() {
            return Vec::new();
        }
        let mut found = vec![Run::default(); count];
        for of_key in pairs.chunk_by(|(one, _), (other, _)| one == other) {
            let key = of_key.first().map(|((_, key), _)| *key as usize);
            if let Some(run) = key.and_then(|key| found.get_mut(key)) {
                *run = self.runs.add(of_key.iter().map(|(_, rule)| *rule).collect());
            }
        }
        found
    }

    fn networks(&mut self, table: &NetworkTable, node: Space, list: Space) -> Anchored {
        let by_node = self.found(node, table.len());
        let by_list = self.found(list, self.tables.set_of_list.len());
        Anchored { by_node, by_list }
    }

    /// What the patterns of a field find.
    fn regexes(&mut self, field: Field) -> Found {
        let count = self.tables.regexes.of(field).patterns().len();
        let by_pattern = self.found(Space::Regex(field), count);
        // Rules that are found by their lists may be so by an expression of one.
        let is_listed = |rule: usize, anchor: Option<Anchor>| {
            let plan = self.plans.get(rule).filter(|_| field == Field::Uri);
            anchor == Some(Anchor::Domains)
                && plan.is_some_and(|plan| !plan.listed.expressions.is_empty())
        };
        let chosen = self.chosen.iter().enumerate();
        let rules = chosen.filter(|(rule, anchor)| {
            **anchor == Some(Anchor::Regex(field)) || is_listed(*rule, **anchor)
        });
        let rules = rules.map(|(rule, _)| number(rule)).collect();
        Found { by_pattern, any: self.runs.add(rules) }
    }

    /// What each group of names in rules finds.
    fn by_name(&mut self) -> Vec<NamedRuns> {
        let named: &NameTable = &self.tables.named;
        let count = number(self.plans.len());
        let mut found = Vec::with_capacity(named.groups());
        for group in 0..number(named.groups()) {
            let items = named.items(group);
            let mut rules = |anchor: Anchor, offset: u32, reach: Reach| {
                let items = items.iter().filter(|item| item.holds(reach));
                let own = items.filter_map(|item| item.set().checked_sub(offset));
                let of_anchor = |rule: &u32| {
                    self.chosen.get(*rule as usize).is_some_and(|own| *own == Some(anchor))
                };
                self.runs.add(own.take_while(|rule| *rule < count).filter(of_anchor).collect())
            };
            let domains = |rules: &mut dyn FnMut(Anchor, u32, Reach) -> Run, reach| {
                (rules(Anchor::Domains, 0, reach), rules(Anchor::Sni, count, reach))
            };
            let (host, host_sni) = domains(&mut rules, Reach::Host);
            let (parent, parent_sni) = domains(&mut rules, Reach::Parent);
            let last = items.last().and_then(|item| item.set().checked_sub(2 * count));
            found.push(NamedRuns {
                domains: (host, parent),
                sni: (host_sni, parent_sni),
                prefix_host: last,
            });
        }
        found
    }

    /// For each host of prefixes, the rules that need no path to hold and those that do.
    fn by_host(&mut self) -> Vec<(Run, Run)> {
        let prefixes = &self.tables.prefixes;
        let from = self.pairs.partition_point(|((space, _), _)| *space < Space::Prefix);
        let to = self.pairs.partition_point(|((space, _), _)| *space <= Space::Prefix);
        let mut rules = vec![(Vec::new(), Vec::new()); prefixes.hosts().count()];
        for ((_, prefix), rule) in self.pairs.get(from..to).unwrap_or_default() {
            let host = rules.get_mut(prefixes.host_of(*prefix) as usize);
            let Some((whole, open)) = host else { continue };
            match prefixes.path(*prefix) {
                Path::Any => whole.push(*rule),
                Path::Named => open.push(*rule),
            }
        }
        let runs = &mut *self.runs;
        rules.into_iter().map(|(whole, open)| (runs.add(whole), runs.add(open))).collect()
    }
}

/// A place as a number; `build` bounds the rules far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
