//! Puts the version in four parts together: the workspace's and the build number.

fn main() {
    println!("cargo:rerun-if-env-changed=EG_BUILD");
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let build = std::env::var("EG_BUILD").unwrap_or_else(|_| "0".to_owned());
    println!("cargo:rustc-env=EG_CONNECTOR_VERSION={version}.{build}");
}
