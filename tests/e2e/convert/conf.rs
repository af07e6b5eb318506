//! The configuration, who asks, and when.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

/// Twenty categories of UT1: lists of names, of URLs, and of expressions.
pub(super) const CATEGORIES: [&str; 20] = [
    "adult",
    "agressif",
    "audio-video",
    "bank",
    "blog",
    "dating",
    "download",
    "drogue",
    "filehosting",
    "forums",
    "gambling",
    "games",
    "manga",
    "press",
    "publicite",
    "shopping",
    "social_networks",
    "special",
    "sports",
    "webmail",
];

/// The files that a category may have, and the words for them.
const FILES: [(&str, &str); 3] =
    [("domains", "domainlist"), ("urls", "urllist"), ("expressions", "expressionlist")];

const HEAD: &str = "time work {
    weekly mtwhf 08:00-16:30
    date 2026.12.24 12:00-24:00
}
time night {
    weekly * 00:00-06:00 20:00 - 24:00
}
src admin {
    ip 10.1.0.10 10.1.0.11
}
src teachers {
    userlist teachers
    user dora, Emil
}
src staff {
    ip 10.2.0.0/16
}
src kids {
    ip 10.3.0.0-10.3.0.255
}
src lab {
    ip 10.4.0.0/255.255.0.0
    within night
}
src plain {
    ip 10.5.0.0/16
}
src office {
    ip 10.6.0.0/16
    user frank
}
src first {
    ip 10.7.0.0/16
    continue
}
src rest {
    ip 10.0.0.0/8
}
";

const ACL: &str = "acl {
    admin {
        pass any
    }
    teachers {
        pass !adult !gambling
        redirect http://portal.example/teachers
    }
    staff within work {
        pass press !in-addr !social_networks !shopping !games !publicite any
    } else {
        pass !gambling !special any
        redirect 302:http://portal.example/staff?u=%u
    }
    kids outside work {
        pass audio-video webmail none
    }
    lab {
        pass none
    }
    office {
        pass !publicite !in-addr any
    }
    first {
        pass shopping !publicite !social_networks any
    }
    rest {
        pass bank press !ALL none
    }
    default {
        pass !in-addr !ALL all
        redirect http://portal.example/blocked?t=%t&u=%u
    }
}
";

/// Who asks: an address and what Squid says of the user.
const ASKERS: [(&str, &str); 15] = [
    ("10.1.0.10", "-"),
    ("10.1.0.12", "-"),
    ("10.9.0.1", "alice"),
    ("192.0.2.5", "emil"),
    ("192.0.2.5", "EMIL"),
    ("192.0.2.6", "nobody"),
    ("10.2.3.4", "-"),
    ("10.2.255.255", "-"),
    ("10.3.0.200", "-"),
    ("10.4.9.9", "-"),
    ("10.5.0.1", "-"),
    ("10.6.0.1", "frank"),
    ("10.6.0.1", "gina"),
    ("10.7.1.1", "-"),
    ("192.0.2.7", "-"),
];

/// A moment as both filters are told it; the zone is UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    /// For `squidGuard -t`.
    pub(super) text: &'static str,
    /// Seconds since 1970.
    pub(super) unix_seconds: i64,
}

const MOMENTS: [When; 3] = [
    // A Friday at noon, a Saturday night, and a date that is in the configuration.
    When { text: "2026-11-27T12:00:00", unix_seconds: 1_795_780_800 },
    When { text: "2026-11-28T23:30:00", unix_seconds: 1_795_908_600 },
    When { text: "2026-12-24T17:00:00", unix_seconds: 1_798_131_600 },
];

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) url: String,
    pub(super) client: &'static str,
    pub(super) user: String,
}

/// Writes the configuration over the lists as they were unpacked.
pub(super) fn write(conf: &Path, home: &Path) -> Result<()> {
    // An entry below another one, in which squidGuard loses the neighbours.
    let mut shopping = std::fs::read(home.join("shopping/domains"))?;
    shopping.extend_from_slice(b"aaa.amazon.com\n");
    std::fs::write(home.join("shopping/domains"), shopping)?;
    std::fs::write(home.join("teachers"), "# our teachers\nAlice bert\ncarl:x:1000\n")?;
    let mut text = format!("dbhome {0}\nlogdir {0}\n{HEAD}", home.display());
    for name in CATEGORIES {
        writeln!(text, "dest {name} {{")?;
        for (file, word) in FILES {
            if home.join(name).join(file).is_file() {
                writeln!(text, "    {word} {name}/{file}")?;
            }
        }
        if name == "games" {
            writeln!(text, "    within work\n    redirect http://portal.example/games")?;
        }
        writeln!(text, "}}")?;
    }
    let all: Vec<_> = CATEGORIES.iter().map(|name| format!("!{name}")).collect();
    text.push_str(&ACL.replace("!ALL", &all.join(" ")));
    Ok(std::fs::write(conf, text)?)
}

/// Every entry of the lists of URLs as a request: itself, or with one of the changes that the two filters
/// may see differently.
pub(super) fn listed_urls(home: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in CATEGORIES {
        let path = home.join(name).join("urls");
        let text = if path.is_file() { std::fs::read(path)? } else { Vec::new() };
        for entry in String::from_utf8_lossy(&text).split_whitespace() {
            let (host, path) = entry.split_at(entry.find('/').unwrap_or(entry.len()));
            found.push(match found.len() % 7 {
                0 => format!("http://{entry}"),
                1 => format!("https://www.{entry}?x=1"),
                2 => format!("http://{host}{}", path.to_uppercase()),
                3 => format!("http://{host}:8080{path}"),
                4 => format!("http://sub.{entry}"),
                5 => format!("http://{entry}x/y"),
                _ => format!("http://{host}{}", path.replace('a', "%61")),
            });
        }
    }
    Ok(found)
}

/// The requests of each moment: spread evenly over all, each with another client.
pub(super) fn requests(urls: &[String], wanted: usize) -> Vec<(When, Vec<Line>)> {
    // Squid hands on no longer ones, and squidGuard answers them several times.
    let usable: Vec<&String> =
        urls.iter().filter(|url| url.len() < 4_000 && url.is_ascii()).collect();
    let step = (usable.len() / wanted).max(1);
    let chosen = usable.iter().step_by(step).take(wanted);
    let mut found: Vec<(When, Vec<Line>)> =
        MOMENTS.iter().map(|when| (*when, Vec::new())).collect();
    for (index, url) in chosen.enumerate() {
        let (client, user) = ASKERS[index % ASKERS.len()];
        let moment = index / ASKERS.len() % MOMENTS.len();
        found[moment].1.push(Line { url: (*url).clone(), client, user: user.to_owned() });
    }
    found
}
