//! Lists as two weeks had them, laid below one installation and swapped under its running engine, with what
//! is due in each of the two.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use eg_proto::{Opener, Route};

use crate::folder;
use crate::installation::Installation;
use crate::lines::Reply;
use crate::walk::{Due, NO_HOST, Walk};

/// Lists with their names.
pub type Lists = Vec<(String, PathBuf)>;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Week {
    /// The one that is laid down first.
    First,
    /// The other one.
    Second,
}

/// The two weeks of an installation.
#[derive(Debug)]
pub struct Weeks {
    now: Week,
    live: PathBuf,
    aside: PathBuf,
    walks: [Walk; 2],
}

/// What is due for a request in each week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueInBoth([Due; 2]);

impl Weeks {
    /// Lays down the lists that both weeks have, one rule each which denies its names, and has the engine
    /// take any shrinkage: some lists of a week are a fraction of the other's.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or no list is in both.
    pub fn lay(installation: &Installation, [first, second]: [&Lists; 2]) -> Result<Self> {
        let (live, aside) = (installation.path("lists"), installation.path("lists.aside"));
        let in_both = |lists: &Lists, other: &Lists| -> Lists {
            let both = |name: &String| other.iter().any(|(known, _)| known == name);
            lists.iter().filter(|(name, _)| both(name)).cloned().collect()
        };
        let (first, second) = (in_both(first, second), in_both(second, first));
        ensure!(!first.is_empty(), "no list is in both weeks");
        for (lists, folder) in [(&first, &live), (&second, &aside)] {
            for (name, list) in lists {
                folder::make(&folder.join(name))?;
                fs::copy(list, folder.join(name).join("domains"))?;
            }
        }
        let laid = first.iter().map(|(name, _)| (name.clone(), live.join(name).join("domains")));
        let laid: Lists = laid.collect();
        crate::lines::one_rule_each(&laid, &installation.path("rules.d"))?;
        installation.change_engine("[policy]\n", "[policy]\nshrink_guard_percent = 100\n")?;
        let walks = [Walk::read(&first)?, Walk::read(&second)?];
        Ok(Self { now: Week::First, live, aside, walks })
    }

    /// The week whose lists lie where the engine looks.
    #[must_use]
    pub const fn now(&self) -> Week {
        self.now
    }

    /// Puts the other week's lists in place. Not while a reload reads them.
    ///
    /// # Errors
    ///
    /// If a folder cannot be renamed.
    pub fn swap(&mut self) -> Result<()> {
        let between = self.aside.with_extension("between");
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to).with_context(|| format!("cannot rename `{}`", from.display()))
        };
        rename(&self.live, &between)?;
        rename(&self.aside, &self.live)?;
        rename(&between, &self.aside)?;
        self.now = match self.now {
            Week::First => Week::Second,
            Week::Second => Week::First,
        };
        Ok(())
    }

    /// What is due for a request.
    #[must_use]
    pub fn due(&self, url: &str) -> DueInBoth {
        DueInBoth(self.walks.each_ref().map(|walk| walk.due(url)))
    }
}

impl DueInBoth {
    /// Whether the weeks differ.
    #[must_use]
    pub fn differs(&self) -> bool {
        let Self([first, second]) = self;
        first != second
    }

    /// Whether a verdict on it can be judged.
    #[must_use]
    pub fn is_told(&self) -> bool {
        let Self(weeks) = self;
        weeks.iter().all(|due| !matches!(due, Due::ByDesign(class) if *class != NO_HOST))
    }

    /// Whether `found` is what is due in this week.
    #[must_use]
    pub fn holds_in(&self, week: Week, found: &Due) -> bool {
        let Self([first, second]) = self;
        let due = match week {
            Week::First => first,
            Week::Second => second,
        };
        match due {
            Due::Permit | Due::Deny(_) => due == found,
            Due::ByDesign(class) if *class == NO_HOST => {
                *found == Due::Deny("invalid-request".to_owned())
            }
            Due::ByDesign(_) => true,
        }
    }
}

/// What a reply says; a failure of ours to answer is no verdict and an error.
///
/// # Errors
///
/// If it is neither a permit nor a denial by a rule of the engine's.
pub fn found(reply: &Reply, opener: &Opener) -> Result<Due> {
    match reply.verdict.as_str() {
        "permit" => Ok(Due::Permit),
        "deny" => {
            let opened = opener.open(Route::Blocked, &reply.token, 0).context("the token")?;
            let rule = opened.payload.rule;
            ensure!(
                rule != "engine-unavailable" && rule != "audit-unavailable",
                "denied by `{rule}`"
            );
            Ok(Due::Deny(rule))
        }
        other => anyhow::bail!("the verdict `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_right_for_the_weeks_that_have_it() {
        let deny = |rule: &str| Due::Deny(rule.to_owned());
        let both = DueInBoth([Due::Permit, deny("ads")]);
        assert!(both.differs() && both.is_told());
        for (found, in_first, in_second) in
            [(Due::Permit, true, false), (deny("ads"), false, true), (deny("games"), false, false)]
        {
            assert_eq!(both.holds_in(Week::First, &found), in_first, "{found:?}");
            assert_eq!(both.holds_in(Week::Second, &found), in_second, "{found:?}");
        }
        let no_host = DueInBoth([Due::ByDesign(NO_HOST), Due::ByDesign(NO_HOST)]);
        assert!(no_host.is_told() && !no_host.holds_in(Week::First, &Due::Permit));
        assert!(no_host.holds_in(Week::First, &deny("invalid-request")));
        assert!(!DueInBoth([Due::Permit, Due::ByDesign("another")]).is_told());
    }
}
