//! Where the DuckDB library lies, and which build this is.
//!
//! A development build finds the library through an rpath to `DUCKDB_LIB_DIR`; packages set their
//! own rpath; with the feature `bundled-duckdb` there is no library to find. The build number is the
//! fourth part of the version (SPEC 2).

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo:rerun-if-env-changed=EG_BUILD");
    let build = env::var("EG_BUILD").unwrap_or_else(|_| "0".to_owned());
    if build.parse::<u32>().is_err() {
        println!("cargo::error=EG_BUILD is `{build}`; it is the build's number");
        return ExitCode::FAILURE;
    }
    println!("cargo:rustc-env=EG_BUILD={build}");
    if env::var_os("CARGO_FEATURE_BUNDLED_DUCKDB").is_some() {
        // The library is compiled into the program; there is nothing to find.
        return ExitCode::SUCCESS;
    }
    let Some(folder) = env::var_os("DUCKDB_LIB_DIR").map(PathBuf::from) else {
        println!(
            "cargo::error=DUCKDB_LIB_DIR is not set, so the DuckDB library cannot be found: \
             `cargo xtask setup` prints the folder; set DUCKDB_LIB_DIR to it"
        );
        return ExitCode::FAILURE;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    ExitCode::SUCCESS
}
