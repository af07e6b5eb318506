//! Every table of a ruleset, before rules are found by them.

use std::sync::Arc;

use super::agent::AgentTable;
use super::hashset::DomainIndex;
use super::methods::MethodTable;
use super::network::NetworkTable;
use super::ports::PortTable;
use super::prefix::PrefixTable;
use super::scan::RegexTable;
use super::table::NameTable;
use super::users::UserTable;
use crate::zone::Zone;

/// What the rules and lists of a policy name, each thing once.
#[derive(Debug)]
pub(crate) struct Tables {
    /// The names of all lists.
    pub(crate) index: Arc<DomainIndex>,
    /// The number in the index of each list of names of the policy.
    pub(crate) set_of_list: Vec<Option<u32>>,
    /// The number in the index of each list of URLs of the policy.
    pub(crate) urls_of_list: Vec<Option<u32>>,
    /// The names in rules: of `match-domain`, of `match-sni`, and the hosts of `match-uri`.
    pub(crate) named: NameTable,
    /// The prefixes of URIs.
    pub(crate) prefixes: PrefixTable,
    /// Where clients are.
    pub(crate) sources: NetworkTable,
    /// Where requests go.
    pub(crate) destinations: NetworkTable,
    /// Texts of user agents.
    pub(crate) agents: AgentTable,
    /// Regular expressions.
    pub(crate) regexes: RegexTable,
    /// Names of users.
    pub(crate) users: UserTable,
    /// Methods.
    pub(crate) methods: MethodTable,
    /// Ports.
    pub(crate) ports: PortTable,
    /// What clocks show when.
    pub(crate) zone: Zone,
}
