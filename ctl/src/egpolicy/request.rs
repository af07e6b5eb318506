//! A request on the command line.

use std::net::IpAddr;

use clap::ValueEnum;
use eg_policy::explain::{InspectWord, PhaseWord, RequestSpec};

/// One request. What is not said is not sent.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RequestArgs {
    /// `http://host/path`, or `host:port` for a CONNECT.
    url: String,
    /// The client's address; 127.0.0.1 where it is not given.
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// The user that the proxy authenticated.
    #[arg(long)]
    user: Option<String>,
    /// The method; GET, or CONNECT for `host:port`.
    #[arg(long)]
    method: Option<String>,
    /// The User-Agent.
    #[arg(long, value_name = "UA")]
    user_agent: Option<String>,
    /// The Referer.
    #[arg(long)]
    referer: Option<String>,
    /// The server name of the TLS connection.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// The CONNECT that a request inside a decrypted tunnel came through.
    #[arg(long, value_name = "HOST:PORT")]
    connect: Option<String>,
    /// When Squid asks; follows from the rest where it is not given.
    #[arg(long, value_enum)]
    phase: Option<PhaseArg>,
    /// How Squid looks into TLS; `off` where it is not given.
    #[arg(long, value_enum)]
    inspect: Option<InspectArg>,
}

/// When Squid asks.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PhaseArg {
    /// At the CONNECT.
    Connect,
    /// When the first message of TLS was read.
    Hello,
    /// A plain request, or one inside a decrypted tunnel.
    Request,
}

/// How Squid looks into TLS.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum InspectArg {
    /// Not at all.
    Off,
    /// It reads the first message.
    Peek,
    /// It decrypts.
    Bump,
}

impl RequestArgs {
    /// The request that the arguments say.
    pub(super) fn spec(&self) -> RequestSpec {
        let Self { url, source, user, method, user_agent, referer, sni, connect, phase, inspect } =
            self.clone();
        let phase = phase.map(|phase| match phase {
            PhaseArg::Connect => PhaseWord::Connect,
            PhaseArg::Hello => PhaseWord::Hello,
            PhaseArg::Request => PhaseWord::Request,
        });
        let inspect = inspect.map(InspectArg::word);
        RequestSpec { url, source, user, method, user_agent, referer, sni, connect, phase, inspect }
    }
}

impl InspectArg {
    /// The word of it.
    pub(super) const fn word(self) -> InspectWord {
        match self {
            Self::Off => InspectWord::Off,
            Self::Peek => InspectWord::Peek,
            Self::Bump => InspectWord::Bump,
        }
    }
}
