//! `[connectors.<name>]`: who may ask, with which key, from where; and that no two listeners of the
//! configuration want the same port.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use eg_proto::{ConnectorName, SharedKey};
use eg_settings::{Readers, SecretKeys, Settling, Table};
use ipnet::IpNet;

use super::keys::CONNECTORS;
use super::types::{Config, ConnectorConfig, Transport};

/// Where sockets lie that have no `path`.
const SOCKET_FOLDER: &str = "/run/enforcegate";

/// What the system takes as the path of a UNIX socket, without its terminator.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Settles all connectors; there is at least one.
pub(super) fn settle(settling: &mut Settling<'_>) -> Option<Vec<ConnectorConfig>> {
    let names = settling.names(CONNECTORS);
    if names.is_empty() {
        let message = "no connector may ask: add a table `[connectors.<name>]` with its `key_file`";
        settling.fault(message.to_owned());
        return None;
    }
    let settled: Vec<Option<ConnectorConfig>> = names
        .into_iter()
        .map(|name| connector(&mut settling.named(CONNECTORS, name), name))
        .collect();
    settled.into_iter().collect()
}

fn connector(table: &mut Table<'_>, name: &str) -> Option<ConnectorConfig> {
    let parsed = ConnectorName::parse(name).map_err(|fault| table.fault_of_all(fault.to_string()));
    let net = table.choice("net", &[("tcp", Transport::Tcp), ("socket", Transport::Socket)]);
    let ip = table.address("ip");
    let port = table.number("port");
    let path = table
        .optional_path("path")
        .unwrap_or_else(|| PathBuf::from(SOCKET_FOLDER).join(format!("{name}.sock")));
    let key = table.secret(&KEY, SharedKey::parse);
    let peers = match net? {
        Transport::Tcp => {
            table.refuse(&["path"], "belongs to `net = \"socket\"`; remove one of them");
            peers(table, ip)
        }
        Transport::Socket => {
            let why = "does not apply where `net` is `socket`: the mode of the socket's file says \
                       who may speak; remove it";
            table.refuse(&["ip", "port", "peers"], why);
            if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
                let message =
                    format!("the socket's path is longer than {SOCKET_PATH_BYTES_MAX} bytes");
                table.fault("path", message);
            }
            Some(Vec::new())
        }
    };
    Some(ConnectorConfig {
        name: parsed.ok()?,
        net: net?,
        ip: ip?,
        port: port?,
        path,
        key: key?.0,
        peers: peers?,
    })
}

/// The two ways to give a connector's key.
const KEY: SecretKeys = SecretKeys {
    inline: "key",
    file: "key_file",
    readers: Readers::Owner,
    what: "16 to 128 characters, the same on the connector",
};

/// The peers as given, or loopback where the listener is bound to loopback.
fn peers(table: &mut Table<'_>, ip: Option<IpAddr>) -> Option<Vec<IpNet>> {
    let Some(texts) = table.list("peers") else {
        return default_peers(table, ip?);
    };
    if texts.is_empty() {
        table.fault("peers", "`peers` is empty, so that nobody could speak".to_owned());
        return None;
    }
    let parsed: Vec<Option<IpNet>> = texts
        .iter()
        .map(|text| {
            let network = network(text);
            if network.is_none() {
                let message = format!("`{text}` in `peers` is neither an address nor a CIDR range");
                table.fault("peers", message);
            }
            network
        })
        .collect();
    parsed.into_iter().collect()
}

fn default_peers(table: &mut Table<'_>, ip: IpAddr) -> Option<Vec<IpNet>> {
    if !ip.is_loopback() {
        let message = format!(
            "`peers` is required in `{}`, since `ip` is {ip} and not loopback: name the addresses \
             that may speak, such as `peers = [\"192.0.2.7/32\"]`",
            table.label()
        );
        table.fault("peers", message);
        return None;
    }
    Some(["127.0.0.0/8", "::1/128"].into_iter().filter_map(|text| text.parse().ok()).collect())
}

/// An address or a CIDR range; host bits are cut off.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// A listener that the configuration asks for.
struct Wanted {
    label: String,
    address: SocketAddr,
}

/// Adds a fault for each two listeners that cannot both be bound.
pub(super) fn listeners_apart(config: &Config, settling: &mut Settling<'_>) {
    let mut wanted: Vec<Wanted> = Vec::new();
    for connector in &config.connectors {
        match connector.net {
            Transport::Tcp => {}
            // Tables with equal `path` share one listener, and nothing else listens on paths.
            Transport::Socket => continue,
        }
        let address = SocketAddr::new(connector.ip, connector.port);
        // Tables with equal `ip` and `port` share one listener.
        if !wanted.iter().any(|other| other.address == address) {
            let label = format!("[connectors.{}]", connector.name.as_str());
            wanted.push(Wanted { label, address });
        }
    }
    wanted.push(Wanted { label: "[control]".to_owned(), address: config.control.address });
    wanted.extend(
        config.metrics.listen.map(|address| Wanted { label: "[metrics]".to_owned(), address }),
    );
    for (index, one) in wanted.iter().enumerate() {
        for other in wanted.iter().skip(index + 1).filter(|other| clash(one.address, other.address))
        {
            let message = format!(
                "`{}` listens on {} and `{}` on {}; give one of them another port",
                one.label, one.address, other.label, other.address
            );
            settling.fault(message);
        }
    }
}

/// Whether two addresses cannot both be bound.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4()
            && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() == other.port() && covers
}
