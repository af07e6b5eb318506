//! Which of the rules before the one that decides are told, and what is said of the others: for every form
//! of an explanation.

use std::collections::{BTreeMap, HashSet};

use eg_proto::control::explain::{FitTold, RuleTold};

/// How many rules that nearly held are told where not all are asked for: what fits on a screen with the
/// rest.
const NEAR_MAX: usize = 8;

/// How much is told of rules that do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The ones of which a part fits, and the number of the rest.
    Near,
    /// Every one.
    All,
}

/// The rules before the one that decides, parted.
#[derive(Debug)]
pub(crate) struct Parted<'r> {
    /// Those that are told.
    pub(crate) near: Vec<&'r RuleTold>,
    /// How many are not.
    pub(crate) others: usize,
    /// What stopped those, each attribute with its number: `match-uri 3, match-user 1`.
    pub(crate) stopped_by: String,
}

/// Parts `before` by what `detail` tells.
pub(crate) fn parted(before: &[RuleTold], detail: Detail) -> Parted<'_> {
    // The protocol alone is nothing that a person would look for.
    let tells = |fit: &FitTold| {
        let own = fit.attribute.as_str();
        own != "application" && !own.starts_with("valid-")
    };
    let is_near = |rule: &&RuleTold| match detail {
        Detail::All => true,
        Detail::Near => rule.fits.iter().any(tells) || rule.outcome == "unknown",
    };
    let most = match detail {
        Detail::All => usize::MAX,
        Detail::Near => NEAR_MAX,
    };
    let near: Vec<&RuleTold> = before.iter().filter(is_near).take(most).collect();
    let told: HashSet<Option<u32>> = near.iter().map(|rule| rule.id).collect();
    let mut rest: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in before.iter().filter(|rule| !told.contains(&rule.id)) {
        let attribute = rule.failed.as_ref().map_or("", |failed| failed.attribute.as_str());
        let number = rest.entry(attribute).or_default();
        *number = number.saturating_add(1);
    }
    let by: Vec<String> =
        rest.iter().map(|(attribute, number)| format!("{attribute} {number}")).collect();
    let others = rest.values().fold(0_usize, |all, number| all.saturating_add(*number));
    Parted { near, others, stopped_by: by.join(", ") }
}
