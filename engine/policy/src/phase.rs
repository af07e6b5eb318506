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
    /// Scheme, host, port and method of the request.
    Host,
    /// Path and query.
    Path,
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
    pub const ALL: [Self; 8] = [
        Self::Host,
        Self::Path,
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
            | (Self::Path | Self::Referer, Phase::Request)
            | (Self::UserAgent, Phase::Connect | Phase::Request)
            | (Self::Sni, Phase::Hello) => Knowledge::Itself,
            (Self::Sni, Phase::Request) => Knowledge::Either,
            (Self::UserAgent, Phase::Hello)
            | (Self::ConnectHost | Self::InnerHost, Phase::Request) => Knowledge::Earlier,
            (
                Self::Path | Self::Referer | Self::InnerHost | Self::ConnectHost,
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
                "application",
                "match-anomaly: ip-literal, mixed-script",
            ],
            Self::Path => &["match-uri", "match-uri-regex"],
            Self::Client => &["match-source"],
            Self::Sni => &[
                "match-sni",
                "match-sni-regex",
                "match-domain",
                "match-domain-list",
                "match-uri",
                "match-anomaly: no-sni, sni-mismatch",
            ],
            Self::ConnectHost => {
                &["match-domain", "match-domain-list", "match-destination", "match-uri"]
            }
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
