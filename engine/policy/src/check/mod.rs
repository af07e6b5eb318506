//! `Ast` to `CheckedPolicy`: keys known, values parsed, names unique, ids in load order.
//!
//! A rule that is checked holds canonical values only. Nothing is guessed: what is not understood is
//! a fault, and the one mild case, an unknown action, denies.

mod address;
mod attributes;
mod files;
mod policy;
mod rule;
mod terms;
mod values;
mod window;

pub use address::{AddressFault, parse_range};
pub use attributes::{Attribute, Support, keys};
pub use files::{check, check_with, check_with_lists, list_remarks};
pub use policy::{
    AddressClass, AddressPattern, AddressRange, Anomaly, Application, CheckedPolicy, CheckedRule,
    ConditionKind, Conditions, DomainPattern, HasUrls, IsConnect, ListContents, ListExpression,
    ListIndex, ListKind, ListUse, Mode, PortRange, Scope, SniPattern, Trust, UserPattern, Validity,
};
pub use rule::{RULES_MAX, VALUES_MAX};
pub(crate) use values::host_text;
pub use window::{MINUTES_OF_WEEK, TimeWindow};

#[cfg(test)]
mod term_tests;
#[cfg(test)]
mod tests;
