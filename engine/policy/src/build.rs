//! `CompiledPolicy` to `Ruleset`: fills the tables of the matcher and picks, for each rule, the
//! attribute that finds it.
//!
//! A rule is found by the attribute that it shares with the fewest other rules, so that ten thousand
//! rules over one list with different clients are found by their clients, and ten thousand rules with
//! different hosts by their hosts. Its other attributes are looked at only once it is found.

use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{
    AddressPattern, CheckedRule, Conditions, DomainPattern, ListIndex, ListKind, Mode, Scope,
    SniPattern, UserPattern, Validity,
};
use crate::compile::CompiledPolicy;
use crate::digest::Digest;
use crate::lists::AddressList;
use crate::matcher::{
    AgentTable, Cidr, DomainIndex, Entry, FieldTable, Item, Listed, Matcher, MethodTable,
    NameTable, NetworkTable, Networks, Plan, PortTable, PrefixTable, RegexTable, Rest, Run, Runs,
    Sni, Tables, UserTable, Users, cidrs, class,
};
use crate::regex::{Field, Lowering, RegexPattern, Shard, ShardPlan};
use crate::ruleset::Ruleset;
use crate::users::UserList;
use crate::zone::Zone;

/// The most rules of a ruleset, each with exceptions counted twice: names of rules are told apart by 31
/// bits, of which rules take three parts.
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
    /// The sets of all lists of users.
    pub users: Vec<(Digest, UserList)>,
    /// Where `time-window` is judged.
    pub zone: Zone,
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
    build_with(policy, loaded, Lowering::On)
}

/// The same ruleset with every pattern scanned for, over the shards of
/// [`CompiledPolicy::regexes_unlowered`].
///
/// # Errors
///
/// [`BuildFault`], where policy and sets do not fit together.
#[cfg(any(test, feature = "naive"))]
pub fn build_unlowered(policy: &CompiledPolicy, loaded: Loaded) -> Result<Ruleset, BuildFault> {
    build_with(policy, loaded, Lowering::Off)
}

fn build_with(
    policy: &CompiledPolicy,
    loaded: Loaded,
    lowering: Lowering,
) -> Result<Ruleset, BuildFault> {
    let rules = policy.rules.as_slice();
    let units = units(rules);
    if units.len() > RULES_MAX {
        return Err(BuildFault::TooManyRules { rules: units.len() });
    }
    if let Some((_, rule)) = rules.iter().zip(rules.iter().skip(1)).find(|(a, b)| a.id >= b.id) {
        return Err(BuildFault::Order { rule: rule.name.clone() });
    }
    let digest = digest(policy, &loaded.zone);
    let Loaded { index, addresses, regexes, users, zone } = loaded;
    let plan = policy.regexes_with(lowering);
    let regexes = RegexTable::new(shards(plan.shards, &regexes)?, &plan.lowered);
    let builder = Builder::new(policy, &units, &index, &addresses, &users)?;
    let mut runs = Runs::default();
    let tables = builder.tables(Arc::clone(&index), regexes, zone, &mut runs)?;
    let mut plans = Vec::with_capacity(units.len());
    let mut exceptions = number(rules.len())..;
    for unit in &units {
        let except = match unit.is {
            Is::Rule if unit.rule.except.is_some() => exceptions.next(),
            Is::Rule | Is::Exception => None,
        };
        plans.push(builder.plan(unit, except, &tables, &mut runs)?);
    }
    let matcher = Matcher::new(tables, plans, rules, runs);
    let mut by_name: Vec<u32> = (0..number(rules.len())).collect();
    by_name.sort_unstable_by_key(|place| rules.get(*place as usize).map(|rule| &rule.name));
    Ok(Ruleset {
        digest,
        rules: rules.to_vec(),
        by_name,
        default_action: policy.default_action,
        lists: policy.lists.clone(),
        matcher,
    })
}

/// What is compared with requests as one: what a rule asks for, or all that it excepts.
#[derive(Debug, Clone, Copy)]
struct Unit<'p> {
    rule: &'p CheckedRule,
    asked: &'p Conditions,
    is: Is,
}

/// What of its rule a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Rule,
    Exception,
}

/// All rules, and behind them what those of them except that except anything, in the same order.
fn units(rules: &[CheckedRule]) -> Vec<Unit<'_>> {
    let all = rules.iter().map(|rule| Unit { rule, asked: &rule.conditions, is: Is::Rule });
    let excepted = rules
        .iter()
        .filter_map(|rule| Some(Unit { rule, asked: rule.except.as_deref()?, is: Is::Exception }));
    all.chain(excepted).collect()
}

