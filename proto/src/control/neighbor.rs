//! Neighbors: the sessions of connectors, as operators see them.

use serde::{Deserialize, Serialize};

/// `GET neighbors`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Neighbors {
    /// By name, one row a connector of the configuration, with or without a session.
    pub neighbors: Vec<Neighbor>,
    /// Attempts that were refused since the engine's start, by reason; those that never happened are
    /// left out.
    pub refused: Vec<RefusedRow>,
    /// Sessions that are open.
    pub sessions: u64,
    /// Sessions that may be open.
    pub sessions_max: u64,
}

/// One connector of the configuration and its sessions together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Neighbor {
    /// The connector's name.
    pub name: String,
    /// How many sessions it has.
    pub sessions: u64,
    /// How long the oldest of them is open, in seconds.
    pub uptime_s: Option<u64>,
    /// What its open sessions have done.
    pub work: Work,
}

/// What a session, or several, have done since they were opened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Work {
    /// Requests that were answered.
    pub requests: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Verdicts that permit.
    pub permit: u64,
    /// Verdicts that deny.
    pub deny: u64,
    /// Verdicts that warn.
    pub warn: u64,
    /// Verdicts that ask for consent to a usage policy.
    pub aup: u64,
    /// From the moment that a batch is read to the moment that its answers are ready to be sent.
    pub latency: Latency,
}

/// Times of batches, in microseconds. Quantiles come from buckets and are right to a quarter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Latency {
    /// Half of the batches took no longer.
    pub p50_us: u64,
    /// 95 of 100.
    pub p95_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// The longest one.
    pub max_us: u64,
}

/// Attempts that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusedRow {
    /// The reason, as in log and trail.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// `GET neighbors/NAME`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NeighborDetail {
    /// The connector's name.
    pub name: String,
    /// Where it may come from.
    pub peers: Vec<String>,
    /// The listener, `tcp:127.0.0.1:11224` or `unix:/run/one.sock`.
    pub listener: String,
    /// Its sessions, oldest first.
    pub sessions: Vec<SessionRow>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionRow {
    /// Its number in this run of the engine.
    pub session: u64,
    /// The other end.
    pub peer: String,
    /// How its Squid looks into TLS: `off`, `peek` or `bump`.
    pub inspect: String,
    /// The version of Defendr that it speaks.
    pub defendr: u16,
    /// How long it is open, in seconds.
    pub uptime_s: u64,
    /// Since when nothing came, in seconds.
    pub idle_s: u64,
    /// What it has done.
    pub work: Work,
}

/// `POST neighbors/NAME/teardown`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TeardownRequest {
    /// This session alone; all of the neighbor where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
}

/// What a teardown did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Teardown {
    /// Sessions that were told to end. Their connectors are answered first, and connect anew.
    pub ended: u64,
}
