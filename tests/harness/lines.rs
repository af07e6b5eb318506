//! Asks as Squid asks: a connector of our own, lines over a pipe, answers matched by channel-ID.
//!
//! The form of a line is not written here a second time: it is taken from the `url_rewrite_extras` that
//! the connector itself prints for squid.conf.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::unistd::Pid;

use crate::installation::Installation;

/// What a line holds after the URL: the extras, each macro replaced.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    slots: usize,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Client,
    Agent,
}

/// Who asks, as the extras of a line tell it.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The client behind the proxy.
    pub client: IpAddr,
    /// Its User-Agent, without blanks or percent signs.
    pub agent: &'a str,
}

impl Default for Asker<'_> {
    fn default() -> Self {
        Self { client: IpAddr::from([192, 0, 2, 7]), agent: "-" }
    }
}

impl Template {
    /// The form of the lines, from what the connector prints for squid.conf.
    ///
    /// # Errors
    ///
    /// If the lines are not there or hold a macro that the harness does not know.
    pub fn from_squid_conf(lines: &str) -> Result<Self> {
        let setting = |name: &str| {
            let mut found = lines.lines().map(str::trim).filter_map(|line| line.strip_prefix(name));
            found.find(|rest| rest.starts_with(' '))
        };
        let extras = setting("url_rewrite_extras").context("no `url_rewrite_extras` is printed")?;
        let extras = extras.trim().trim_matches('"').replace("\\\"", "\"");
        let children = setting("url_rewrite_children").context("no `url_rewrite_children`")?;
        let slots = children.split_whitespace().find_map(|word| word.strip_prefix("concurrency="));
        let slots = slots.context("no `concurrency=`")?.parse()?;
        let mut parts = Vec::new();
        for (index, word) in extras.split(' ').enumerate() {
            if index > 0 {
                parts.push(Part::Text(" ".to_owned()));
            }
            replace(word, &mut parts)?;
        }
        Ok(Self { parts, slots })
    }

    /// How many lines may be outstanding.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Appends one line.
    pub fn line(&self, out: &mut Vec<u8>, channel: usize, url: &[u8], asker: &Asker<'_>) {
        out.extend_from_slice(channel.to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(url);
        out.push(b' ');
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Client => out.extend_from_slice(asker.client.to_string().as_bytes()),
                Part::Agent => out.extend_from_slice(asker.agent.as_bytes()),
            }
        }
        out.push(b'\n');
    }
}

/// Replaces the one macro of a word, as Squid would for a plain request.
fn replace(word: &str, parts: &mut Vec<Part>) -> Result<()> {
    let Some(at) = word.find('%') else {
        parts.push(Part::Text(word.to_owned()));
        return Ok(());
    };
    let (before, code) = word.split_at(at);
    let (code, after) = match code.find('"') {
        Some(end) => code.split_at(end),
        None => (code, ""),
    };
    parts.push(Part::Text(before.to_owned()));
    parts.push(match code {
        "%>a" => Part::Client,
        "%>p" => Part::Text("40000".to_owned()),
        "%>rm" | "%#>rm" => Part::Text("GET".to_owned()),
        "%#{User-Agent}>h" => Part::Agent,
        "%#un"
        | "%un"
        | "%ssl::>sni"
        | "%#ssl::>sni"
        | "%ssl::>received_hello_version"
        | "%#{Referer}>h"
        | "%note{clt_conn_tag}"
        | "%#note{clt_conn_tag}"
        | "%{clt_conn_tag}note"
        | "%#{clt_conn_tag}note" => Part::Text("-".to_owned()),
        _ => bail!("the harness does not know the macro `{code}` of `url_rewrite_extras`"),
    });
    parts.push(Part::Text(after.to_owned()));
    Ok(())
}

/// A verdict as it comes back on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The word of `eg_verdict_`.
    pub verdict: String,
    /// The token of `eg_token_`, empty for a permit.
    pub token: String,
}

impl Reply {
    /// Reads `7 OK eg_verdict_=deny eg_token_=...`: the channel-ID and what follows.
    ///
    /// # Errors
    ///
    /// If it is anything else: a connector says nothing else.
    pub fn parse(line: &str) -> Result<(usize, Self)> {
        let unusual = || format!("an answer that no connector may give: `{line}`");
        let mut words = line.split_whitespace();
        let channel = words.next().and_then(|word| word.parse().ok()).with_context(unusual)?;
        anyhow::ensure!(words.next() == Some("OK"), unusual());
        let (mut verdict, mut token) = (None, String::new());
        for word in words {
            let (key, value) = word.split_once('=').with_context(unusual)?;
            match key {
                "eg_verdict_" => verdict = Some(value.to_owned()),
                "eg_token_" => value.clone_into(&mut token),
                _ => {}
            }
        }
        Ok((channel, Self { verdict: verdict.with_context(unusual)?, token }))
    }
}

/// A connector that reads lines from us.
#[derive(Debug)]
pub struct Connector {
    child: Child,
    template: Template,
}

/// The two ends of its pipes.
#[derive(Debug)]
pub struct Pipes {
    /// Where lines go.
    pub lines: ChildStdin,
    /// Where answers come from.
    pub answers: BufReader<ChildStdout>,
}