/// The digest over everything that a verdict depends on: the zone too, where a rule asks the clock.
fn digest(policy: &CompiledPolicy, zone: &Zone) -> Digest {
    match policy.asks_the_clock() {
        false => policy.digest(),
        true => {
            let (policy, zone) = (policy.digest(), zone.digest());
            let parts: [&[u8]; 3] = [b"enforcegate-zoned", policy.as_bytes(), zone.as_bytes()];
            Digest::of_parts(parts)
        }
    }
}

/// The compiled shards of these plans, in their order.
fn shards(plans: Vec<ShardPlan>, loaded: &[Arc<Shard>]) -> Result<Vec<Arc<Shard>>, BuildFault> {
    let loaded: HashMap<&ShardPlan, &Arc<Shard>> =
        loaded.iter().map(|shard| (shard.plan(), shard)).collect();
    let find = |plan: ShardPlan| {
        loaded.get(&plan).map(|shard| Arc::clone(shard)).ok_or_else(|| BuildFault::NoSuchShard {
            attribute: plan.field().attribute(),
            first: plan.patterns().first().map(ToString::to_string).unwrap_or_default(),
            patterns: plan.patterns().len(),
        })
    };
    plans.into_iter().map(find).collect()
}

/// A policy, and where its lists are.
struct Builder<'p> {
    units: &'p [Unit<'p>],
    /// By list: the number of its set in the index, where it has names.
    set_of_list: Vec<Option<u32>>,
    /// By list: the number of its set of URLs in the index, where it has such.
    urls_of_list: Vec<Option<u32>>,
    /// By list: its ranges, where it has addresses.
    addresses: Vec<Option<&'p AddressList>>,
    /// By list: its names, where it has users.
    users: Vec<Option<&'p UserList>>,
}

