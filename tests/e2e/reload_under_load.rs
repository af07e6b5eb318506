//! Recorded requests go on while the lists of two weeks are swapped back and forth, each time with a reload:
//! each line is answered once, and each verdict is right for one of the two weeks, by a plain walk through
//! both. `cargo xtask bench reload-under-load` is the large version, and measures.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use eg_tests::folder::{self, Folder};
use eg_tests::installation::Plan;
use eg_tests::lines::{self, Connector};
use eg_tests::weeks::{Lists, Week, Weeks, found};
use eg_tests::{pace, shared};

use crate::stage;

const PER_SECOND: usize = 2_000;

/// An even number, so that the first week is live again at the end.
const RELOADS: usize = 12;

/// Lists with more bytes are left to the bench.
const LIST_BYTES_MAX: u64 = 256 * 1024;

/// Asks and reloads, and compares every answer.
fn every_verdict_is_of_a_week(weeks: [&Lists; 2], urls: &[String]) -> Result<()> {
    let plan = Plan { rules: None, verdicts: "blocked", inspect: "off", ..Plan::demo() };
    let mut installation = stage::installation(&plan)?;
    let mut weeks = Weeks::lay(&installation, weeks)?;
    installation.start_engine()?;
    let due: Vec<_> = urls.iter().map(|url| weeks.due(url)).collect();
    let (connector, pipes) = Connector::start(&installation)?;
    let mut longest = 0;
    let received = pace::run_until_done(connector.template(), pipes, PER_SECOND, urls, |start| {
        // Each week is asked about everything at least once.
        let round = pace::due_after(urls.len(), PER_SECOND).div_f64(RELOADS as f64 / 2.0);
        for _ in 0..RELOADS {
            std::thread::sleep(round);
            weeks.swap()?;
            installation.reload_engine()?;
        }
        longest = start.elapsed().as_secs();
        Ok(())
    })?;
    let status = connector.finish()?;
    ensure!(status.success(), "the connector ended with {status}");
    let numbers = received.iter().map(|answered| answered.number);
    ensure!(numbers.eq(0..received.len()) && received.len() >= urls.len(), "lines are lost");
    let opener = installation.opener()?;
    let mut told_apart = [0, 0];
    for answered in &received {
        let place = answered.number % urls.len();
        let (url, due) = (&urls[place], &due[place]);
        if !due.is_told() {
            continue;
        }
        let found = found(&answered.reply, &opener).with_context(|| url.clone())?;
        let holds = [Week::First, Week::Second].map(|week| due.holds_in(week, &found));
        ensure!(holds.contains(&true), "{url}: {due:?} is due, not {found:?}");
        if due.differs() {
            for (count, holds) in told_apart.iter_mut().zip(holds) {
                *count += u32::from(holds);
            }
        }
    }
    let seen = told_apart.iter().all(|count| *count > 0);
    ensure!(seen, "both weeks were live, and {told_apart:?} answers say so, after {longest} s");
    ensure!(weeks.now() == Week::First, "the first week lies there again");
    installation.stop()
}

#[test]
fn lists_made_of_the_requests_own_hosts() -> Result<()> {
    let text = fs::read_to_string(shared::workspace().join("tests/data/requests.txt"))?;
    let urls: Vec<String> = text.lines().map(str::to_owned).collect();
    let folder = Folder::temporary()?;
    // Of every four hosts one is listed in both weeks, one in each, and one in none.
    let list = |name: &str, kinds: [usize; 2]| -> Result<(String, std::path::PathBuf)> {
        let hosts = urls.iter().filter_map(|url| url.split('/').nth(2)).enumerate();
        let hosts =
            hosts.filter(|(place, host)| kinds.contains(&(place % 4)) && !host.contains(':'));
        let hosts: Vec<&str> = hosts.map(|(_, host)| host).collect();
        let path = folder.path().join(name);
        folder::write(&path, &(hosts.join("\n") + "\n"), 0o644)?;
        Ok(("hosts".to_owned(), path))
    };
    let weeks = [list("first", [0, 1])?, list("second", [0, 2])?].map(|list| vec![list]);
    every_verdict_is_of_a_week(weeks.each_ref(), &urls)
}

#[test]
fn two_real_weeks() -> Result<()> {
    let test = "reload_under_load::two_real_weeks";
    let find = |path: &str| shared::data_or_skip(test, path);
    let (Some(first), Some(second), Some(requests)) = (
        find("domains/ut1/blacklists-2025-07-06.tar.gz"),
        find("domains/ut1/blacklists-2025-07-13.tar.gz"),
        find("urls/requests.tsv.gz"),
    ) else {
        return Ok(());
    };
    let folder = Folder::temporary()?;
    let unpacked = |archive: &Path, name: &str| -> Result<Lists> {
        let below = folder.path().join(name);
        folder::make(&below)?;
        shared::unpack(archive, &below)?;
        let mut lists = lines::categories(&below.join("blacklists"))?;
        lists.retain(|(_, list)| fs::metadata(list).is_ok_and(|file| file.len() < LIST_BYTES_MAX));
        Ok(lists)
    };
    let weeks = [unpacked(&first, "first")?, unpacked(&second, "second")?];
    // Requests on which the weeks differ are few; they are asked all, and every 20th of the others.
    let walks = [eg_tests::walk::Walk::read(&weeks[0])?, eg_tests::walk::Walk::read(&weeks[1])?];
    let urls = shared::request_urls(&requests)?.into_iter().enumerate();
    let urls =
        urls.filter(|(place, url)| place % 20 == 0 || walks[0].due(url) != walks[1].due(url));
    let urls: Vec<String> = urls.map(|(_, url)| url).collect();
    every_verdict_is_of_a_week(weeks.each_ref(), &urls)
}
