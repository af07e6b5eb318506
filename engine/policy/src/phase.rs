//! When Squid asks, and what is known then: one table (SPEC 4, ADR 0016).
//!
//! Squid asks up to four times about one connection, and each call knows less or more. The code asks
//! this table, and the table of the manual is made from it.

/// When Squid asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A CONNECT before the `ClientHello`: host and port, no path, no SNI.
    Connect,
    /// The SNI is known, or known to be absent; the user agent is lost.
    Hello,
    /// Plain http, or inside a decrypted tunnel: everything is known.
    Request,
}

impl Phase {
    /// Every phase, in their order.
    pub const ALL: [Self; 3] = [Self::Connect, Self::Hello, Self::Request];

    /// The word in the audit trail and the manual.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Request => "request",
        }
    }
}

/// What rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Scheme, host and port of the request, and whether it is a CONNECT.
    Host,
    /// Path and query.
    Path,
    /// The method of what is asked for: inside a tunnel, that of each request.
    InnerMethod,
    /// The client's address and user.
    Client,
    /// The server name of the `ClientHello`.
    Sni,
    /// The host of the CONNECT, beside that of the request.
    ConnectHost,
    /// The Host of a request inside a tunnel.
    InnerHost,
    /// The User-Agent.
    UserAgent,
    /// The Referer.
    Referer,
}

/// Where a part is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Knowledge {
    /// The call itself tells.
    Itself,
    /// Only what an earlier call told, by the tag of the client connection.
    Earlier,
    /// The call itself, or else what an earlier one told.
    Either,
    /// It is not known.
    Never,
}

impl Knowledge {
    /// What the manual says.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Itself => "known",
            Self::Earlier => "by the tag",
            Self::Either => "known, or by the tag",
            Self::Never => "unknown",
        }
    }
}

impl Part {
    /// Every part, in the order of the manual.
    pub const ALL: [Self; 9] = [
        Self::Host,
        Self::Path,
        Self::InnerMethod,
        Self::Client,
        Self::Sni,
        Self::ConnectHost,
        Self::InnerHost,
        Self::UserAgent,
        Self::Referer,
    ];

    /// THE table: what is known when.
    #[must_use]
    pub const fn knowledge(self, phase: Phase) -> Knowledge {
        match (self, phase) {
            (Self::Host | Self::Client, Phase::Connect | Phase::Hello | Phase::Request)
            | (Self::Path | Self::InnerMethod | Self::Referer, Phase::Request)
            | (Self::UserAgent, Phase::Connect | Phase::Request)
            | (Self::Sni, Phase::Hello) => Knowledge::Itself,
            (Self::Sni, Phase::Request) => Knowledge::Either,
            (Self::UserAgent, Phase::Hello)
            | (Self::ConnectHost | Self::InnerHost, Phase::Request) => Knowledge::Earlier,
            (
                Self::Path
                | Self::InnerMethod
                | Self::Referer
                | Self::InnerHost
                | Self::ConnectHost,
                Phase::Connect | Phase::Hello,
            )
            | (Self::Sni, Phase::Connect) => Knowledge::Never,
        }
    }

    /// What the manual calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Host => "scheme, host and port",
            Self::Path => "path and query",
            Self::InnerMethod => "the method",
            Self::Client => "the client",
            Self::Sni => "server name (SNI)",
            Self::ConnectHost => "a CONNECT host beside the host",
            Self::InnerHost => "whether the Host inside fits the tunnel",
            Self::UserAgent => "User-Agent",
            Self::Referer => "Referer",
        }
    }

    /// The attributes that look at it.
    #[must_use]
    pub const fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[
                "match-domain",
                "match-domain-list",
                "match-destination",
                "match-uri",
                "match-port",
                "match-method: CONNECT",
                "application",
                "match-anomaly: ip-literal, mixed-script",
            ],
            Self::Path => &["match-uri", "match-uri-regex"],
            Self::InnerMethod => &["match-method"],
            Self::Client => &["match-source", "match-user"],
            Self::Sni => &[
                "match-sni",
                "match-sni-regex",
                "match-domain",
                "match-domain-list",
                "match-uri",
                "match-anomaly: no-sni, sni-mismatch",
            ],
            Self::ConnectHost => &[
                "match-domain",
                "match-domain-list",
                "match-destination",
                "match-uri",
                "match-port",
            ],
            Self::InnerHost => &["match-anomaly: host-mismatch"],
            Self::UserAgent => &["match-user-agent", "match-user-agent-regex"],
            Self::Referer => &["match-referer-regex"],
        }
    }
}

