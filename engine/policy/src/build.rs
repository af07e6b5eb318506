//! `CompiledPolicy` to `Ruleset`.

use std::sync::Arc;

use crate::compile::CompiledPolicy;
use crate::digest::Digest;
use crate::lists::AddressList;
use crate::matcher::DomainIndex;
use crate::ruleset::Ruleset;

/// What lies beside the store and is needed to build a ruleset.
#[derive(Debug)]
pub struct Loaded {
    /// The index over at least [`CompiledPolicy::domain_sets`].
    pub index: Arc<DomainIndex>,
    /// The sets of all lists of addresses.
    pub addresses: Vec<(Digest, AddressList)>,
}

/// Why no ruleset can be built; each means that the store and what lies beside it do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildFault {
    /// A rule names a list that the policy does not have.
    #[error("rule `{rule}` names list number {index}, and there is no such list")]
    NoSuchList {
        /// The rule's name.
        rule: String,
        /// The position in the table of lists.
        index: u32,
    },
}

/// Builds the ruleset that `policy` describes.
///
/// # Errors
///
/// [`BuildFault`], where a list or set is missing.
pub fn build(policy: &CompiledPolicy, loaded: Loaded) -> Result<Ruleset, BuildFault> {
    Ok(Ruleset {
        digest: policy.digest(),
        rules: policy.rules.clone(),
        default_action: policy.default_action,
        lists: policy.lists.clone(),
        entries: loaded.index.entries(),
    })
}
