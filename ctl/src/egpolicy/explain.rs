//! `egpolicy explain`: the verdict on one request and every step to it, as facts that a form prints.

use eg_policy::check::ListUse;
use eg_policy::decide::Scratch;
use eg_policy::explain::{Explained, ListLines, RequestFault, RequestSpec, RuleTold, tell};
use eg_policy::lists::{OtherSource, RawList};
use eg_policy::moment::Moment;
use eg_policy::ruleset::Ruleset;
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;

use super::disabled::{SwitchedOn, switched_on};
use super::disk::Disk;
use super::policy::{Policy, PolicyFault};

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainFault {
    /// There is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyFault),
    /// There is no request.
    #[error(transparent)]
    Request(#[from] RequestFault),
}

/// Explains the verdict of a policy on a request.
///
/// # Errors
///
/// The policy has errors, or the request makes no sense.
pub fn explain(
    policy: &Policy,
    default_action: Action,
    spec: &RequestSpec,
    (now, zone): (Moment, &Zone),
) -> Result<Explained, ExplainFault> {
    let rules = policy.ruleset(default_action, zone)?;
    let lists = &policy.checked.lists;
    let mut explained = explain_with((&rules, lists), &mut Scratch::new(&rules), spec, now)?;
    explained.left_out = policy.left_out();
    if let Some(SwitchedOn { files, names }) = switched_on(&policy.files) {
        // A disabled rule may be faulty where it names a list that is gone; then nothing is said of it.
        let policy = Policy::of(files);
        if let Ok(rules) = policy.ruleset(default_action, zone) {
            let lists = &policy.checked.lists;
            let all = explain_with((&rules, lists), &mut Scratch::new(&rules), spec, now)?;
            let would = all.matches.into_iter().filter(|rule| names.contains(&rule.name));
            explained.disabled = would.map(|rule| RuleTold { id: None, ..rule }).collect();
        }
    }
    Ok(explained)
}

/// The same of a policy that is ready, without its disabled rules.
///
/// # Errors
///
/// The request makes no sense.
pub(super) fn explain_with(
    (rules, lists): (&Ruleset, &[ListUse]),
    scratch: &mut Scratch,
    spec: &RequestSpec,
    now: Moment,
) -> Result<Explained, RequestFault> {
    // The file was read a moment ago.
    let format = |path: &str, _: &RawList| -> Result<_, OtherSource> {
        Ok(lists.iter().find(|list| list.path == path).and_then(|list| list.format))
    };
    tell(rules, scratch, (spec, now), &mut ListLines::new(&Disk, &format))
}
