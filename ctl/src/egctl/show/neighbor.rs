//! Connectors and their sessions.

use std::io;

use eg_proto::control::neighbor::{
    Latency, Neighbor, NeighborDetail, Neighbors, SessionRow, Teardown, Work,
};

use super::super::screen::{Screen, duration, micros};

pub(super) fn summary(screen: &mut Screen<'_>, found: &Neighbors) -> io::Result<()> {
    let Neighbors { neighbors, refused, sessions, sessions_max } = found;
    screen.line(&format!("Sessions: {sessions} of {sessions_max}"))?;
    let row = |neighbor: &Neighbor| {
        let Neighbor { name, sessions, uptime_s, work } = neighbor;
        let uptime = uptime_s.map_or_else(|| "-".to_owned(), duration);
        let mut row = vec![name.clone(), sessions.to_string(), uptime];
        row.extend(worked(work));
        row
    };
    let header = [
        "Neighbor", "Sessions", "Uptime", "Requests", "Permit", "Deny", "Warn", "Aup", "p50", "p99",
    ];
    screen.table(&header, neighbors.iter().map(row).collect(), "no connectors are configured")?;
    if refused.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let rows = refused.iter().map(|row| vec![row.reason.clone(), row.count.to_string()]);
    screen.table(&["Refused because of", "Attempts"], rows.collect(), "")
}

fn worked(work: &Work) -> Vec<String> {
    let Work { requests, batches: _, permit, deny, warn, aup, latency } = work;
    let mut row: Vec<String> =
        [requests, permit, deny, warn, aup].into_iter().map(ToString::to_string).collect();
    row.extend([micros(latency.p50_us), micros(latency.p99_us)]);
    row
}

pub(super) fn detail(screen: &mut Screen<'_>, found: &NeighborDetail) -> io::Result<()> {
    let NeighborDetail { name, peers, listener, sessions } = found;
    screen.fields(&[
        ("Neighbor", Some(name.clone())),
        ("Listener", Some(listener.clone())),
        ("May come from", Some(peers.join(", "))),
        ("Sessions", Some(sessions.len().to_string())),
    ])?;
    sessions.iter().try_for_each(|row| session(screen, row))
}

fn session(screen: &mut Screen<'_>, row: &SessionRow) -> io::Result<()> {
    let SessionRow { session, peer, inspect, defendr, uptime_s, idle_s, work } = row;
    let Work { requests, batches, permit, deny, warn, aup, latency } = work;
    let Latency { p50_us, p95_us, p99_us, max_us } = latency;
    screen.line("")?;
    screen.head(&format!("Session {session}"))?;
    screen.fields(&[
        ("Peer", Some(peer.clone())),
        ("Connector", Some(format!("Defendr {defendr}, inspects TLS: {inspect}"))),
        ("Uptime", Some(format!("{}, idle for {}", duration(*uptime_s), duration(*idle_s)))),
        ("Requests", Some(format!("{requests} in {batches} batches"))),
        ("Verdicts", Some(format!("{permit} permit, {deny} deny, {warn} warn, {aup} aup"))),
        (
            "Latency",
            Some(format!(
                "p50 {}, p95 {}, p99 {}, longest {}",
                micros(*p50_us),
                micros(*p95_us),
                micros(*p99_us),
                micros(*max_us)
            )),
        ),
    ])
}

pub(super) fn teardown(screen: &mut Screen<'_>, found: &Teardown) -> io::Result<()> {
    screen.line(&format!("sessions told to end: {}", found.ended))
}
