//! `CompiledPolicy` to `Ruleset`: fills the tables of the matcher and picks, for each rule, the
//! attribute that finds it.
//!
//! A rule is found by the attribute that it shares with the fewest other rules, so that ten thousand
//! rules over one list with different clients are found by their clients, and ten thousand rules with
//! different hosts by their hosts. Its other attributes are looked at only once it is found.

use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{
    AddressPattern, CheckedRule, Conditions, DomainPattern, ListIndex, ListKind, Scope, SniPattern,
};
use crate::compile::CompiledPolicy;
use crate::digest::Digest;
use crate::lists::AddressList;
use crate::matcher::{
    AgentTable, Cidr, DomainIndex, Entry, FieldTable, Item, Listed, Matcher, NameTable,
    NetworkTable, Networks, Plan, PrefixTable, RegexTable, Run, Runs, Sni, Tables, cidrs, class,
};
use crate::regex::{Field, RegexPattern, Shard, ShardPlan};
use crate::ruleset::Ruleset;

/// The most rules of a ruleset: names of rules are told apart by 31 bits, of which rules take three
/// parts.
const RULES_MAX: usize = 1 << 28;

/// What lies beside the store and is needed to build a ruleset.
#[derive(Debug)]
pub struct Loaded {
    /// The index over at least [`CompiledPolicy::domain_sets`].
    pub index: Arc<DomainIndex>,
    /// The sets of all lists of addresses.
    pub addresses: Vec<(Digest, AddressList)>,
    /// The shards of [`CompiledPolicy::shards`], in any order; more may be there.
    pub regexes: Vec<Arc<Shard>>,
}

/// Why no ruleset can be built. Each means that what lies in the store, or beside it, does not fit
/// together; the policy files may be whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildFault {
    /// A rule names a list that the policy does not have, or one of another kind.
    #[error("rule `{rule}` names list number {index}, which is not in the policy's table of lists")]
    NoSuchList {
        /// The rule's name.
        rule: String,
        /// The position in the table of lists.
        index: u32,
    },
    /// The index or the loaded sets lack the set of a list.
    #[error("the set {set} of list `{path}` was not loaded")]
    NoSuchSet {
        /// The list's path.
        path: String,
        /// The digest of its set.
        set: Digest,
    },
    /// The ids of rules do not rise.
    #[error("the id of rule `{rule}` is not above that of the rule before it")]
    Order {
        /// The rule's name.
        rule: String,
    },
    /// There are more rules than numbers.
    #[error("{rules} rules, and {RULES_MAX} at most")]
    TooManyRules {
        /// How many there are.
        rules: usize,
    },
    /// The texts of all user agents together are too large for one automaton.
    #[error("the texts of `match-user-agent` are too many or too long together")]
    Agents,
    /// The patterns of a shard were not compiled.
    #[error("the {patterns} patterns of `{attribute}` from `{first}` on were not compiled")]
    NoSuchShard {
        /// Which attribute has them.
        attribute: &'static str,
        /// The first of them.
        first: String,
        /// How many there are.
        patterns: usize,
    },
}

/// Builds the ruleset that `policy` describes.
///
/// # Errors
///
/// [`BuildFault`], where policy and sets do not fit together.
pub fn build(policy: &CompiledPolicy, loaded: Loaded) -> Result<Ruleset, BuildFault> {
    let rules = policy.rules.as_slice();
    if rules.len() > RULES_MAX {
        return Err(BuildFault::TooManyRules { rules: rules.len() });
    }
    if let Some((_, rule)) = rules.iter().zip(rules.iter().skip(1)).find(|(a, b)| a.id >= b.id) {
        return Err(BuildFault::Order { rule: rule.name.clone() });
    }
    let Loaded { index, addresses, regexes } = loaded;
    let regexes = RegexTable::new(shards(policy, &regexes)?, policy.lowered());
    let builder = Builder::new(policy, &index, &addresses)?;
    let mut runs = Runs::default();
    let tables = builder.tables(Arc::clone(&index), regexes, &mut runs)?;
    let mut plans = Vec::with_capacity(rules.len());
    for rule in rules {
        plans.push(builder.plan(rule, &tables, &mut runs)?);
    }
    let matcher = Matcher::new(tables, plans, rules, runs);
    let mut by_name: Vec<u32> = (0..number(rules.len())).collect();
    by_name.sort_unstable_by_key(|place| rules.get(*place as usize).map(|rule| &rule.name));
    Ok(Ruleset {
        digest: policy.digest(),
        rules: rules.to_vec(),
        by_name,
        default_action: policy.default_action,
        lists: policy.lists.clone(),
        matcher,
    })
}

