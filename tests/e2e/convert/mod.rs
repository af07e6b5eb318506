//! `egpolicy convert` beside the filter that it converts from: a configuration with twenty categories of
//! real lists, sources by address and user, times and redirects goes through the real `squidGuard` and,
//! converted, through ours, with ten thousand real requests, and one for each entry of the lists of URLs, at
//! the same moments. They may differ only by what the loss report says, and by how often it is measured here.
//!
//! ```text
//! conf.rs    the configuration, and who asks
//! guard.rs   the real squidGuard
//! ours.rs    the converted policy, in process
//! model.rs   squidGuard's own reading of lists and URLs, which explains each difference
//! ```

mod conf;
mod guard;
mod model;
mod ours;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use eg_tests::folder::Folder;
use eg_tests::{programs, shared};

use self::conf::Line;
use self::guard::Guard;
use self::model::Model;
use self::ours::{Ours, Said};

const LISTS: &str = "domains/ut1/blacklists-2025-07-13.tar.gz";
const REQUESTS: &str = "urls/requests.tsv.gz";

/// Requests that both are asked.
const ASKED: usize = 10_000;

/// How many requests the two answer differently, by the kind of the loss report that explains it.
const DIFFERENCES: &[(&str, usize)] =
    &[("canonical-request", 19), ("list-gaps", 6), ("user-spelling", 149)];

/// The same of requests made out of the entries of lists of URLs, which real requests seldom reach.
const LISTED_DIFFERENCES: &[(&str, usize)] = &[
    ("canonical-request", 34),
    ("list-gaps", 2),
    ("url-case", 137),
    ("url-host-prefix", 1),
    ("url-text", 1),
    ("user-spelling", 121),
];

#[test]
fn a_converted_squidguard_differs_by_nothing_but_its_losses() -> Result<()> {
    let test = "a_converted_squidguard_differs_by_nothing_but_its_losses";
    let Some(squidguard) = programs::of_the_system("squidGuard") else {
        shared::skip(test, "squidGuard is not installed (`cargo xtask setup` installs it)");
        return Ok(());
    };
    let found = (shared::data_or_skip(test, LISTS), shared::data_or_skip(test, REQUESTS));
    let (Some(archive), Some(requests)) = found else { return Ok(()) };
    let folder = Folder::temporary()?;
    run(Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder.path()))?;
    let home = folder.path().join("blacklists");
    let conf = folder.path().join("squidGuard.conf");
    conf::write(&conf, &home)?;

    let out = folder.path().join("converted");
    let report = convert(&conf, &out)?;
    let filters = Filters {
        ours: Ours::load(&out)?,
        guard: Guard::prepare(&squidguard, &conf)?,
        model: Model::read(&home)?,
    };
    filters.compare(&report, &shared::request_urls(&requests)?, ASKED, DIFFERENCES)?;
    let listed = conf::listed_urls(&home)?;
    filters.compare(&report, &listed, listed.len(), LISTED_DIFFERENCES)
}

struct Filters {
    ours: Ours,
    guard: Guard,
    model: Model,
}

impl Filters {
    /// Asks both, and fails where they differ otherwise than `expected` says.
    fn compare(
        &self,
        report: &str,
        urls: &[String],
        wanted: usize,
        expected: &[(&str, usize)],
    ) -> Result<()> {
        let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut stopped, mut unexplained) = ((0, 0), Vec::new());
        for (moment, lines) in conf::requests(urls, wanted) {
            let theirs = self.guard.ask(&moment, &lines)?;
            for (line, they) in lines.iter().zip(theirs) {
                let we = self.ours.asked(line, moment.unix_seconds)?;
                stopped.0 += usize::from(they);
                stopped.1 += usize::from(we.stops());
                if they != we.stops() {
                    match self.why(line, moment.unix_seconds, they, &we)? {
                        Some(why) => *differences.entry(why).or_default() += 1,
                        None => unexplained.push(format!("{line:?}: they {they}, we {we:?}")),
                    }
                }
            }
        }
        let few: Vec<_> = unexplained.iter().take(30).collect();
        ensure!(
            few.is_empty(),
            "no loss explains {}, such as {few:#?}; {differences:?}",
            unexplained.len()
        );
        for kind in differences.keys() {
            ensure!(
                report.contains(&format!("\n## {kind}: ")),
                "no `{kind}` in the report: {differences:?}"
            );
        }
        let found: Vec<_> = differences.into_iter().collect();
        ensure!(
            found == expected,
            "differences: {found:?}, expected {expected:?}, stopped {stopped:?}"
        );
        ensure!(stopped.0 > wanted / 20 && stopped.0 < wanted, "squidGuard stopped {stopped:?}");
        Ok(())
    }

    /// The kind of loss that explains a difference: how the user is spelt if ours says the same as theirs
    /// of the name in lower case, else what the model finds.
    fn why(
        &self,
        line: &Line,
        unix_seconds: i64,
        they: bool,
        we: &Said,
    ) -> Result<Option<&'static str>> {
        let spelt = Line { user: line.user.to_lowercase(), ..line.clone() };
        if spelt.user != line.user && self.ours.asked(&spelt, unix_seconds)?.stops() == they {
            return Ok(Some("user-spelling"));
        }
        Ok(self.model.why(line, they, we))
    }
}

/// Runs the real tool; gives its report.
fn convert(conf: &Path, out: &Path) -> Result<String> {
    let mut tool = Command::new(programs::beside_this_one("egpolicy")?);
    tool.args(["convert", "--from", "squidguard"]).arg(conf).arg("--out").arg(out);
    let said = tool.env("TZ", "UTC").output().context("egpolicy")?;
    let report = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.status.code() == Some(6), "{report}{}", String::from_utf8_lossy(&said.stderr));
    ensure!(report.starts_with(&std::fs::read_to_string(out.join("LOSSES.md"))?));
    Ok(report)
}

fn run(command: &mut Command) -> Result<()> {
    let said = command.output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{command:?} ended with {}: {errors}", said.status);
    Ok(())
}
