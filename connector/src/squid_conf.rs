//! `--squid-conf`: the lines for squid.conf, from the same lists of fields that `rewrite::line` and
//! `acl::line` read. What they do was measured on Squid 5.7.
//!
//! INVARIANT: in note mode the last gate line denies all, so whatever a helper says that is not a
//! permit, and a helper that says nothing, closes. The last line of `ssl_bump` terminates.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_proto::{Action, Inspect, Route, Routes, Terms};

use crate::acl;
use crate::config::{Answer, Config};
use crate::inflight::SLOTS_MAX;
use crate::rewrite::{Portal, extras};

/// Requests that Squid may have with one helper at once. Enough for two seconds at 700 a second
/// while an engine restarts, and well below what the connector holds.
const CONCURRENCY: usize = 1_500;

/// Requests that may wait in Squid for a free place; none should ever.
const QUEUE_SIZE: usize = 2 * CONCURRENCY;

const _: () = assert!(CONCURRENCY <= SLOTS_MAX, "Squid must not wait for the connector's table");

/// What the lines depend on.
#[derive(Debug)]
pub(crate) struct Settings {
    program: PathBuf,
    config: PathBuf,
    answer: Answer,
    inspect: Inspect,
    answer_timeout: Duration,
}

impl Settings {
    pub(crate) fn of(config: &Config, program: &Path, config_path: &Path) -> Result<Self, String> {
        // Squid starts its helpers in a folder of its own.
        let config_path = std::path::absolute(config_path).map_err(|fault| {
            format!("cannot tell where `{}` is: {fault}", config_path.display())
        })?;
        Ok(Self {
            program: word(program)?,
            config: word(&config_path)?,
            answer: config.connector.answer.clone(),
            inspect: config.connector.inspect,
            answer_timeout: config.connector.answer_timeout,
        })
    }
}

/// A path that Squid reads as one word: it cuts lines at blanks, and gives quotes, `%`, `#`, `$` and
/// backslashes meanings of its own.
fn word(path: &Path) -> Result<PathBuf, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:,=~".contains(&byte);
    if path.as_os_str().as_bytes().iter().all(|&byte| plain(byte)) {
        return Ok(path.to_owned());
    }
    Err(format!(
        "the path `{}` cannot stand in squid.conf; use one of ASCII letters, digits and `/._-+@:,=~`",
        path.display()
    ))
}

/// Where the portal's pages are.
#[derive(Debug)]
pub(crate) struct Pages(Portal);

impl Pages {
    pub(crate) fn of(terms: &Terms) -> Result<Self, String> {
        Portal::of(terms).map(Self).ok_or_else(|| {
            format!(
                "the portal's address `{}` with status {} cannot stand in squid.conf",
                terms.base_url, terms.redirect_status
            )
        })
    }

    pub(crate) fn below(base_url: &str, redirect_status: u16) -> Result<Self, String> {
        Self::of(&Terms {
            base_url: base_url.to_owned(),
            routes: Routes::default(),
            redirect_status,
            engine: String::new(),
            keepalive_ms: 0,
            in_flight_max: 0,
            tokens: Vec::new(),
        })
    }
}

/// The whole snippet.
pub(crate) fn print(settings: &Settings, pages: &Pages) -> String {
    let mut out = String::from(
        "# EnforceGate: lines for squid.conf, made by enforcegate-squid-connector --squid-conf.\n\
         # Put them before other adapted_http_access lines. A change of policy never needs a\n\
         # reconfigure of Squid; a change of base_url or redirect_status needs these lines anew.\n\n",
    );
    out.push_str(&helper(settings));
    match &settings.answer {
        Answer::Note => out.push_str(&gate(pages)),
        Answer::Redirect { .. } => out.push_str(
            "\n# WARNING: answer = \"redirect\" has no gate. Squid lets a request pass when a helper\n\
             # dies, errs or answers something that it cannot read. Use answer = \"note\" wherever\n\
             # adapted_http_access can be set.\n",
        ),
    }
    out.push_str(&inspection(settings));
    out
}