/// The compiled shards of a policy, in the order of their plans.
fn shards(policy: &CompiledPolicy, loaded: &[Arc<Shard>]) -> Result<Vec<Arc<Shard>>, BuildFault> {
    let loaded: HashMap<&ShardPlan, &Arc<Shard>> =
        loaded.iter().map(|shard| (shard.plan(), shard)).collect();
    let find = |plan: ShardPlan| {
        loaded.get(&plan).map(|shard| Arc::clone(shard)).ok_or_else(|| BuildFault::NoSuchShard {
            attribute: plan.field().attribute(),
            first: plan.patterns().first().map(ToString::to_string).unwrap_or_default(),
            patterns: plan.patterns().len(),
        })
    };
    policy.shards().into_iter().map(find).collect()
}

/// A policy, and where its lists are.
struct Builder<'p> {
    policy: &'p CompiledPolicy,
    /// By list: the number of its set in the index, where it has names.
    set_of_list: Vec<Option<u32>>,
    /// By list: the number of its set of URLs in the index, where it has such.
    urls_of_list: Vec<Option<u32>>,
    /// By list: its ranges, where it has addresses.
    addresses: Vec<Option<&'p AddressList>>,
}

impl<'p> Builder<'p> {
    fn new(
        policy: &'p CompiledPolicy,
        index: &DomainIndex,
        addresses: &'p [(Digest, AddressList)],
    ) -> Result<Self, BuildFault> {
        let numbers: HashMap<Digest, u32> = index.sets().iter().copied().zip(0..).collect();
        let ranges: HashMap<Digest, &AddressList> =
            addresses.iter().map(|(set, list)| (*set, list)).collect();
        let url_numbers: HashMap<Digest, u32> = index.url_sets().iter().copied().zip(0..).collect();
        let (set_of_list, urls_of_list, addresses) = (Vec::new(), Vec::new(), Vec::new());
        let mut builder = Self { policy, set_of_list, urls_of_list, addresses };
        for list in &policy.lists {
            let missing = || BuildFault::NoSuchSet { path: list.path.clone(), set: list.set };
            let (mut set, mut urls, mut addresses) = (None, None, None);
            match list.kind {
                ListKind::Domains => set = Some(*numbers.get(&list.set).ok_or_else(missing)?),
                ListKind::Urls => urls = Some(*url_numbers.get(&list.set).ok_or_else(missing)?),
                ListKind::Addresses => {
                    addresses = Some(*ranges.get(&list.set).ok_or_else(missing)?);
                }
                // The rules have them.
                ListKind::Expressions => {}
            }
            builder.set_of_list.push(set);
            builder.urls_of_list.push(urls);
            builder.addresses.push(addresses);
        }
        Ok(builder)
    }

    fn tables(
        &self,
        index: Arc<DomainIndex>,
        regexes: RegexTable,
        runs: &mut Runs,
    ) -> Result<Tables, BuildFault> {
        let asked = self.policy.rules.iter().map(|rule| &rule.conditions);
        let prefixes = asked.clone().flat_map(|asked| &asked.uri).collect();
        let prefixes = PrefixTable::new(prefixes);
        let agents = asked.flat_map(|asked| &asked.user_agents).map(String::as_str).collect();
        let agents = AgentTable::new(agents).map_err(|_| BuildFault::Agents)?;
        Ok(Tables {
            named: self.named(index.table().seed(), &prefixes),
            index,
            set_of_list: self.set_of_list.clone(),
            urls_of_list: self.urls_of_list.clone(),
            sources: self.networks(|asked| &asked.sources, runs),
            destinations: self.networks(|asked| &asked.destinations, runs),
            prefixes,
            agents,
            regexes,
        })
    }