impl Connector {
    /// Starts the installation's connector; what it logs goes to `log/connector.log`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(installation: &Installation) -> Result<(Self, Pipes)> {
        let template = Template::from_squid_conf(&installation.squid_conf_lines()?)?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(installation.path("log/connector.log"))?;
        let mut child = Command::new(&installation.programs().connector)
            .arg("-c")
            .arg(installation.connector_conf())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the connector")?;
        let lines = child.stdin.take().context("the connector's stdin")?;
        let answers = child.stdout.take().context("the connector's stdout")?;
        let answers = BufReader::with_capacity(1 << 16, answers);
        Ok((Self { child, template }, Pipes { lines, answers }))
    }

    /// The form of its lines.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Waits for its end, which the end of its input brings.
    ///
    /// # Errors
    ///
    /// If it does not end in time; it is killed then.
    pub fn finish(mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the connector does not end when its input does")
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends every URL, at most `window` of them outstanding, as fast as answers come; gives the answers in
/// the order of the URLs.
///
/// # Errors
///
/// If the connector ends early, or answers what was not asked.
pub fn replay(
    template: &Template,
    pipes: &mut Pipes,
    urls: &[String],
    window: usize,
) -> Result<Vec<Reply>> {
    let mut answers: Vec<Option<Reply>> = vec![None; urls.len()];
    replay_with(template, pipes, urls, window, |index, line| {
        let (_, reply) = Reply::parse(line)?;
        if let Some(answer) = answers.get_mut(index) {
            *answer = Some(reply);
        }
        Ok(())
    })?;
    answers.into_iter().map(|answer| answer.context("a line without an answer")).collect()
}

/// As [`replay`], giving each answer's line to `take` with the position of its URL.
///
/// # Errors
///
/// If the connector ends early, answers what was not asked, or `take` refuses.
pub fn replay_with(
    template: &Template,
    pipes: &mut Pipes,
    urls: &[String],
    window: usize,
    mut take: impl FnMut(usize, &str) -> Result<()>,
) -> Result<()> {
    let window = window.clamp(1, template.slots);
    let mut channels = Channels::new(window);
    let Pipes { lines, answers } = pipes;
    let (mut sent, mut received) = (0, 0);
    let mut line = String::new();
    // Lines are written by a thread of their own: a connector whose answers nobody reads takes no more
    // lines. No more than the window's lines are ever on their way.
    std::thread::scope(|scope| {
        let (writer, outbox) = std::sync::mpsc::sync_channel::<Vec<u8>>(window);
        scope.spawn(move || outbox.iter().try_for_each(|chunk| lines.write_all(&chunk)));
        while received < urls.len() {
            let mut out = Vec::new();
            while let Some(url) = urls.get(sent)
                && let Some(channel) = channels.take(sent)
            {
                template.line(&mut out, channel, url.as_bytes(), &Asker::default());
                sent += 1;
            }
            if !out.is_empty() {
                writer.send(out).context("the connector takes no more lines")?;
            }
            loop {
                line.clear();
                anyhow::ensure!(answers.read_line(&mut line)? > 0, "the connector has ended");
                take(channels.give_back(&line)?, &line)?;
                received += 1;
                if !answers.buffer().contains(&b'\n') {
                    break;
                }
            }
        }
        Ok(())
    })
}

/// Channel-IDs and what each is asking.
struct Channels {
    asking: Vec<Option<usize>>,
    free: Vec<usize>,
}

impl Channels {
    fn new(count: usize) -> Self {
        Self { asking: vec![None; count], free: (0..count).rev().collect() }
    }

    fn take(&mut self, index: usize) -> Option<usize> {
        let channel = self.free.pop()?;
        if let Some(slot) = self.asking.get_mut(channel) {
            *slot = Some(index);
        }
        Some(channel)
    }

    /// The position of the URL that an answer's line is about.
    fn give_back(&mut self, line: &str) -> Result<usize> {
        let channel = line.split(' ').next().and_then(|word| word.trim_end().parse::<usize>().ok());
        let index = channel
            .and_then(|channel| self.asking.get_mut(channel))
            .and_then(Option::take)
            .with_context(|| format!("nobody asked for `{}`", line.trim_end()))?;
        self.free.extend(channel);
        Ok(index)
    }
}

/// Writes `10-lists.policy` below `rules`: one rule for each list, in order, which denies its names.
///
/// # Errors
///
/// If the policy cannot be written.
pub fn one_rule_each(lists: &[(String, PathBuf)], rules: &Path) -> Result<()> {
    let mut text = String::new();
    for (name, list) in lists {
        text.push_str(&format!(
            "{name}: {{\n    match-domain-list: {}\n    action: deny\n}}\n",
            list.display()
        ));
    }
    crate::folder::write(&rules.join("10-lists.policy"), &text, 0o644)
}

/// The `domains` and `domains.gz` files of a folder in the layout of squidGuard, by category, in the
/// order of their names; what is only linked is left out.
///
/// # Errors
///
/// If the folder cannot be read.
pub fn categories(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let lists = ["domains", "domains.gz"].map(|file| entry.path().join(file));
        if let Some(list) = lists.into_iter().find(|list| list.is_file()) {
            found.push((entry.file_name().to_string_lossy().into_owned(), list));
        }
    }
    found.sort();
    Ok(found)
}