/// The table as a table of the manual.
#[must_use]
pub fn table() -> String {
    let mut rows =
        String::from("| what | connect | hello | request | attributes |\n|---|---|---|---|---|\n");
    for part in Part::ALL {
        let known = Phase::ALL.map(|phase| part.knowledge(phase).word()).join(" | ");
        let attributes: Vec<_> =
            part.attributes().iter().map(|attribute| format!("`{attribute}`")).collect();
        rows.push_str(&format!("| {} | {known} | {} |\n", part.title(), attributes.join(", ")));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Anomaly;
    use crate::guard::PORTAL_PAGES;

    const START: &str =
        "<!-- phases: made from engine/policy/src/phase.rs and checked by a test -->\n";
    const END: &str = "<!-- end of phases -->\n";

    fn path(page: &str) -> std::path::PathBuf {
        crate::real_data::in_tree("docs/manual").join(page)
    }

    /// `EG_WRITE_MANUAL=1` writes it.
    #[test]
    fn the_manual_has_the_table() {
        let page = std::fs::read_to_string(path("policy.md")).unwrap();
        let (before, rest) = page.split_once(START).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        if std::env::var_os("EG_WRITE_MANUAL").is_some() {
            let page = [before, START, &table(), END, after].concat();
            std::fs::write(path("policy.md"), page).unwrap();
        } else {
            assert_eq!(found, table(), "run the test with EG_WRITE_MANUAL=1");
        }
    }

    #[test]
    fn the_manual_names_each_anomaly_and_each_page_of_the_portal() {
        let page = std::fs::read_to_string(path("policy.md")).unwrap();
        for anomaly in Anomaly::ALL {
            assert!(page.contains(&format!("| `{}` | ", anomaly.word())), "{anomaly:?}");
        }
        for own in PORTAL_PAGES {
            assert!(page.contains(&format!("`{own}`")), "{own}");
        }
    }

    /// The rows of the corpus that are a choice of policy: each is written down.
    #[test]
    fn the_manual_says_what_was_chosen() {
        let page = std::fs::read_to_string(path("evasions.md")).unwrap();
        for row in [
            "A13", "A14", "B11", "C16", "C17", "D01", "D11", "D12", "D19", "D20", "D23", "D24",
            "D27", "D29", "D31", "D33", "D35", "E01", "E08", "G17", "G20", "G21", "G23", "G24",
            "I01", "I02", "I03",
        ] {
            let said = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
            let is_there = said.flat_map(|rows| rows.split(", ")).any(|own| own == row);
            assert!(is_there, "{row}");
        }
    }

    /// What a request cannot tell in its phase, no answer tells.
    #[test]
    fn each_phase_knows_what_its_row_says() {
        use Knowledge::{Earlier, Either, Itself, Never};
        for (part, expected) in [
            (Part::Host, [Itself, Itself, Itself]),
            (Part::Path, [Never, Never, Itself]),
            (Part::InnerMethod, [Never, Never, Itself]),
            (Part::Client, [Itself, Itself, Itself]),
            (Part::Sni, [Never, Itself, Either]),
            (Part::ConnectHost, [Never, Never, Earlier]),
            (Part::InnerHost, [Never, Never, Earlier]),
            (Part::UserAgent, [Itself, Earlier, Itself]),
            (Part::Referer, [Never, Never, Itself]),
        ] {
            assert_eq!(Phase::ALL.map(|phase| part.knowledge(phase)), expected, "{part:?}");
        }
    }
}