impl<'p> Builder<'p> {
    fn new(
        policy: &CompiledPolicy,
        units: &'p [Unit<'p>],
        index: &DomainIndex,
        addresses: &'p [(Digest, AddressList)],
        users: &'p [(Digest, UserList)],
    ) -> Result<Self, BuildFault> {
        let numbers: HashMap<Digest, u32> = index.sets().iter().copied().zip(0..).collect();
        let ranges: HashMap<Digest, &AddressList> =
            addresses.iter().map(|(set, list)| (*set, list)).collect();
        let people: HashMap<Digest, &UserList> =
            users.iter().map(|(set, list)| (*set, list)).collect();
        let url_numbers: HashMap<Digest, u32> = index.url_sets().iter().copied().zip(0..).collect();
        let (set_of_list, urls_of_list) = (Vec::new(), Vec::new());
        let (addresses, users) = (Vec::new(), Vec::new());
        let mut builder = Self { units, set_of_list, urls_of_list, addresses, users };
        for list in &policy.lists {
            let missing = || BuildFault::NoSuchSet { path: list.path.clone(), set: list.set };
            let (mut set, mut urls, mut addresses, mut users) = (None, None, None, None);
            match list.kind {
                ListKind::Domains => set = Some(*numbers.get(&list.set).ok_or_else(missing)?),
                ListKind::Urls => urls = Some(*url_numbers.get(&list.set).ok_or_else(missing)?),
                ListKind::Addresses => {
                    addresses = Some(*ranges.get(&list.set).ok_or_else(missing)?);
                }
                ListKind::Users => users = Some(*people.get(&list.set).ok_or_else(missing)?),
                // The rules have them.
                ListKind::Expressions => {}
            }
            builder.set_of_list.push(set);
            builder.urls_of_list.push(urls);
            builder.addresses.push(addresses);
            builder.users.push(users);
        }
        Ok(builder)
    }

    fn tables(
        &self,
        index: Arc<DomainIndex>,
        regexes: RegexTable,
        zone: Zone,
        runs: &mut Runs,
    ) -> Result<Tables, BuildFault> {
        let asked = self.units.iter().map(|unit| unit.asked);
        let prefixes = asked.clone().flat_map(|asked| &asked.uri).collect();
        let prefixes = PrefixTable::new(prefixes);
        let methods = asked.clone().flat_map(|asked| &asked.methods).map(String::as_str);
        let methods = MethodTable::new(methods, runs);
        let ports = PortTable::new(asked.clone().flat_map(|asked| &asked.ports).copied());
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
            users: self.user_table(runs),
            methods,
            ports,
            zone,
        })
    }

    /// The table of all names of users; each list goes in once.
    fn user_table(&self, runs: &mut Runs) -> UserTable {
        let patterns = || self.units.iter().flat_map(|unit| &unit.asked.users);
        let own = patterns().filter_map(|pattern| match pattern {
            UserPattern::Name(name) => Some((name.as_str(), None)),
            UserPattern::List(_) => None,
        });
        let mut lists: Vec<u32> = patterns()
            .filter_map(|pattern| match pattern {
                UserPattern::Name(_) => None,
                UserPattern::List(ListIndex(list)) => Some(*list),
            })
            .collect();
        lists.sort_unstable();
        lists.dedup();
        let listed = lists.into_iter().flat_map(|list| {
            let users = self.users.get(list as usize).copied().flatten();
            users.into_iter().flat_map(UserList::iter).map(move |name| (name, Some(list)))
        });
        UserTable::new(own.chain(listed), runs)
    }

    /// The names in rules: the set of a unit's `match-domain` is the unit's number, that of its
    /// `match-sni` as many further as there are units, and the hosts of prefixes come behind.
    fn named(&self, seed: u64, prefixes: &PrefixTable) -> NameTable {
        let count = number(self.units.len());
        let mut entries = Vec::new();
        let mut add = |pattern: &'p DomainPattern, set: u32| {
            entries.extend(Entry::new(&pattern.name, Item::new(set, pattern.scope), seed));
        };
        for (unit, set) in self.units.iter().zip(0..) {
            unit.asked.domains.iter().for_each(|pattern| add(pattern, set));
            let sni = unit.asked.sni.iter().filter_map(SniPattern::name);
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
        for pattern in self.units.iter().flat_map(|unit| kind(unit.asked)) {
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
        unit: &Unit<'_>,
        except: Option<u32>,
        tables: &Tables,
        runs: &mut Runs,
    ) -> Result<Plan, BuildFault> {
        let Unit { rule, asked, .. } = *unit;
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
        let rest = self.rest(unit, except, tables, runs)?;
        let uri = asked.uri.iter().filter_map(|prefix| tables.prefixes.find(prefix)).collect();
        let agents = asked.user_agents.iter();
        let agents = agents.filter_map(|text| tables.agents.find(text)).collect();
        Ok(Plan {
            action: rule.action,
            tls: rule.tls.filter(|_| rule.mode == Mode::Enforce),
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
            rest,
        })
    }

    /// What few rules ask; `None` for the others.
    fn rest(
        &self,
        unit: &Unit<'_>,
        except: Option<u32>,
        tables: &Tables,
        runs: &mut Runs,
    ) -> Result<Option<Box<Rest>>, BuildFault> {
        let Unit { rule, asked, is } = *unit;
        let (mut names, mut lists) = (Vec::new(), Vec::new());
        for pattern in &asked.users {
            match pattern {
                UserPattern::Name(name) => {
                    names.extend(tables.users.find(name.as_bytes()).map(|hit| hit.number));
                }
                UserPattern::List(list) => {
                    let known = self.users.get(list.0 as usize).copied().flatten();
                    let absent =
                        || BuildFault::NoSuchList { rule: rule.name.clone(), index: list.0 };
                    known.ok_or_else(absent)?;
                    lists.push(list.0);
                }
            }
        }
        let users = Users { names: runs.add(names), lists: runs.add(lists) };
        let methods = asked.methods.iter().filter_map(|text| tables.methods.find(text)).collect();
        let methods = runs.add(methods);
        let ports = asked.ports.iter().flat_map(|range| tables.ports.find(*range)).collect();
        let ports = runs.add(ports);
        let (validity, mode) = match is {
            Is::Rule => (rule.validity, rule.mode),
            Is::Exception => (Validity::ALWAYS, Mode::Enforce),
        };
        let rest = Rest {
            users: (!asked.users.is_empty()).then_some(users),
            methods: (!asked.methods.is_empty()).then_some(methods),
            ports: (!asked.ports.is_empty()).then_some(ports),
            windows: asked.windows.as_slice().into(),
            validity,
            mode,
            except,
        };
        Ok((rest != Rest::default()).then(|| Box::new(rest)))
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
