//! The whole chain, lines in and answers out: the real connector and the real engine, with real lists
//! and real requests, beside squidGuard on the same lists and the same lines in the same run.
//!
//! Both are asked in a closed loop through a pipe: the connector with as many lines outstanding as its
//! slots allow, squidGuard, which answers in order, with as many as the pipe holds. CPU seconds are
//! those of the programs under test, not of the one that asks.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use eg_tests::folder::{self, Folder};
use eg_tests::installation::{Installation, Plan};
use eg_tests::lines::{self, Connector};
use eg_tests::process::{cpu_seconds, resident_bytes};
use eg_tests::programs::{self, Programs};
use eg_tests::shared;
use nix::unistd::Pid;
use serde::Serialize;

/// How often the requests are replayed in a measurement of ours, so that it lasts seconds; once before
/// it, to warm up.
const ROUNDS: usize = 20;

const LISTS: &str = "domains/ut1/blacklists-2025-07-13.tar.gz";
const REQUESTS: &str = "urls/requests.tsv.gz";

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Lines answered.
    pub lines: usize,
    /// Answers that do not permit.
    pub stopped: usize,
    /// Seconds from the first line to the last answer.
    pub wall_s: f64,
    /// Lines a second.
    pub lines_per_s: f64,
    /// CPU seconds, user and system, of each program.
    pub cpu_s: BTreeMap<String, f64>,
    /// Lines a CPU second of all of them.
    pub lines_per_cpu_s: f64,
    /// Resident bytes of each program afterwards.
    pub resident_bytes: BTreeMap<String, u64>,
}

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the lists and requests came from.
    pub inputs: Vec<String>,
    /// Lists, which are rules here and destinations there.
    pub categories: usize,
    /// The measurements.
    pub rows: Vec<Row>,
    /// Lines a second of ours over squidGuard's on the same lines.
    pub ratios: BTreeMap<String, f64>,
    /// The same of lines a CPU second.
    pub cpu_ratios: BTreeMap<String, f64>,
}

/// Measures.
///
/// # Errors
///
/// If the large data is not there, squidGuard is not installed, or a program fails.
pub fn run(programs: &Programs) -> Result<Report> {
    let archive = shared::data(LISTS).with_context(|| format!("`../shared/data/{LISTS}`"))?;
    let requests =
        shared::data(REQUESTS).with_context(|| format!("`../shared/data/{REQUESTS}`"))?;
    let squidguard =
        programs::of_the_system("squidGuard").context("squidGuard is not installed")?;
    let folder = Folder::temporary()?;
    shared::unpack(&archive, folder.path())?;
    let lists = lines::categories(&folder.path().join("blacklists"))?;
    let urls: Vec<String> = shared::request_urls(&requests)?
        .into_iter()
        // Squid hands on no longer ones, and squidGuard answers them several times.
        .filter(|url| url.len() < 4_000 && url.is_ascii())
        .collect();
    let mut rows = Vec::new();
    let mut permitted = Vec::new();
    for verdicts in ["blocked", "all"] {
        let installation = start(programs, &lists, verdicts)?;
        let mix = format!("EnforceGate, real mix, audit `{verdicts}`");
        rows.push(measure_ours(&installation, &mix, &urls, &mut permitted)?);
    }
    let installation = start(programs, &lists, "blocked")?;
    let permits: Vec<String> = urls
        .iter()
        .zip(&permitted)
        .filter(|(_, permitted)| **permitted)
        .map(|(url, _)| url.clone())
        .collect();
    let what = "EnforceGate, permits only, audit `blocked`";
    rows.push(measure_ours(&installation, what, &permits, &mut Vec::new())?);
    drop(installation);
    let rival = SquidGuard::prepare(&squidguard, &lists, folder.path())?;
    rows.push(rival.measure("squidGuard, real mix", &urls)?);
    rows.push(rival.measure("squidGuard, permits only", &permits)?);
    let (ratios, cpu_ratios) = ratios(&rows);
    let inputs = vec![LISTS.to_owned(), REQUESTS.to_owned()];
    Ok(Report { inputs, categories: lists.len(), rows, ratios, cpu_ratios })
}

fn ratios(rows: &[Row]) -> (BTreeMap<String, f64>, BTreeMap<String, f64>) {
    let (mut wall, mut cpu) = (BTreeMap::new(), BTreeMap::new());
    for ours in rows.iter().filter(|row| row.what.starts_with("EnforceGate")) {
        let kind = if ours.what.contains("real mix") { "real mix" } else { "permits only" };
        let rival = format!("squidGuard, {kind}");
        if let Some(rival) = rows.iter().find(|row| row.what == rival) {
            wall.insert(ours.what.clone(), ours.lines_per_s / rival.lines_per_s);
            cpu.insert(ours.what.clone(), ours.lines_per_cpu_s / rival.lines_per_cpu_s);
        }
    }
    (wall, cpu)
}

fn start(
    programs: &Programs,
    lists: &[(String, PathBuf)],
    verdicts: &'static str,
) -> Result<Installation> {
    let plan = Plan { rules: None, verdicts, threads: 1, inspect: "off", ..Plan::demo() };
    let mut installation = Installation::prepare(Folder::temporary()?, programs, &plan)?;
    lines::one_rule_each(lists, &installation.path("rules.d"))?;
    installation.start_engine()?;
    Ok(installation)
}