    /// The names in rules: the set of a rule's `match-domain` is the rule's number, that of its
    /// `match-sni` as many further as there are rules, and the hosts of prefixes come behind.
    fn named(&self, seed: u64, prefixes: &PrefixTable) -> NameTable {
        let count = number(self.policy.rules.len());
        let mut entries = Vec::new();
        let mut add = |pattern: &'p DomainPattern, set: u32| {
            entries.extend(Entry::new(&pattern.name, Item::new(set, pattern.scope), seed));
        };
        for (rule, set) in self.policy.rules.iter().zip(0..) {
            rule.conditions.domains.iter().for_each(|pattern| add(pattern, set));
            let sni = rule.conditions.sni.iter().filter_map(SniPattern::name);
            sni.for_each(|pattern| add(pattern, count + set));
        }
        let mut entries: Vec<Entry<'_>> = entries;
        let hosts = prefixes.hosts().zip(2 * count..);
        entries.extend(
            hosts.filter_map(|(host, set)| Entry::new(host, Item::new(set, Scope::Host), seed)),
        );
        NameTable::new(entries, seed)
    }

    /// The table of what all rules say of one kind of address; each list goes in once.
    fn networks(
        &self,
        kind: fn(&Conditions) -> &[AddressPattern],
        runs: &mut Runs,
    ) -> NetworkTable {
        let mut found = Vec::new();
        let mut all: Vec<(Cidr, Option<u32>)> = Vec::new();
        let mut lists = Vec::new();
        for pattern in self.policy.rules.iter().flat_map(|rule| kind(&rule.conditions)) {
            match pattern {
                AddressPattern::Range(range) => cidrs(*range, &mut found),
                AddressPattern::Class(of) => class(*of, &mut found),
                AddressPattern::List(ListIndex(list)) => lists.push(*list),
            }
        }
        all.extend(found.drain(..).map(|cidr| (cidr, None)));
        lists.sort_unstable();
        lists.dedup();
        for list in lists {
            let ranges = self.addresses.get(list as usize).copied().flatten();
            ranges
                .iter()
                .flat_map(|ranges| ranges.iter())
                .for_each(|range| cidrs(range, &mut found));
            all.extend(found.drain(..).map(|cidr| (cidr, Some(list))));
        }
        NetworkTable::new(all, runs)
    }

    fn plan(
        &self,
        rule: &CheckedRule,
        tables: &Tables,
        runs: &mut Runs,
    ) -> Result<Plan, BuildFault> {
        let asked = &rule.conditions;
        let absent =
            |list: &ListIndex| BuildFault::NoSuchList { rule: rule.name.clone(), index: list.0 };
        let (mut sets, mut urls) = (Vec::new(), Vec::new());
        for list in &asked.domain_lists {
            let of = |numbers: &[Option<u32>]| numbers.get(list.0 as usize).copied().flatten();
            match (of(&self.set_of_list), of(&self.urls_of_list)) {
                (Some(set), _) => sets.push(set),
                (None, Some(set)) => urls.push(set),
                (None, None) => return Err(absent(list)),
            }
        }
        let expressions = asked
            .list_expressions
            .iter()
            .filter_map(|expression| tables.regexes.of(Field::Uri).find(&expression.pattern));
        let listed = Listed { urls: runs.add(urls), expressions: runs.add(expressions.collect()) };
        let has_domains = !asked.domains.is_empty()
            || !asked.domain_lists.is_empty()
            || !asked.list_expressions.is_empty();
        let mut networks = |patterns: &[AddressPattern], table: &NetworkTable| {
            let (mut found, mut lists) = (Vec::new(), Vec::new());
            for pattern in patterns {
                match pattern {
                    AddressPattern::Range(range) => cidrs(*range, &mut found),
                    AddressPattern::Class(of) => class(*of, &mut found),
                    AddressPattern::List(list) => {
                        let known = self.addresses.get(list.0 as usize).copied().flatten();
                        known.ok_or_else(|| absent(list))?;
                        lists.push(list.0);
                    }
                }
            }
            let nodes = found.iter().filter_map(|cidr| table.find(*cidr)).collect();
            let networks = Networks { nodes: runs.add(nodes), lists: runs.add(lists) };
            Ok((!patterns.is_empty()).then_some(networks))
        };
        let sources = networks(&asked.sources, &tables.sources)?;
        let destinations = networks(&asked.destinations, &tables.destinations)?;
        let uri = asked.uri.iter().filter_map(|prefix| tables.prefixes.find(prefix)).collect();
        let agents = asked.user_agents.iter();
        let agents = agents.filter_map(|text| tables.agents.find(text)).collect();
        Ok(Plan {
            action: rule.action,
            tls: rule.tls,
            application: asked.application,
            uri: (!asked.uri.is_empty()).then(|| runs.add(uri)),
            domains: has_domains.then(|| runs.add(sets)),
            listed,
            sni: sni(&asked.sni),
            sources,
            destinations,
            anomalies: asked.anomalies.as_slice().into(),
            agents: (!asked.user_agents.is_empty()).then(|| runs.add(agents)),
            regexes: Field::ALL
                .map(|field| regexes(field.of(asked), tables.regexes.of(field), runs)),
        })
    }
}

/// The patterns that a rule asks for, by their numbers.
fn regexes(asked: &[RegexPattern], table: &FieldTable, runs: &mut Runs) -> Option<Run> {
    let numbers = asked.iter().filter_map(|pattern| table.find(pattern)).collect();
    (!asked.is_empty()).then(|| runs.add(numbers))
}

/// What a rule asks of the SNI; one `*` is more than all names beside it.
fn sni(asked: &[SniPattern]) -> Sni {
    if asked.is_empty() {
        Sni::NotAsked
    } else if asked.contains(&SniPattern::Any) {
        Sni::Any
    } else {
        Sni::Named
    }
}

/// A place as a number; [`build`] bounds the rules far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
