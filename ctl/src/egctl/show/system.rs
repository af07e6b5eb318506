//! The engine itself.

use std::io;

use eg_proto::control::system::{
    Clock, Database, LogTail, Restarting, Status, ThreadRow, Threads, UriEngine, Version,
};

use super::super::screen::{Mark, Screen, bytes, duration};
use super::commit::unconfirmed;

pub(super) fn status(screen: &mut Screen<'_>, found: &Status) -> io::Result<()> {
    let Status {
        engine,
        uptime_s,
        pid,
        resident,
        store,
        api,
        api_connections,
        api_connections_max,
        sessions,
        sessions_max,
        revision,
        digest,
        rules,
        names,
        since,
        unconfirmed: waits,
        audit,
        weakenings,
    } = found;
    let uptime = duration(*uptime_s);
    screen.fields(&[
        ("Engine", Some(format!("{engine} for {uptime}, process {pid}, {}", bytes(*resident)))),
        ("Store", Some(store.clone())),
        ("Control API", Some(api.join(", "))),
        ("Connections", Some(format!("{api_connections} of {api_connections_max}"))),
        ("Sessions", Some(format!("{sessions} of {sessions_max}"))),
        ("Policy", Some(format!("revision {revision}, {rules} rules, {names} names"))),
        ("Digest", Some(digest.clone())),
        ("Live since", Some(since.clone())),
        ("Audit", Some(audit.clone())),
    ])?;
    if let Some(waits) = waits {
        unconfirmed(screen, waits)?;
    }
    for sentence in weakenings {
        screen.field(12, "Weakening", Mark::Beware, sentence)?;
    }
    Ok(())
}

pub(super) fn version(screen: &mut Screen<'_>, found: &Version) -> io::Result<()> {
    let Version { engine, defendr, store, scanner } = found;
    let defendr: Vec<String> = defendr.iter().map(ToString::to_string).collect();
    screen.fields(&[
        ("Engine", Some(engine.clone())),
        ("Defendr", Some(defendr.join(", "))),
        ("Store", Some(store.clone())),
        ("Scanner", Some(scanner.clone())),
        ("egctl", Some(eg_settings::version().to_owned())),
    ])
}

pub(super) fn clock(screen: &mut Screen<'_>, found: &Clock) -> io::Result<()> {
    let Clock { local, utc, zone, time_window_tz, synchronised } = found;
    let synchronised = match synchronised {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    screen.fields(&[
        ("Local time", Some(local.clone())),
        ("UTC", Some(utc.clone())),
        ("Zone", Some(zone.clone())),
        ("time_window_tz", Some(time_window_tz.clone())),
        ("Synchronised", Some(synchronised.to_owned())),
    ])
}

pub(super) fn log(screen: &mut Screen<'_>, found: &LogTail) -> io::Result<()> {
    found.lines.iter().try_for_each(|line| screen.line(line))
}

pub(super) fn database(screen: &mut Screen<'_>, found: &Database) -> io::Result<()> {
    let Database { file, state, version, schema, bytes: own, wal_bytes, tables, sets } = found;
    screen.fields(&[
        ("File", Some(file.clone())),
        ("State", Some(state.clone())),
        ("DuckDB", Some(version.clone())),
        ("Schema", Some(schema.to_string())),
        ("Size", Some(format!("{}, and {} of changes", bytes(*own), bytes(*wal_bytes)))),
        ("Sets", Some(format!("{} files, {}", sets.files, bytes(sets.bytes)))),
    ])?;
    let rows = tables.iter().map(|table| vec![table.name.clone(), table.rows.to_string()]);
    screen.table(&["Table", "Rows"], rows.collect(), "no tables")
}

pub(super) fn threads(screen: &mut Screen<'_>, found: &Threads) -> io::Result<()> {
    let row = |thread: &ThreadRow| {
        let ThreadRow { id, name, state, cpu_ms, processor } = thread;
        let cpu = format!("{}.{:03} s", cpu_ms / 1000, cpu_ms % 1000);
        vec![id.to_string(), name.clone(), state.clone(), cpu, processor.to_string()]
    };
    let rows = found.threads.iter().map(row).collect();
    screen.table(&["Id", "Thread", "State", "Processor time", "On"], rows, "no threads")
}

pub(super) fn uri_engine(screen: &mut Screen<'_>, found: &UriEngine) -> io::Result<()> {
    let UriEngine {
        domain_backend,
        names,
        name_bytes,
        regex_backend,
        regex_version,
        patterns,
        lowered,
        fallback,
        shards,
        compared,
        differed,
    } = found;
    let each = name_bytes.checked_div(*names).unwrap_or_default();
    screen.fields(&[
        ("Names", Some(format!("{names} in {domain_backend}"))),
        ("Memory", Some(format!("{}, {each} bytes a name", bytes(*name_bytes)))),
        ("Regexes", Some(format!("{patterns} by {regex_backend} {regex_version}"))),
        ("Looked up", Some(format!("{lowered} that are something simpler"))),
        ("Slower scanner", Some(fallback.to_string())),
        ("Shards", Some(shards.to_string())),
        ("Compared", Some(format!("{compared} verdicts, {differed} differed"))),
    ])
}

pub(super) fn restarting(screen: &mut Screen<'_>, found: &Restarting) -> io::Result<()> {
    screen.line(&found.detail)
}