/// Replays once to warm up, notes which requests are permitted, then measures.
fn measure_ours(
    installation: &Installation,
    what: &str,
    urls: &[String],
    permitted: &mut Vec<bool>,
) -> Result<Row> {
    let (connector, mut pipes) = Connector::start(installation)?;
    let template = connector.template().clone();
    *permitted = vec![false; urls.len()];
    lines::replay_with(&template, &mut pipes, urls, template.slots(), |index, line| {
        if let Some(slot) = permitted.get_mut(index) {
            *slot = line.contains("eg_verdict_=permit");
        }
        Ok(())
    })?;
    let engine = installation.engine_pid().context("the engine does not run")?;
    let pids = [("engine", engine), ("connector", connector.pid())];
    let before = usage(&pids);
    let start = Instant::now();
    let mut stopped = 0;
    for _ in 0..ROUNDS {
        lines::replay_with(&template, &mut pipes, urls, template.slots(), |_, line| {
            stopped += usize::from(!line.contains("eg_verdict_=permit"));
            Ok(())
        })?;
    }
    let row = row(what, urls.len() * ROUNDS, stopped, start, &pids, &before);
    drop(pipes);
    connector.finish()?;
    Ok(row)
}

fn usage(pids: &[(&str, Pid)]) -> BTreeMap<String, f64> {
    let used = pids.iter().map(|(name, pid)| ((*name).to_owned(), cpu_seconds(*pid)));
    used.filter_map(|(name, seconds)| Some((name, seconds?))).collect()
}

fn row(
    what: &str,
    lines: usize,
    stopped: usize,
    start: Instant,
    pids: &[(&str, Pid)],
    before: &BTreeMap<String, f64>,
) -> Row {
    let wall_s = start.elapsed().as_secs_f64();
    let mut cpu_s = usage(pids);
    for (name, seconds) in &mut cpu_s {
        *seconds -= before.get(name).copied().unwrap_or(0.0);
    }
    let resident = pids.iter().map(|(name, pid)| ((*name).to_owned(), resident_bytes(*pid)));
    let count = f64::from(u32::try_from(lines).unwrap_or(u32::MAX));
    Row {
        what: what.to_owned(),
        lines,
        stopped,
        wall_s,
        lines_per_s: count / wall_s,
        lines_per_cpu_s: count / cpu_s.values().sum::<f64>(),
        cpu_s,
        resident_bytes: resident.filter_map(|(name, bytes)| Some((name, bytes?))).collect(),
    }
}

/// The rival, with its lists compiled.
struct SquidGuard {
    program: PathBuf,
    conf: PathBuf,
}

impl SquidGuard {
    /// Writes its configuration over copies of the same lists, and compiles them.
    fn prepare(program: &Path, lists: &[(String, PathBuf)], below: &Path) -> Result<Self> {
        let home = below.join("squidguard");
        let mut text = format!("dbhome {0}\nlogdir {0}\n", home.display());
        for (name, list) in lists {
            folder::make(&home.join(name))?;
            fs::copy(list, home.join(name).join("domains"))?;
            text.push_str(&format!("dest {name} {{\n    domainlist {name}/domains\n}}\n"));
        }
        let none: String = lists.iter().map(|(name, _)| format!("!{name} ")).collect();
        text.push_str(&format!(
            "acl {{\n    default {{\n        pass {none} all\n        \
             redirect http://portal.example/blocked?t=%t&u=%u\n    }}\n}}\n"
        ));
        let conf = below.join("squidGuard.conf");
        fs::write(&conf, text)?;
        let compiled = Command::new(program).arg("-c").arg(&conf).args(["-C", "all"]).output()?;
        anyhow::ensure!(
            compiled.status.success(),
            "squidGuard -C ended with {}: {}",
            compiled.status,
            String::from_utf8_lossy(&compiled.stderr)
        );
        Ok(Self { program: program.to_path_buf(), conf })
    }

    fn measure(&self, what: &str, urls: &[String]) -> Result<Row> {
        let mut child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.conf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start squidGuard")?;
        let measured = self.exchange(&mut child, what, urls);
        drop(child.kill());
        child.wait()?;
        measured
    }

    fn exchange(&self, child: &mut Child, what: &str, urls: &[String]) -> Result<Row> {
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let mut input = child.stdin.take().context("squidGuard's stdin")?;
        let mut answers = BufReader::new(child.stdout.take().context("squidGuard's stdout")?);
        // Its answers need not be UTF-8.
        let mut first = Vec::new();
        writeln!(input, "http://warm.up.example/ 192.0.2.7/- - GET")?;
        answers.read_until(b'\n', &mut first)?;
        let pids = [("squidGuard", pid)];
        let before = usage(&pids);
        let start = Instant::now();
        let mut stopped = 0;
        let mut line = Vec::new();
        let input = std::thread::scope(|scope| -> Result<_> {
            let feeder = scope.spawn(move || {
                let mut out = std::io::BufWriter::with_capacity(1 << 16, input);
                urls.iter().try_for_each(|url| writeln!(out, "{url} 192.0.2.7/- - GET"))?;
                out.into_inner().map_err(std::io::IntoInnerError::into_error)
            });
            for _ in urls {
                line.clear();
                anyhow::ensure!(answers.read_until(b'\n', &mut line)? > 0, "squidGuard has ended");
                stopped += usize::from(line.windows(4).any(|word| word == b"url="));
            }
            feeder
                .join()
                .map_err(|_| anyhow::anyhow!("the feeder has panicked"))?
                .map_err(Into::into)
        })?;
        let row = row(what, urls.len(), stopped, start, &pids, &before);
        // To some lines it gives several answers; then the verdicts would be those of other lines.
        drop(input);
        let mut rest = Vec::new();
        answers.read_to_end(&mut rest)?;
        anyhow::ensure!(rest.is_empty(), "squidGuard gave more answers than it had lines");
        Ok(row)
    }
}