fn helper(settings: &Settings) -> String {
    // Longer than the connector's own deadline, so that the connector's answer comes first.
    let seconds = settings.answer_timeout.as_millis().div_ceil(1_000) + 1;
    let (program, config) = (settings.program.display(), settings.config.display());
    let extras = extras();
    format!(
        "url_rewrite_program {program} -c {config}\n\
         url_rewrite_children 4 startup=2 idle=2 concurrency={CONCURRENCY} \
         queue-size={QUEUE_SIZE} on-persistent-overload=ERR\n\
         url_rewrite_timeout {seconds} seconds on_timeout=fail\n\
         url_rewrite_extras \"{extras}\"\n\
         url_rewrite_access allow all\n\
         url_rewrite_bypass off\n"
    )
}

fn gate(Pages(portal): &Pages) -> String {
    let mut out = String::from(
        "\n# The gate: only a request that carries the note of a permit goes on. The order counts.\n",
    );
    let blocking = Route::ALL.iter().map(|&route| (route, route.action().word()));
    for word in blocking.clone().map(|(_, word)| word).chain([Action::Permit.word()]) {
        out.push_str(&format!("acl eg_{word} note eg_verdict_ {word}\n"));
    }
    let status = portal.status();
    for (route, word) in blocking.clone() {
        let page = portal.page(route);
        out.push_str(&format!("deny_info {status}:{page}@Squid{{%note{{eg_token_}}}} eg_{word}\n"));
    }
    for (_, word) in blocking {
        out.push_str(&format!("adapted_http_access deny eg_{word}\n"));
    }
    out.push_str("adapted_http_access allow eg_permit\nadapted_http_access deny all\n");
    out
}

fn inspection(settings: &Settings) -> String {
    let what = match settings.inspect {
        Inspect::Off => {
            return String::from(
                "\n# inspect = \"off\": a blocked https site shows the browser's own tunnel error.\n",
            );
        }
        Inspect::Peek => {
            "# inspect = \"peek\": for an http_port with ssl-bump and your inspection CA. A blocked\n\
             # https site shows the portal's page inside TLS; a permitted tunnel stays private unless a\n\
             # rule says tls: bump.\n"
        }
        Inspect::Bump => {
            "# inspect = \"bump\": for an http_port with ssl-bump and your inspection CA. A tunnel is\n\
             # decrypted, and each request inside is asked about, unless a rule says tls: splice.\n"
        }
    };
    format!("\n{what}{}{BUMP}", second_role(settings))
}

/// What an engine says of a TLS connection holds for that connection alone, so nothing is kept.
fn second_role(settings: &Settings) -> String {
    let (program, config) = (settings.program.display(), settings.config.display());
    let format = acl::format();
    format!(
        "external_acl_type eg_tls ttl=0 negative_ttl=0 children-max=4 children-startup=2 \
         children-idle=2 concurrency={CONCURRENCY} queue-size={QUEUE_SIZE} {format} {program} --acl \
         -c {config}\n"
    )
}

/// The order counts: the first line that asks is the only one, and a word that is none of the three
/// ends the connection. Squid 5.7 splices where the helper dies or says `BH`, whatever the lines say;
/// the first role is asked about every spliced tunnel, and refuses it where it was not to be spliced.
///
/// A permit may count on what Squid asks later. On a port without `ssl-bump` it asks nothing, and
/// `miss_access` is looked at for the very CONNECT that waits; on one with it, for another request,
/// except where Squid fetches the server's certificate to decrypt.
const BUMP: &str = "acl eg_asked external eg_tls
acl eg_step1 at_step SslBump1
acl eg_terminate note eg_tls_ terminate
acl eg_bump note eg_tls_ bump
acl eg_splice note eg_tls_ splice
ssl_bump peek eg_step1
ssl_bump terminate eg_asked eg_terminate
ssl_bump bump eg_bump
ssl_bump splice eg_splice
ssl_bump terminate all
on_unsupported_protocol respond all
acl eg_waits note eg_waits_ yes
miss_access deny eg_waits !eg_bump
";

#[cfg(test)]
#[path = "squid_conf_tests.rs"]
mod tests;
