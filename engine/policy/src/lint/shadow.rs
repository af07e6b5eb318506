//! Rules that never decide, since an earlier one holds for all that they hold for.
//!
//! A rule that is at least as wide as another shares a value with it, or has a wider one: for one witness
//! of the narrower rule, such as its first domain, it must name that, a parent, or a list that holds it. So
//! each rule is found by the values of that kind which it shares with the fewest others, and only rules
//! that a witness finds are compared.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::covers::{Compare, Wider, covers_application};
use super::names::parents;
use crate::check::{
    AddressPattern, AddressRange, Anomaly, Application, Conditions, ListIndex, SniPattern,
    UserPattern,
};
use crate::matcher::{AgentHits, AgentTable};
use crate::regex::Field;

/// How many earlier rules one rule is compared with; with ten thousand rules that all share their values
/// this is seconds.
pub(super) const CANDIDATES_MAX: usize = 1_000;

/// Values of one kind by which a rule is found; one with more is found by what else it asks for, or not.
const KEYS_MAX: usize = 100_000;

/// What a rule is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'p> {
    /// The host of a prefix.
    Host(&'p str),
    /// A domain.
    Name(&'p str),
    /// A list of names; of lists that are the same the first.
    List(ListIndex),
    /// A server name.
    Sni(&'p str),
    /// Any server name.
    AnySni,
    /// Addresses of clients.
    Source(IpNet),
    /// A list of them.
    SourceList(ListIndex),
    /// Addresses of hosts.
    Destination(IpNet),
    /// A list of them.
    DestinationList(ListIndex),
    /// A text of a user agent, by its number.
    Agent(u32),
    /// A pattern.
    Regex(Field, &'p str),
    /// An anomaly.
    Anomaly(Anomaly),
    /// A user.
    User(&'p str),
    /// A list of users; of lists that are the same the first.
    UserList(ListIndex),
    /// A protocol.
    Application(Application),
    /// Nothing: it holds for everything.
    Everything,
}

/// How addresses of one side become keys: a network, and a list.
type AddressKeys<'p> = (fn(IpNet) -> Key<'p>, fn(ListIndex) -> Key<'p>);

/// Rules by what finds them.
pub(super) struct Finder<'a, 'p> {
    compare: &'a Compare<'a, 'p>,
    agents: AgentTable,
    by_key: HashMap<Key<'p>, Vec<u32>>,
}

/// A rule that an earlier one leaves nothing to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shadow {
    /// The place of the rule.
    pub(super) rule: usize,
    /// The place of the earlier one.
    pub(super) by: usize,
    /// For which requests.
    pub(super) wider: Wider,
}

/// What came of looking for them.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    pub(super) found: Vec<Shadow>,
    /// Rules that were not compared with all that might be wider.
    pub(super) unfinished: usize,
}

impl<'a, 'p> Finder<'a, 'p> {
    pub(super) fn new(compare: &'a Compare<'a, 'p>) -> Self {
        let rules = &compare.input.policy.rules;
        let texts = rules.iter().flat_map(|rule| &rule.conditions.user_agents);
        // Too many texts for an automaton is a fault of the policy; then such rules are not found.
        let agents = AgentTable::new(texts.map(String::as_str).collect()).unwrap_or_default();
        let mut finder = Self { compare, agents, by_key: HashMap::new() };
        let mut uses: HashMap<Key<'p>, u32> = HashMap::new();
        for rule in rules {
            for keys in finder.kinds(&rule.conditions) {
                for key in keys {
                    let count = uses.entry(key).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        for (rule, number) in rules.iter().zip(0_u32..) {
            let kinds = finder.kinds(&rule.conditions);
            let shared =
                |keys: &Vec<Key<'p>>| keys.iter().filter_map(|key| uses.get(key)).max().copied();
            let best = kinds.into_iter().min_by_key(shared);
            for key in best.unwrap_or_else(|| vec![Key::Everything]) {
                let rules = finder.by_key.entry(key).or_default();
                if rules.last() != Some(&number) {
                    rules.push(number);
                }
            }
        }
        finder
    }

    /// Every rule that an earlier one leaves nothing to.
    pub(super) fn shadows(&self) -> Shadows {
        let mut shadows = Shadows::default();
        let rules = &self.compare.input.policy.rules;
        for (at, rule) in rules.iter().enumerate() {
            let mut candidates = self.candidates(at, &rule.conditions);
            if candidates.len() > CANDIDATES_MAX {
                candidates.truncate(CANDIDATES_MAX);
                shadows.unfinished = shadows.unfinished.saturating_add(1);
            }
            let mut once = None;
            for candidate in candidates {
                let by = candidate as usize;
                match self.compare.wider(by, at) {
                    wider @ Wider::Always => {
                        once = Some(Shadow { rule: at, by, wider });
                        break;
                    }
                    wider @ Wider::OneReading => {
                        once.get_or_insert(Shadow { rule: at, by, wider });
                    }
                    Wider::No => {}
                }
            }
            shadows.found.extend(once);
        }
        shadows
    }

    /// The earlier rules that a witness finds, the lowest first.
    fn candidates(&self, at: usize, asked: &'p Conditions) -> Vec<u32> {
        let mut found = Vec::new();
        for key in self.witness(asked) {
            let Some(rules) = self.by_key.get(&key) else { continue };
            let earlier = rules.iter().take_while(|rule| (**rule as usize) < at);
            found.extend(earlier.take(CANDIDATES_MAX.saturating_add(1)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The keys of each kind that a rule asks for.
    fn kinds(&self, asked: &'p Conditions) -> Vec<Vec<Key<'p>>> {
        let mut kinds: Vec<Vec<Key<'p>>> = Vec::new();
        let overlap = self.compare.overlap;
        kinds.push(asked.uri.iter().map(|own| Key::Host(own.host())).collect());
        let names = asked.domains.iter().map(|own| Key::Name(&own.name));
        let lists = asked.domain_lists.iter().map(|list| Key::List(overlap.same_as(*list)));
        // Expressions alone find nothing: another rule may have them from another list.
        if asked.list_expressions.is_empty() {
            kinds.push(names.chain(lists).collect());
        }
        let users = asked.users.iter().map(|own| match own {
            UserPattern::Name(name) => Key::User(name),
            UserPattern::List(list) => Key::UserList(overlap.same_as(*list)),
        });
        kinds.push(users.collect());
        kinds.push(asked.sni.iter().map(sni_key).collect());
        kinds.push(self.networks(&asked.sources, (Key::Source, Key::SourceList)));
        kinds.push(self.networks(&asked.destinations, (Key::Destination, Key::DestinationList)));
        let agents = asked.user_agents.iter().filter_map(|text| self.agents.find(text));
        kinds.push(agents.map(Key::Agent).collect());
        kinds.push(asked.anomalies.iter().map(|own| Key::Anomaly(*own)).collect());
        for field in Field::ALL {
            let patterns = field.of(asked).iter();
            kinds.push(patterns.map(|own| Key::Regex(field, own.as_str())).collect());
        }
        if asked.application != Application::Any {
            kinds.push(vec![Key::Application(asked.application)]);
        }
        kinds.retain(|keys| !keys.is_empty() && keys.len() <= KEYS_MAX);
        kinds
    }

    fn networks(&self, asked: &[AddressPattern], (key, list): AddressKeys<'p>) -> Vec<Key<'p>> {
        let mut keys = Vec::new();
        for pattern in asked {
            match pattern {
                AddressPattern::Range(range) => keys.extend(networks(range).map(key)),
                AddressPattern::Class(class) => {
                    keys.extend(class.ranges().iter().flat_map(networks).map(key));
                }
                AddressPattern::List(own) => keys.push(list(self.compare.overlap.same_as(*own))),
            }
        }
        keys
    }

    /// The keys by which every rule that is at least as wide is found.
    fn witness(&self, asked: &'p Conditions) -> Vec<Key<'p>> {
        let mut keys = vec![Key::Everything];
        if let Some(prefix) = asked.uri.first() {
            keys.push(Key::Host(prefix.host()));
            self.named(prefix.host(), &mut keys);
        }
        match (asked.domains.first(), asked.domain_lists.first()) {
            (Some(own), _) => self.named(&own.name, &mut keys),
            (None, Some(list)) => keys.extend(self.compare.overlap.wider(*list).map(Key::List)),
            (None, None) => {}
        }
        if let Some(own) = asked.sni.first() {
            keys.push(Key::AnySni);
            let name = own.name().map(|own| own.name.as_str());
            keys.extend(name.into_iter().flat_map(parents).map(Key::Sni));
        }
        self.addressed(&asked.sources, (Key::Source, Key::SourceList), &mut keys);
        self.addressed(&asked.destinations, (Key::Destination, Key::DestinationList), &mut keys);
        if let Some(text) = asked.user_agents.first() {
            let mut hits = AgentHits::default();
            hits.fit(self.agents.len());
            self.agents.lookup(text.as_bytes(), &mut hits);
            keys.extend(hits.numbers.iter().copied().map(Key::Agent));
        }
        match asked.users.first() {
            Some(UserPattern::Name(name)) => {
                keys.push(Key::User(name));
                let input = self.compare.input;
                let lists = (0..).map(ListIndex).take(input.lists.len());
                let holding =
                    lists.filter(|own| input.users(*own).is_some_and(|users| users.contains(name)));
                keys.extend(holding.map(|own| Key::UserList(self.compare.overlap.same_as(own))));
            }
            Some(UserPattern::List(list)) => {
                keys.push(Key::UserList(self.compare.overlap.same_as(*list)));
            }
            None => {}
        }
        keys.extend(asked.anomalies.first().copied().map(Key::Anomaly));
        for field in Field::ALL {
            let first = field.of(asked).first();
            keys.extend(first.map(|own| Key::Regex(field, own.as_str())));
        }
        let all = [Application::Http, Application::Https, Application::Ftp, Application::Connect];
        let wider = all.into_iter().filter(|wide| covers_application(*wide, asked.application));
        keys.extend(wider.map(Key::Application));
        keys
    }

    /// What names a name: itself, a parent, or a list that holds one of them.
    fn named(&self, name: &'p str, keys: &mut Vec<Key<'p>>) {
        for name in parents(name) {
            keys.push(Key::Name(name));
            let lists = self.compare.listed.of(name).iter();
            keys.extend(lists.map(|(list, _)| Key::List(self.compare.overlap.same_as(*list))));
        }
    }

    fn addressed(
        &self,
        asked: &[AddressPattern],
        (key, list): AddressKeys<'p>,
        keys: &mut Vec<Key<'p>>,
    ) {
        let input = self.compare.input;
        let witness = asked.iter().find_map(|pattern| match pattern {
            AddressPattern::Range(range) => Some(range.first),
            AddressPattern::Class(class) => class.ranges().first().map(|range| range.first),
            AddressPattern::List(list) => {
                input.addresses(*list).and_then(|list| list.ranges().first()).map(|own| own.first)
            }
        });
        let Some(witness) = witness else { return };
        let bits = if witness.is_ipv4() { 32 } else { 128 };
        let around = (0..=bits).filter_map(|length| IpNet::new(witness, length).ok());
        keys.extend(around.map(|net| key(net.trunc())));
        let lists = (0..).map(ListIndex).take(input.lists.len());
        let alone = AddressRange { first: witness, last: witness };
        let holding =
            lists.filter(|own| input.addresses(*own).is_some_and(|own| own.covers(&alone)));
        keys.extend(holding.map(|own| list(self.compare.overlap.same_as(own))));
    }
}

fn sni_key(pattern: &SniPattern) -> Key<'_> {
    match pattern {
        SniPattern::Any => Key::AnySni,
        SniPattern::Name(own) => Key::Sni(&own.name),
    }
}

/// The networks that a range is made of.
fn networks(range: &AddressRange) -> impl Iterator<Item = IpNet> + use<> {
    let subnets = match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Some(IpSubnets::V4(Ipv4Subnets::new(first, last, 0)))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Some(IpSubnets::V6(Ipv6Subnets::new(first, last, 0)))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    };
    subnets.into_iter().flatten()
}
