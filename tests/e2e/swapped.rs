//! An engine with lists that two weeks have otherwise, and the question of which week is live.

use anyhow::{Context as _, Result};
use eg_tests::folder::{self, Folder};
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector};
use eg_tests::weeks::{Lists, Week, Weeks, found};

use crate::stage;

/// The installation, its lists, and requests that tell the weeks apart.
pub(crate) struct Swapped {
    pub(crate) installation: Installation,
    pub(crate) weeks: Weeks,
    urls: Vec<String>,
    _material: Folder,
}

impl Swapped {
    /// So many lists of so many names, of which every second one is in both weeks. Nothing runs yet.
    pub(crate) fn prepare(lists: usize, names: usize) -> Result<Self> {
        let material = Folder::temporary()?;
        let week = |own: &str| -> Result<Lists> {
            let mut week = Lists::new();
            for list in 0..lists {
                let name = |number: usize| {
                    let kind = if number.is_multiple_of(2) { "both" } else { own };
                    format!("n{number}.{kind}.list{list}.example\n")
                };
                let path = material.path().join(format!("{own}-{list}"));
                folder::write(&path, &(0..names).map(name).collect::<String>(), 0o644)?;
                week.push((format!("list{list}"), path));
            }
            Ok(week)
        };
        let plan = Plan { rules: None, verdicts: "blocked", inspect: "off", ..Plan::demo() };
        let installation = stage::installation(&plan)?;
        let weeks = Weeks::lay(&installation, [&week("old")?, &week("new")?])?;
        let mut urls = Vec::new();
        for list in 0..lists {
            for kind in ["both", "old", "new", "none"] {
                // The first and the last of each kind.
                for number in [0, 1, names - 2, names - 1] {
                    urls.push(format!("http://n{number}.{kind}.list{list}.example/"));
                }
            }
        }
        Ok(Self { installation, weeks, urls, _material: material })
    }

    /// The one week of which every verdict is.
    pub(crate) fn live(&self) -> Result<Week> {
        let (connector, mut pipes) = Connector::start(&self.installation)?;
        let template = connector.template().clone();
        let replies = lines::replay(&template, &mut pipes, &self.urls, template.slots())?;
        drop(pipes);
        connector.finish()?;
        let opener = self.installation.opener()?;
        let verdicts = replies.iter().map(|reply| found(reply, &opener));
        let verdicts: Vec<_> = verdicts.collect::<Result<_>>()?;
        let is_of = |week: &Week| {
            let mut pairs = self.urls.iter().zip(&verdicts);
            pairs.all(|(url, found)| self.weeks.due(url).holds_in(*week, found))
        };
        let week = [Week::First, Week::Second].into_iter().find(is_of);
        week.with_context(|| format!("the verdicts are of no week: {verdicts:?}"))
    }
}
