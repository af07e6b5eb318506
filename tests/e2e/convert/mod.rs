//! `egpolicy convert` beside the filter that it converts from: a configuration with twenty categories of
//! real lists, sources by address and user, times and redirects goes through the real `squidGuard` and,
//! converted, through ours, with ten thousand real requests at the same moments. They may differ only by
//! what the loss report says, and by how often it is measured here.
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

use self::guard::Guard;
use self::model::Model;
use self::ours::Ours;

const LISTS: &str = "domains/ut1/blacklists-2025-07-13.tar.gz";
const REQUESTS: &str = "urls/requests.tsv.gz";

/// Requests that both are asked.
const ASKED: usize = 10_000;

/// How many requests the two answer differently, by the kind of the loss report that explains it.
const DIFFERENCES: &[(&str, usize)] =
    &[("canonical-request", 19), ("list-gaps", 7), ("user-spelling", 148)];

#[test]
fn a_converted_squidguard_differs_by_nothing_but_its_losses() -> Result<()> {
    let test = "a_converted_squidguard_differs_by_nothing_but_its_losses";
    let Some(squidguard) = programs::of_the_system("squidGuard") else {
        shared::skip(test, "squidGuard is not installed (`apt-get install squidguard`)");
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
    let ours = Ours::load(&out)?;
    let guard = Guard::prepare(&squidguard, &conf)?;
    let model = Model::read(&home)?;
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut stopped, mut unexplained) = ((0, 0), Vec::new());
    for (moment, lines) in conf::requests(&shared::request_urls(&requests)?, ASKED) {
        let theirs = guard.ask(&moment, &lines)?;
        for (line, they) in lines.iter().zip(theirs) {
            let we = ours.asked(line, moment.unix_seconds)?;
            stopped.0 += usize::from(they);
            stopped.1 += usize::from(we.stops());
            if they != we.stops() {
                match model.why(line, they, &we) {
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
        found == DIFFERENCES,
        "differences: {found:?}, expected {DIFFERENCES:?}, stopped {stopped:?}"
    );
    ensure!(stopped.0 > ASKED / 20 && stopped.0 < ASKED, "squidGuard stopped {stopped:?}");
    Ok(())
}

/// Runs the real tool; gives its report.
fn convert(conf: &Path, out: &Path) -> Result<String> {
    let mut tool = Command::new(programs::beside_this_one("egpolicy")?);
    tool.args(["convert", "--from", "squidguard"]).arg(conf).arg("--out").arg(out);
    let said = tool.env("TZ", "UTC").output().context("egpolicy")?;
    let report = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.status.code() == Some(3), "{report}{}", String::from_utf8_lossy(&said.stderr));
    ensure!(report.starts_with(&std::fs::read_to_string(out.join("LOSSES.md"))?));
    Ok(report)
}

fn run(command: &mut Command) -> Result<()> {
    let said = command.output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{command:?} ended with {}: {errors}", said.status);
    Ok(())
}
