//! One request to its candidate rules.
//!
//! ```text
//! table.rs    names to groups of sets        hashset.rs  the file of a table: every name of every list
//! prefix.rs   literal prefixes of URIs       network.rs  addresses
//! urls.rs     URLs of lists                  listed.rs   what they say of a request
//! agent.rs    texts in a User-Agent          scan.rs     regular expressions
//! users.rs    names of users                 methods.rs  ports.rs  what they say
//! runs.rs     sorted numbers, and their merge
//! tables.rs   all of them, of one policy     plan.rs     a rule as numbers in them
//! anchor.rs   the rules that each key finds  lookup.rs   Matcher: asks each table once
//! places.rs   the hosts of one request      rest.rs    users, methods, ports and times of one request
//! naive.rs    the slow twin of everything    naive_scan.rs  and of regular expressions
//! naive_terms.rs  and of users, methods, ports and times
//! ```

mod agent;
mod anchor;
mod hashset;
mod listed;
mod lookup;
mod methods;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod network;
mod places;
mod plan;
mod ports;
mod prefix;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod real;
mod rest;
mod runs;
mod scan;
#[cfg(test)]
mod regex_sentences;
#[cfg(test)]
mod sentences;
mod table;
mod tables;
#[cfg(test)]
mod term_sentences;
#[cfg(test)]
pub(crate) mod testing;
mod urls;
mod users;

pub use hashset::{DomainIndex, INDEX_VERSION, IndexFault, write_index, write_index_with};

pub(crate) use agent::AgentTable;
pub(crate) use listed::{Agree, UrlFit};
pub(crate) use lookup::{Findings, Matcher, Names, Second, Whose, connect_host};
pub(crate) use methods::MethodTable;
pub(crate) use network::{Cidr, NetworkTable, cidrs, class};
pub(crate) use places::{Place, origin};
pub(crate) use plan::{Listed, Networks, Plan, Rest, Sni, Users};
pub(crate) use ports::PortTable;
pub(crate) use prefix::{Fit, PrefixTable};
pub(crate) use runs::{Candidates, Run, Runs};
pub(crate) use scan::{FieldTable, Fits, Heard, RegexTable, heard};
pub(crate) use table::{Entry, Hit, Item, NameTable};
pub(crate) use tables::Tables;
pub(crate) use users::UserTable;
